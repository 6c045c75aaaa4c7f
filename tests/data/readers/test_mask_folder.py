from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from visus.data.errors import AnnotationError, DatasetNotFoundError
from visus.data.feed.loader import SampleDataset
from visus.data.files.images import ImageError
from visus.data.files.label_maps import LabelTable
from visus.data.formats.class_lists import read_class_list
from visus.data.readers.mask_folder import open_mask_folder, write_fake
from visus.types import VOID

COLOURS = {"sky": (10, 20, 30), "sea": (40, 50, 60), "void": (0, 0, 0)}


def one_mask(root: Path, mask: Image.Image, classes: str = "sky\nsea\n", name: str = "classes.txt") -> Path:
    """A data set of one image of the mask's size."""
    for folder in ("images/train", "masks/train"):
        (root / folder).mkdir(parents=True, exist_ok=True)
    Image.new("RGB", mask.size).save(root / "images" / "train" / "a.jpg")
    mask.save(root / "masks" / "train" / "a.png")
    (root / name).write_text(classes)
    return root


def labels(root: Path) -> list[list[int]]:
    found: list[list[int]] = open_mask_folder(root, "train")[0].target.labels.tolist()
    return found


def test_fake(tmp_path: Path) -> None:
    write_fake(tmp_path)
    dataset = open_mask_folder(tmp_path, "val")
    assert isinstance(dataset, SampleDataset)
    assert dataset.schema.categories == ("sky", "hill", "lake", "boat")
    assert dataset.schema.colours[3] == (200, 60, 50)
    assert len(dataset) == 6
    for index in range(6):
        sample = dataset[index]
        assert sample.target.size == dataset.size(index) == (64, 80)
        assert sample.target.image_id == index + 1
        # Each class is drawn in its colour, so the mask can be told from the image.
        for label, colour in enumerate(dataset.schema.colours):
            there = sample.target.labels == label
            if int(there.sum()) > 150:
                mean = sample.input[:, there].float().mean(dim=1)
                assert (mean - torch.tensor(colour)).abs().max() < 25


@pytest.mark.parametrize("mode", ["L", "P", "I;16", "LA", "P with alpha", "RGB", "RGBA", "4 bits", "2 bits"])
def test_all_kinds_of_masks_mean_the_same(tmp_path: Path, mode: str) -> None:
    numbers = np.array([[0, 1, 2], [2, 1, 0]], dtype=np.uint8)
    lines = "".join(f"{name} {r} {g} {b}\n" for name, (r, g, b) in COLOURS.items())
    mask = Image.fromarray(numbers)
    if mode == "I;16":
        mask = Image.fromarray(numbers.astype(np.uint16))
    elif mode == "LA":
        mask = Image.merge("LA", (mask, Image.new("L", mask.size, 7)))
    elif mode in ("RGB", "RGBA"):
        mask = Image.fromarray(np.array(list(COLOURS.values()), dtype=np.uint8)[numbers]).convert(mode)
    elif mode.startswith("P"):
        mask.putpalette([channel for colour in COLOURS.values() for channel in colour])
    root = one_mask(tmp_path, mask, lines)
    file = root / "masks" / "train" / "a.png"
    if mode == "P with alpha":
        mask.save(file, transparency=bytes([0, 128, 255]))
    elif mode.endswith("bits"):
        _write_grey_png(file, numbers, bits=int(mode[0]))
    assert labels(root) == [[0, 1, VOID], [VOID, 1, 0]]


