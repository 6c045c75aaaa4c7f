"""Takes docs/pictures/serve_*.jpg: the pages of `visus serve` and `visus browse` in headless Chromium.

    python scripts/serve_pictures.py runs/detector runs/graphs
    python scripts/serve_pictures.py runs/detector runs/graphs runs/shapes --every states

The pictures of the documentation are of the first run that finds objects, which is browsed, and the first that finds
scene graphs. With --every, each state of the page is taken for each run, wide and as on a phone, light and dark. Needs
`pip install "visus[dev]"` and Chromium; both servers are stopped at the end.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from PIL import Image

from visus.data.vignettes import Vignettes

OUT = Path(__file__).resolve().parents[1] / "docs" / "pictures"
ARGUMENTS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking"]
ARGUMENTS += ["--disable-component-update", "--disable-sync", "--hide-scrollbars"]
ARGUMENTS += ["--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream"]
WIDE, PHONE = (1280, 860), (420, 860)
QUALITY = 82
PATIENCE = 120_000  # milliseconds
SEEN = """() => [...document.images].every((one) => one.complete
    || one.getBoundingClientRect().top > innerHeight || !one.checkVisibility())"""
"""Whether all images in the window are there."""


def main() -> None:
    """Starts the servers, and takes the pictures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", nargs="+", help="run folders; the first must find objects, and is browsed")
    parser.add_argument("--every", type=Path, help="a folder for every state of the page instead")
    parser.add_argument("--only", default="", help="with --every: states whose names contain this")
    options = parser.parse_args()
    from playwright.sync_api import sync_playwright

    chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        scenes = _scenes(Path(folder))
        gallery = Path(folder) / "scenes.gallery"
        _visus("gallery", "create", str(gallery))
        _visus("gallery", "add", str(gallery), str(scenes))
        browser = playwright.chromium.launch(executable_path=chromium, args=ARGUMENTS)
        served = ("serve", *options.runs, "--gallery", str(gallery))
        with _server(*served) as page, _server("browse", options.runs[0]) as browsed:
            states = page_states(browser, page) | browse_states()
            if options.every:
                _take_every(browser, states, {"page": page, "browse": browsed}, options)
            else:
                _take_chosen(browser, states, {"page": page, "browse": browsed})
        browser.close()


State = Callable[[Any], None]
"""Brings an opened page into the state that is taken."""


def page_states(browser: Any, address: str) -> dict[str, State]:
    """The states of the page of `visus serve` by name: each model's, and those that any has."""
    with _opened(browser, address, WIDE, dark=False) as page:
        models = page.evaluate("view.models.map(({ name, takes, problem }) => ({ name, takes, problem }))")
    takes = {one["name"]: one["takes"] for one in models}
    problems = {one["name"]: one["problem"] for one in models}
    boxed = [name for name, problem in problems.items() if problem in ("detection", "instances", "scene_graphs")]
    states: dict[str, State] = {"start": lambda page: None, "error": _error, "teach": _teach}
    states |= {"camera": _camera, "token": _token}
    for name, kind in takes.items():
        states[f"model_{name}"] = _made(name) if kind == "phrase" else _looked(name)
    if boxed:
        states |= {"hover": _hovered(boxed[0]), "correct": _corrected(boxed[0]), "alike": _alike(boxed[0])}
    if len(boxed) > 1:
        states["compare"] = _compared(boxed[0], boxed[1])
    states |= {f"ask_{name}": _asked(name) for name, problem in problems.items() if problem == "scene_graphs"}
    return {f"page_{name}": state for name, state in states.items()}


def browse_states() -> dict[str, State]:
    """The states of the page of `visus browse` by name."""

    def large(page: Any) -> None:
        page.locator(".tile").first.click()
        page.wait_for_selector("#large[open] img")

    def labels(page: Any) -> None:
        page.click("#view-labels")

    def classes(page: Any) -> None:
        page.click("#view-classes")

    def filtered(page: Any) -> None:
        page.select_option("#kind", "missed")

    states = {"start": lambda page: None, "large": large, "labels": labels, "classes": classes, "filtered": filtered}
    return {f"browse_{name}": state for name, state in states.items()}


def _looked(model: str, example: int = 1) -> State:
    def state(page: Any) -> None:
        page.select_option("#model", model)
        page.wait_for_selector(f"#examples button:nth-child({example})", timeout=PATIENCE)
        page.click(f"#examples button:nth-child({example})")
        page.wait_for_selector(f"section.pane[aria-label='{model}'] .side h2", timeout=PATIENCE)
        page.wait_for_selector("#panes:not(.busy)", timeout=PATIENCE)

    return state


def _made(model: str) -> State:
    def state(page: Any) -> None:
        page.select_option("#model", model)
        page.fill("#phrase", "a red ball on top of a table")
        page.keyboard.press("Enter")
        page.wait_for_selector("#images figure:nth-child(4) img", timeout=PATIENCE)

    return state


def _hovered(model: str) -> State:
    def state(page: Any) -> None:
        _looked(model)(page)
        if page.locator(".side .item").count():
            page.locator(".side .item").first.hover()

    return state


def _corrected(model: str) -> State:
    def state(page: Any) -> None:
        _looked(model)(page)
        page.click("#correct")
        if page.locator(".side .item").count():
            page.locator(".side .item").first.click()

    return state


def _alike(model: str) -> State:
    def state(page: Any) -> None:
        _looked(model)(page)
        page.click("#alike")
        page.wait_for_selector("#neighbours figure", timeout=PATIENCE)

    return state


def _compared(model: str, other: str) -> State:
    def state(page: Any) -> None:
        page.select_option("#model", model)
        page.select_option("#other", other)
        _looked(model)(page)

    return state


