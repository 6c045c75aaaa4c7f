"""Named pipes, sockets and devices under the names of files: never opened, as each would wait for ever."""

from __future__ import annotations

import multiprocessing
import os
import shutil
import socket
import warnings
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from visus.catalog import DATASETS
from visus.data.check.folder import check_folder
from visus.data.convert.convert import convert
from visus.data.errors import ImageError
from visus.data.files.images import image_size, read_image
from visus.data.files.label_maps import read_values
from visus.data.recognise import find_dataset
from visus.errors import VisusError
from visus.predict.items import Item, Reading, items_of
from visus.recipes import for_folder

NAMES = sorted(name for name, entry in DATASETS.items() if entry.write_fake)
STRAYS = ("x.csv", "x.json", "x.yaml", "x.yml", "x.xml", "x.txt", "x.png", "x.jpg", "x.mat", "x.data", "x.names")
SECONDS = 30


def within_seconds(work: Callable[[], None]) -> str:
    """How a piece of work ended in a process of its own: "well", "badly" or "never"."""
    process = multiprocessing.get_context("fork").Process(target=work)
    process.start()
    process.join(SECONDS)
    if process.is_alive():
        process.kill()
        process.join()
        return "never"
    return "badly" if process.exitcode else "well"


def read_or_refused(item: Item) -> None:
    with suppress(VisusError):
        item.read()


def use(name: str, root: Path) -> None:
    """Everything that is done with a data set: all of it may be refused, nothing may wait."""
    warnings.simplefilter("ignore")
    for step in (
        lambda: find_dataset(root),
        lambda: for_folder(root),
        lambda: check_folder(root),
        lambda: check_folder(root, dataset=name),
        lambda: [sample for split in ("train", "val", "test") for sample in DATASETS[name].open(root, split)],
        lambda: convert(root, root.parent / "converted", to="voc" if name != "voc" else "coco"),
        lambda: [read_or_refused(item) for item in items_of(root, Reading())],
        lambda: list(items_of(root / "x.csv", Reading())),
        lambda: [item.read() for item in items_of(root / "x.png", Reading())],
    ):
        with suppress(VisusError):
            step()


@pytest.mark.parametrize("name", NAMES)
def test_pipes_beside_the_files(name: str, tmp_path: Path) -> None:
    root = tmp_path / "data"
    write = DATASETS[name].write_fake
    assert write is not None
    write(root)
    folders = [root, *(path for path in root.rglob("*") if path.is_dir())]
    for folder in folders:
        for stray in STRAYS:
            os.mkfifo(folder / stray)
    assert within_seconds(lambda: use(name, root)) == "well"


@pytest.mark.parametrize("name", NAMES)
def test_pipes_instead_of_the_files(name: str, tmp_path: Path) -> None:
    root = tmp_path / "data"
    write = DATASETS[name].write_fake
    assert write is not None
    write(root)
    seen: set[tuple[Path, str]] = set()
    for path in sorted(path for path in root.rglob("*") if path.is_file()):
        if (path.parent, path.suffix) in seen and path.suffix in (".jpg", ".png", ".pgm", ".txt", ".xml", ".json"):
            continue  # one of many such files is enough
        seen.add((path.parent, path.suffix))
        path.unlink()
        os.mkfifo(path)
    assert within_seconds(lambda: use(name, root)) == "well"
    shutil.rmtree(root)


@pytest.mark.parametrize("kind", ["a named pipe", "a socket", "a device", "a folder"])
def test_what_is_no_file_is_named(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "x.png"
    if kind == "a named pipe":
        os.mkfifo(path)
    elif kind == "a socket":
        with socket.socket(socket.AF_UNIX) as open_socket:
            open_socket.bind(str(path))
    elif kind == "a device":
        path.symlink_to("/dev/zero")
    else:
        path.mkdir()
    for read in (read_image, image_size, read_values):
        with pytest.raises(ImageError, match=rf"x\.png: cannot be read \({kind}, not a file\)"):
            read(path)
