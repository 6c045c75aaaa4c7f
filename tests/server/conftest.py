"""Runs that several tests of the server share."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

if importlib.util.find_spec("fastapi") is None:
    collect_ignore_glob = ["test_*.py"]


@pytest.fixture(scope="session")
def boxes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from server.tiny import make_run

    return make_run(tmp_path_factory.mktemp("boxes"), "boxes")


@pytest.fixture(scope="session")
def graphs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from server.tiny import make_run

    return make_run(tmp_path_factory.mktemp("graphs"), "graphs")


@pytest.fixture(scope="module")
def served(boxes: Path, graphs: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Any, Any]]:
    """A client and the state of a server with two models and small limits."""
    from server.tiny import serving

    work = tmp_path_factory.mktemp("work")
    with serving([boxes, graphs], work=work, max_pixels=1_000_000, max_bytes=200_000) as one:
        yield one


@pytest.fixture
def client(served: tuple[Any, Any]) -> Any:
    """The client of `served`."""
    return served[0]


@pytest.fixture(scope="session")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Of a server with a run of each kind, a gallery, and the first run browsed."""
    from server.pages import serving_all

    with serving_all(tmp_path_factory.mktemp("page")) as one:
        yield one


@pytest.fixture
def page(browser: Any, address: str) -> Iterator[Any]:
    """The page, 1280 pixels wide."""
    from server.pages import opened

    with opened(browser, address) as one:
        yield one
