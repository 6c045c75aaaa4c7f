"""A server with a run of each kind of system, and its page in the browser."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from server.tiny import GENERATOR, RECIPE_OF, image_bytes, make_run


def is_refusal(said: Any) -> bool:
    """Whether the browser itself tells of an answer with an error, which a page shows in its own words."""
    return "Failed to load resource" in said.text


@contextmanager
def listening(state: Any, browser: Any = None) -> Iterator[str]:
    """The address of a server over a state, in a thread of its own."""
    import uvicorn

    from visus.server.app import create_app
    from visus.server.listening import Listener, open_port

    bound = open_port("127.0.0.1", 0)
    server = Listener(uvicorn.Config(create_app(state, browser), log_level="warning", lifespan="off", ws="none"))
    bound.listen()
    thread = threading.Thread(target=server.run, kwargs={"sockets": [bound]}, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{bound.getsockname()[1]}"
    server.should_exit = True
    thread.join(10)
    state.jobs.stop(5)


@contextmanager
def serving_all(folder: Path) -> Iterator[str]:
    """The address of a server with a run of each kind, a gallery, and the first run browsed."""
    from visus.galleries import Gallery
    from visus.server.browsing import Browser
    from visus.server.loaded import Models
    from visus.server.settings import Settings
    from visus.server.state import State

    runs = [make_run(folder, name) for name in (*RECIPE_OF, GENERATOR)]
    for seed in range(3):
        (folder / f"{seed}.png").write_bytes(image_bytes(seed))
    gallery = Gallery.create(folder / "one.gallery", device="cpu")
    gallery.add([folder / f"{seed}.png" for seed in range(3)])
    models = Models([str(run) for run in runs], device="cpu", max_pixels=10**7)
    state = State(Settings(work=folder, max_bytes=1_000_000), models, gallery)
    with listening(state, Browser(state.models.get(), state.jobs)) as address:
        yield address
    gallery.close()


@contextmanager
def opened(browser: Any, address: str, **options: Any) -> Iterator[Any]:
    """The page; at the end no script has failed, and nothing was asked of another host."""
    context = browser.new_context(**{"viewport": {"width": 1280, "height": 900}, **options})
    context.grant_permissions(["clipboard-read", "clipboard-write", "camera"], origin=address)
    context.set_default_timeout(90_000)  # of a machine that has other work
    page = context.new_page()
    faults: list[str] = []
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.on("console", lambda said: faults.append(said.text) if said.type == "error" and not is_refusal(said) else None)
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(address)
    page.wait_for_selector("#model option", state="attached")
    yield page
    assert not faults
    assert all(url.startswith((address, "data:", "blob:")) for url in asked)
    context.close()


def look(page: Any, name: str) -> None:
    """Chooses a model and its first example, and waits for what it found."""
    page.select_option("#model", name)
    page.wait_for_selector("#examples button")
    page.click("#examples button:first-child")
    page.wait_for_selector(f"section.pane[aria-label='{name}'] .side h2")
    page.wait_for_selector("#panes:not(.busy)")
