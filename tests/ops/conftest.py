"""What the tests of operators share."""

from __future__ import annotations

import jaxtyping
import pytest


@pytest.fixture
def without_shape_checks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Calls functions as users do: the check of their annotations, which only tests make, cannot be compiled."""
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)