def _write_grey_png(file: Path, numbers: np.ndarray, *, bits: int) -> None:
    """A grey PNG of few bits, which Pillow can read but not write."""
    import struct
    import zlib

    rows = b""
    for row in numbers:
        text = "".join(f"{number:0{bits}b}" for number in row)
        text += "0" * (-len(text) % 8)
        rows += b"\0" + int(text, 2).to_bytes(len(text) // 8, "big")
    chunks = b""
    header = struct.pack(">IIBBBBB", numbers.shape[1], numbers.shape[0], bits, 0, 0, 0, 0)
    for kind, body in ((b"IHDR", header), (b"IDAT", zlib.compress(rows)), (b"IEND", b"")):
        chunks += struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
    file.write_bytes(b"\x89PNG\r\n\x1a\n" + chunks)


def test_numbers_of_classes_may_be_sparse_and_large(tmp_path: Path) -> None:
    mask = Image.fromarray(np.array([[1001, 26], [65535, 26]], dtype=np.uint16))
    root = one_mask(tmp_path, mask, "id,name\n26,car\n1001,boat\n", "classes.csv")
    assert labels(root) == [[1, 0], [VOID, 0]]
    assert open_mask_folder(root, "train").schema.category_ids == (26, 1001)


def test_void_marks_do_not_hide_a_class(tmp_path: Path) -> None:
    classes = json.dumps([{"name": "a", "id": 255}, {"name": "b", "id": 3, "color": None}])
    root = one_mask(tmp_path, Image.fromarray(np.array([[255, 3]], dtype=np.uint8)), classes, "classes.json")
    assert labels(root) == [[0, 1]]


def test_errors_name_file_and_values(tmp_path: Path) -> None:
    root = one_mask(tmp_path, Image.fromarray(np.array([[0, 1, 7, 9, 8]], dtype=np.uint8)))
    with pytest.raises(AnnotationError, match=r"a\.png: 60\.0% .*class ids 7-9, .*allowed are 0-1, 255, 65535"):
        labels(root)
    one_mask(tmp_path, Image.new("RGB", (4, 4), (9, 9, 9)))
    with pytest.raises(AnnotationError, match=r"a\.png: .*no class has a colour"):
        labels(root)
    one_mask(tmp_path, Image.new("RGB", (4, 4), (9, 9, 9)), "sky 1 2 3\nsea 4 5 6\n")
    with pytest.raises(AnnotationError, match=r"a\.png: 100\.0% .*colours \(9, 9, 9\), .*\(1, 2, 3\), \(4, 5, 6\)"):
        labels(root)
    Image.new("L", (5, 4)).save(root / "masks" / "train" / "a.png")
    with pytest.raises(AnnotationError, match=r"a\.png: the mask has \(h, w\) = \(4, 5\), .*a\.jpg has \(4, 4\)"):
        labels(root)
    for content in (b"", b"nonsense"):
        (root / "masks" / "train" / "a.png").write_bytes(content)
        with pytest.raises(ImageError, match=r"a\.png: (not an image|the file is empty)"):
            labels(root)
    Image.new("F", (4, 4)).save(root / "masks" / "train" / "a.tif")
    (root / "masks" / "train" / "a.png").unlink()
    with pytest.raises(ImageError, match=r"a\.tif: not a readable mask \(floating"):
        labels(root)


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("classes.txt", "", "lists 0 classes"),
        ("classes.txt", "sky\nsky\n", "2 classes have the name sky"),
        ("classes.txt", "sky 1 2 3\nsea\n", "class sea has no colour"),
        ("classes.txt", "sky 1 2 3\nsea 1 2 3\n", r"2 classes have the colour \(1, 2, 3\)"),
        ("classes.txt", "sky 1 2 300\n", r"class 1 \(sky\) has the colour"),
        ("classes.csv", "name,id\nsky,1\nsea,1\n", "2 classes have the id 1"),
        ("classes.csv", "name,id\nsky,70000\n", r"class 1 \(sky\) has the id '70000'"),
        ("classes.csv", "name,id\nsky,0\n,1\n", "class 2 has no name"),
        ("classes.json", "{", "not valid JSON"),
        ("classes.json", "{}", "holds a JSON dict"),
        ("classes.json", "[1]", "class 1 has no name"),
        ("classes.json", json.dumps([f"c{number}" for number in range(256)]), "lists 256 classes"),
    ],
)
def test_bad_class_lists_are_named(tmp_path: Path, name: str, text: str, message: str) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(AnnotationError, match=rf"{name}: {message}"):
        read_class_list(tmp_path / name)


def test_lists_without_headings_and_full_colour_names(tmp_path: Path) -> None:
    (tmp_path / "class_dict.csv").write_text("big sky, 1, 2, 3\nsea,4,5,6\n")
    assert read_class_list(tmp_path / "class_dict.csv")[0].colours == ((1, 2, 3), (4, 5, 6))
    (tmp_path / "classes.csv").write_text("Red,Green,Blue,Name\n1,2,3,big sky\n")
    assert read_class_list(tmp_path / "classes.csv")[0].colours == ((1, 2, 3),)


def test_layouts(tmp_path: Path) -> None:
    with pytest.raises(DatasetNotFoundError, match="no list of classes"):
        open_mask_folder(tmp_path, "train")
    with pytest.raises(DatasetNotFoundError, match="no such folder"):
        open_mask_folder(tmp_path / "absent", "train")
    flat = tmp_path / "flat"
    for folder in ("images", "masks"):
        (flat / folder).mkdir(parents=True)
    (flat / "classes.txt").write_text("sky\n")
    for number in range(20):
        Image.new("RGB", (4, 4)).save(flat / "images" / f"{number:02d}.jpg")
        Image.new("L", (4, 4)).save(flat / "masks" / f"{number:02d}{'_mask' if number % 2 else ''}.png")
    parts = {split: open_mask_folder(flat, split) for split in ("train", "val", "test")}
    assert {split: len(part) for split, part in parts.items()} == {"train": 16, "val": 2, "test": 2}
    assert len({part.path(i) for part in parts.values() for i in range(len(part))}) == 20
    assert all(part[i].target.labels.sum() == 0 for part in parts.values() for i in range(len(part)))
    (flat / "valid.txt").write_text("images/03.jpg\n05\n03\n")
    assert [Path(open_mask_folder(flat, "val").path(i)).stem for i in (0, 1)] == ["03", "05"]
    with pytest.raises(DatasetNotFoundError, match=r"'train'.*\n.*images/train with masks/train"):
        open_mask_folder(flat, "train")
    nested = tmp_path / "nested"
    (nested / "valid").mkdir(parents=True)
    (flat / "images").rename(nested / "valid" / "images")
    (flat / "masks").rename(nested / "valid" / "masks")
    (nested / "classes.txt").write_text("sky\n")
    assert len(open_mask_folder(nested, "val")) == 20


def test_tables_refuse_what_no_file_can_hold() -> None:
    with pytest.raises(ValueError, match="65536"):
        LabelTable(ids={65536: 0})
