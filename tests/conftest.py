"""What tests of several packages share."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    """One Chromium for all tests of pages: Playwright cannot be started twice in one thread."""
    from playwright.sync_api import sync_playwright

    from chromium import ARGUMENTS, CHROMIUM

    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield started
        started.close()