def _asked(model: str) -> State:
    def state(page: Any) -> None:
        _looked(model)(page)
        page.locator(".graph").scroll_into_view_if_needed()
        page.fill("#words", "how many dogs are there?")
        page.keyboard.press("Enter")
        page.wait_for_selector("#said:not(:empty)", timeout=PATIENCE)

    return state


def _error(page: Any) -> None:
    files = [{"name": "notes.png", "mimeType": "image/png", "buffer": b"no image"}]
    page.set_input_files("#file", files)
    page.wait_for_selector("#status.bad", timeout=PATIENCE)


def _camera(page: Any) -> None:
    page.click("#camera")
    page.wait_for_selector("#shoot")
    page.wait_for_timeout(1500)


def _token(page: Any) -> None:
    page.evaluate("document.getElementById('token-dialog').showModal()")


def _teach(page: Any) -> None:
    page.click("#teach summary")
    for place, name in enumerate(("dog", "bird")):
        row = page.locator(".lesson").nth(place)
        row.locator("input[type=text]").fill(name)
        row.locator("input[type=file]").set_input_files(_crops(name))
    page.wait_for_selector(".lesson:nth-child(2) img")


def _crops(name: str, most: int = 3) -> list[Any]:
    """Files of things of a class, cut out of drawn scenes."""
    scenes, files = Vignettes(split="train", length=60, size=256), list[Any]()
    for number in range(60):
        sample = scenes[number]
        for label, box in zip(sample.target.labels.tolist(), sample.target.boxes_xyxy.long().tolist(), strict=True):
            x1, y1, x2, y2 = box
            if scenes.schema.categories[label] == name and len(files) < most and min(x2 - x1, y2 - y1) > 40:
                files.append(_png(sample.input[:, y1:y2, x1:x2], f"{name}_{len(files)}.png"))
    return files


def _png(image: Any, name: str) -> Any:
    import io

    content = io.BytesIO()
    Image.fromarray(image.permute(1, 2, 0).contiguous().numpy()).save(content, "PNG")
    return {"name": name, "mimeType": "image/png", "buffer": content.getvalue()}


def _scenes(folder: Path) -> Path:
    """A folder of drawn scenes for the gallery."""
    scenes = folder / "scenes"
    scenes.mkdir()
    for number in range(24):
        image = Vignettes(split="train", length=24, size=192)[number].input
        Image.fromarray(image.permute(1, 2, 0).contiguous().numpy()).save(scenes / f"scene_{number:02d}.png")
    return scenes


def _visus(*words: str) -> None:
    subprocess.run([sys.executable, "-m", "visus", *words], check=True, stdout=subprocess.DEVNULL)


@contextmanager
def _server(*words: str) -> Iterator[str]:
    """The address of a page, whose server is stopped at the end."""
    command = [sys.executable, "-m", "visus", *words, "--port", "0", "--device", "cpu"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            address = process.stdout.readline().strip()
            if not address:
                raise SystemExit(f"no server: {' '.join(command)}")
            yield address
        finally:
            process.terminate()


@contextmanager
def _opened(browser: Any, address: str, size: tuple[int, int], *, dark: bool) -> Iterator[Any]:
    """The page at an address, once its models or images are there."""
    viewport = {"width": size[0], "height": size[1]}
    scheme = "dark" if dark else "light"
    phone = size == PHONE
    context = browser.new_context(
        viewport=viewport, color_scheme=scheme, reduced_motion="reduce", has_touch=phone, is_mobile=phone
    )
    page = context.new_page()
    page.goto(address)
    if address.endswith("browse"):
        page.wait_for_selector(".tile:nth-child(6)", timeout=PATIENCE)
        page.wait_for_selector("#looking", state="hidden", timeout=PATIENCE)
    else:
        page.wait_for_selector("#examples button:nth-child(6)", timeout=PATIENCE)
    yield page
    context.close()


def _take(browser: Any, address: str, state: State, size: tuple[int, int], dark: bool, file: Path, whole: bool) -> None:
    with _opened(browser, address, size, dark=dark) as page:
        state(page)
        page.wait_for_function(SEEN, timeout=PATIENCE)
        page.wait_for_timeout(500)  # canvases are drawn
        kind: Any = {"type": "jpeg", "quality": QUALITY} if file.suffix == ".jpg" else {}
        page.screenshot(path=str(file), full_page=whole, **kind)
        print(file)


def _take_every(browser: Any, states: dict[str, State], addresses: dict[str, str], options: Any) -> None:
    options.every.mkdir(parents=True, exist_ok=True)
    for name, state in states.items():
        if options.only not in name:
            continue
        for look in ("wide", "wide_dark", "phone", "phone_dark"):
            size = PHONE if "phone" in look else WIDE
            file = options.every / f"{name}_{look}.png"
            try:
                _take(browser, addresses[name.split("_")[0]], state, size, "dark" in look, file, whole=True)
            except Exception as error:
                print(f"{name} {look}: {' '.join(str(error).split())[:200]}")


def _take_chosen(browser: Any, states: dict[str, State], addresses: dict[str, str]) -> None:
    chosen = {
        "serve_page": ("page_hover", WIDE, False),
        "serve_graph": ("page_ask_", WIDE, True),
        "serve_teach": ("page_teach", PHONE, True),
        "serve_browse": ("browse_start", WIDE, False),
    }
    for picture, (start, size, dark) in chosen.items():
        name = next((name for name in states if name.startswith(start)), None)
        if name is None:
            print(f"{picture}.jpg: no run for it was given")
            continue
        _take(browser, addresses[name.split("_")[0]], states[name], size, dark, OUT / f"{picture}.jpg", whole=False)


if __name__ == "__main__":
    main()
