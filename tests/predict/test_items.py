"""The door of predictions: one image by every way in, and what is refused."""

from __future__ import annotations

import io
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from visus.data.errors import ImageError
from visus.data.files.images import read_image
from visus.errors import VisusError
from visus.predict import items as module
from visus.predict.items import Reading, items_of
from visus.types import Sample

PIXELS = np.random.default_rng(0).integers(0, 256, (20, 30, 3), dtype=np.uint8)
IMAGE = torch.from_numpy(PIXELS).permute(2, 0, 1).contiguous()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    Image.fromarray(PIXELS).save(tmp_path / "photo.png")
    return tmp_path / "photo.png"


def read_all(images: Any, **how: Any) -> list[torch.Tensor]:
    return [item.read() for item in items_of(images, Reading(**how))]


class Wrapped:
    """An open file of another library."""

    def __init__(self, content: bytes) -> None:
        self.read = io.BytesIO(content).read


class Folder:
    """What `open` and others take for a path."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __fspath__(self) -> str:
        return str(self.path)


class Dataset:
    """Images by number, without an iterator."""

    def __len__(self) -> int:
        return 2

    def __getitem__(self, index: int) -> Sample:
        return Sample(IMAGE, None, f"{range(2)[index]}.png")


def test_one_image_by_every_way_in(file: Path) -> None:
    content = file.read_bytes()
    with file.open("rb") as opened, Image.open(file) as image:
        ways = [
            *(file, str(file), Folder(file), content, bytearray(content), memoryview(content)),
            *(io.BytesIO(content), opened, Wrapped(content), image, Image.fromarray(PIXELS)),
            *(PIXELS, IMAGE, PIXELS / 255, Sample(IMAGE, None), [IMAGE], (PIXELS,), iter([file])),
            *(str(file.parent), str(file.parent / "*.png"), file.parent),
        ]
        for way in ways:
            (pixels,) = read_all(way)
            assert torch.equal(pixels, IMAGE), way


def test_several_in_every_kind_of_row(file: Path) -> None:
    def generated() -> Iterator[Any]:
        yield file
        yield PIXELS

    for several in (generated(), [file, [IMAGE]], np.stack([PIXELS] * 2), torch.stack([IMAGE] * 2), Dataset()):
        assert [torch.equal(pixels, IMAGE) for pixels in read_all(several)] == [True, True]
    assert [item.path for item in items_of(Dataset(), Reading())] == ["0.png", "1.png"]
    assert read_all([]) == []


def test_an_image_of_a_generator_is_read_when_it_is_wanted() -> None:
    made: list[int] = []

    def endless() -> Iterator[np.ndarray]:
        while True:
            made.append(1)
            yield PIXELS

    items = items_of(endless(), Reading())
    next(items)
    next(items)
    assert len(made) == 2


def test_colours_of_opencv(file: Path) -> None:
    for given in (PIXELS[..., ::-1], [PIXELS[..., ::-1]], file, Image.fromarray(PIXELS)):  # files say what they hold
        (pixels,) = read_all(given, bgr=True)
        assert torch.equal(pixels, IMAGE)


@pytest.mark.parametrize(
    ("thing", "said"),
    [
        (3, "no image: int; give a path, a folder"),
        (None, "no image: NoneType"),
        ({"image": 1}, "no image: dict"),
        ([[[0, 0, 0]]], "no image: int"),
        (b"", "empty (0 bytes)"),
        (b"no image", "bytes: not an image of a known format"),
        (io.BytesIO(b""), "an open file: empty"),
        (io.StringIO("text"), "opened as text; open images with mode 'rb'"),
        ("", "the name of a source is empty"),
        ("nowhere.jpg", "nowhere.jpg: no such file or folder"),
        (Path("nowhere.jpg"), "nowhere.jpg: no such file or folder"),
        ("ftp://a/b.jpg", "only http, https, rtsp and rtmp addresses are read"),
    ],
)
def test_anything_else_is_refused_in_one_line(thing: Any, said: str) -> None:
    with pytest.raises(VisusError, match=re.escape(said)) as raised:
        read_all(thing)
    assert "\n" not in str(raised.value)


def stack(path: Path) -> Path:
    pages = [Image.new("RGB", (8, 6), (60 * i, 0, 0)) for i in range(3)]
    pages[0].save(path, save_all=True, append_images=pages[1:])
    return path


def test_one_line_says_that_only_the_first_page_was_read(tmp_path: Path) -> None:
    path = stack(tmp_path / "stack.tif")
    for given in (path, path.read_bytes()):
        notes: list[str] = []
        assert len(read_all(given, on_note=notes.append)) == 1
        assert len(notes) == 1
        assert "3 pages, and only the first is looked at; --pages (in Python pages=True)" in notes[0]
    with pytest.warns(UserWarning, match=r"stack\.tif: 3 pages"):
        read_all(path)


@pytest.mark.parametrize("suffix", [".tif", ".gif"])
def test_all_pages(tmp_path: Path, suffix: str) -> None:
    path = stack(tmp_path / f"stack{suffix}")
    items = list(items_of([path], Reading(pages=True)))
    assert [item.name for item in items] == [f"stack_page00{i}{suffix}" for i in range(3)]
    assert [item.details["page"] for item in items] == [0, 1, 2]
    assert [int(item.read()[0, 0, 0]) for item in items] == [0, 60, 120]
    assert len(read_all(path.read_bytes(), pages=True)) == 3


def test_all_pages_of_what_has_one(file: Path) -> None:
    (item,) = items_of(file, Reading(pages=True))
    assert item.name == "photo.png"
    file.write_bytes(b"")
    (item,) = items_of(file, Reading(pages=True))
    with pytest.raises(ImageError, match="empty"):
        item.read()


def test_an_address(monkeypatch: pytest.MonkeyPatch, file: Path) -> None:
    asked = []
    monkeypatch.setattr(module, "read_address", lambda address: asked.append(address) or file.read_bytes())
    (item,) = items_of("https://example.org/a%20b.png?size=1", Reading())
    assert (item.name, item.path) == ("a-b.png", "https://example.org/a%20b.png?size=1")
    assert torch.equal(item.read(), IMAGE)
    assert asked == ["https://example.org/a%20b.png?size=1"]


@pytest.mark.parametrize(("content", "said"), [(None, "nothing is piped"), (b"", "standard input is empty")])
def test_standard_input(monkeypatch: pytest.MonkeyPatch, file: Path, content: bytes | None, said: str) -> None:
    def stdin(data: bytes | None) -> Any:
        return SimpleNamespace(isatty=lambda: data is None, buffer=io.BytesIO(data or b""))

    monkeypatch.setattr(sys, "stdin", stdin(file.read_bytes()))
    (item,) = items_of("-", Reading())
    assert torch.equal(item.read(), read_image(file))
    monkeypatch.setattr(sys, "stdin", stdin(content))
    with pytest.raises(ImageError, match=said):
        read_all("-")
