"""Texts that no program should write: one error with the file and the place, from every reader."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from visus.data.check.folder import check_folder
from visus.data.errors import AnnotationError, ImageError
from visus.data.files.json_file import read_json
from visus.data.files.yaml_file import read_yaml_file
from visus.data.formats.class_lists import read_class_list
from visus.data.formats.csv_rows import read_rows
from visus.data.readers import cars196, coco, cub200, sop
from visus.data.readers.image_folder import open_image_folder
from visus.data.records.flat import NameTable
from visus.predict.items import Reading, items_of
from visus.runs.feed import open_dataset

JSON = [
    (b'{"a": ' + b"9" * 5000 + b"}", "line 1 has a number of thousands of digits"),
    (b'{"a":\n\n[1, ' + b"-" + b"9" * 50_000 + b"]}", "line 3 has a number of thousands of digits"),
    (b"[" * 200_000, "nested too deeply"),
    (b'{"a":' * 100_000 + b"1" + b"}" * 100_000, "nested too deeply"),
    (b'{"a": [1, {"b": "\\ud83d.png"}]}', r"a\[1\]\.b holds half a character: '\\ud83d\.png'"),
    (b'{"a": ["x", "\\udc00\\ud83d"]}', r"a\[1\] holds half a character"),
    (b'{"\\ud83d": 1}', "the file holds half a character"),
    (b'{"a": "\xed\xa0\xbd"}', "a holds half a character"),
    (b'{"file_name": "\\ud83d.png"}', "file_name holds half a character"),
    (b'{"a": 1', "not valid JSON .*line 1"),
    (b'{"a": "\xfc"}', "not valid JSON .*0xfc in position 7"),
    (b"", r"the file is empty \(0 bytes\)"),
    (b"\0\0\0", "not valid JSON"),
]
YAML = [
    (b"[" * 20_000, "nested too deeply"),
    (b"a: &a [1, 2]\nb: *a\n", "aliases .* are not read.* line 2"),
    (b"a: \xfc\n", "not valid YAML"),
    (b"a: \0\n", "not valid YAML"),
    (b"? [a, b]\n: 1\n", "not valid YAML"),
    (b'names: ["\\ud83d"]\n', r"names\[0\] holds half a character"),
    (b"a: [1\nb: 2\n", "not valid YAML .*line 2"),
    (b"a: 1\n---\nb: 1\n", "not valid YAML"),
]


@pytest.mark.parametrize(("data", "cause"), JSON)
def test_json(tmp_path: Path, data: bytes, cause: str) -> None:
    path = tmp_path / "a.json"
    path.write_bytes(data)
    with pytest.raises(AnnotationError, match=rf"a\.json: .*{cause}") as raised:
        read_json(path)
    assert len(str(raised.value).splitlines()) == 1
    assert len(str(raised.value)) < 500


def test_json_that_is_well(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    for value in ("😀", "犬", "\\ud83d", "a\\\\ud83d", "\udcfc.png"):
        content = {"images": [{"file_name": value}]}
        path.write_text(json.dumps(content), encoding="utf-8")
        assert read_json(path) == content
    for encoding in ("utf-8", "utf-8-sig", "utf-16", "utf-32"):
        path.write_bytes('{"a": "犬😀"}'.encode(encoding))
        assert read_json(path) == {"a": "犬😀"}


@pytest.mark.parametrize(("data", "cause"), YAML)
def test_yaml(tmp_path: Path, data: bytes, cause: str) -> None:
    path = tmp_path / "a.yaml"
    path.write_bytes(data)
    with pytest.raises(AnnotationError, match=rf"a\.yaml: .*{cause}") as raised:
        read_yaml_file(path)
    assert len(str(raised.value).splitlines()) == 1


def test_yaml_values_are_the_text_that_is_written(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    texts = ["no", "yes", "2024-01-01", "2024-99-99", "1e3", "0x1F", "1:30", "~", "9" * 5000, "犬"]
    path.write_text("".join(f"- {text}\n" for text in texts) + "- !!int ''\n- !!timestamp x\n", encoding="utf-8")
    assert read_yaml_file(path) == [*texts, "", "x"]


def test_nested_anchors_take_no_memory(tmp_path: Path) -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 9)]
    (tmp_path / "data.yaml").write_text("\n".join([*lines, "names: *a8", "train: images", "val: images"]))
    begin = time.monotonic()
    with pytest.raises(AnnotationError, match=r"data\.yaml: .*aliases"):
        open_dataset(tmp_path / "data.yaml", "train")
    assert time.monotonic() - begin < 5


YOLO = {
    "date": "names: [2024-99-99]\ntrain: images\nval: images\n",
    "integer": "names: !!int ''\ntrain: images\nval: images\n",
    "digits": f"names: {{{'9' * 5000}: cat}}\ntrain: images\nval: images\n",
    "long path": f"names: [cat]\ntrain: {'n' * 5000}\nval: images\n",
    "digits for a path": f"names: [cat]\ntrain: {'9' * 5000}\nval: images\n",
    "nobody's home": "names: [cat]\ntrain: images\nval: images\npath: ~nobody-of-this-name\n",
    "NUL": 'names: [cat]\ntrain: "a\\0b"\nval: images\n',
}


@pytest.mark.parametrize("name", YOLO)
def test_yolo_descriptions(tmp_path: Path, name: str) -> None:
    (tmp_path / "images").mkdir()
    (tmp_path / "labels").mkdir()
    for number in range(2):
        Image.new("RGB", (32, 32)).save(tmp_path / "images" / f"{number}.png")
        (tmp_path / "labels" / f"{number}.txt").write_text("0 0.5 0.5 0.2 0.2\n")
    (tmp_path / "data.yaml").write_text(YOLO[name])
    if name in ("date", "nobody's home"):
        assert len(open_dataset(tmp_path / "data.yaml", "train")) == 2
        return
    with pytest.raises((AnnotationError, FileNotFoundError), match=r"data\.yaml: "):
        open_dataset(tmp_path / "data.yaml", "train")
    assert check_folder(tmp_path).errors


@pytest.mark.parametrize("read", [read_rows, read_class_list])
def test_cells_beyond_the_limit_of_csv(tmp_path: Path, read: Callable[[Path], object]) -> None:
    path = tmp_path / "classes.csv"
    path.write_text("name,image,label\na,b.png,c\n" + "x" * 200_000 + ",b.png,d\n")
    with pytest.raises(AnnotationError, match=r"classes\.csv: line 3: field larger than field limit"):
        read(path)


@pytest.mark.parametrize("digits", [20, 5000])
def test_identifiers_of_many_digits(tmp_path: Path, digits: int) -> None:
    number = "9" * digits
    sop.write_fake(tmp_path / "sop")
    listing = tmp_path / "sop" / "Ebay_train.txt"
    lines = listing.read_text().splitlines()
    lines[1] = lines[1].replace(lines[1].split()[1], number, 2)
    listing.write_text("\n".join(lines))
    with pytest.raises(AnnotationError, match=r"Ebay_train\.txt, line 2: ") as raised:
        sop.open_sop(tmp_path / "sop", "train")
    assert len(str(raised.value)) < 400
    cub200.write_fake(tmp_path / "cub")
    labels = tmp_path / "cub" / "image_class_labels.txt"
    lines = labels.read_text().splitlines()
    for changed in ([f"{number} 1", *lines[1:]], [f"1 {number}", *lines[1:]]):
        labels.write_text("\n".join(changed))
        with pytest.raises(AnnotationError, match=r"image_class_labels\.txt, line 1: "):
            cub200.open_cub200(tmp_path / "cub", "train")
    labels.write_text("\n".join(lines))
    images = tmp_path / "cub" / "images.txt"
    images.write_text("\n".join([f"{number} a.jpg", *images.read_text().splitlines()]))
    with pytest.raises(AnnotationError, match=r"images\.txt, line 1: "):
        cub200.open_cub200(tmp_path / "cub", "train")


def test_cars_that_matlab_or_a_full_disk_wrote(tmp_path: Path) -> None:
    cars196.write_fake(tmp_path)
    path = tmp_path / "cars_annos.mat"
    whole = path.read_bytes()
    header = b"MATLAB 7.3 MAT-file, Platform: GLNXA64".ljust(116) + bytes(8) + b"\x00\x02IM"
    path.write_bytes(header + bytes(384) + b"\x89HDF\r\n\x1a\n" + bytes(200))
    with pytest.raises(AnnotationError, match=r"cars_annos\.mat: of MATLAB 7\.3"):
        cars196.open_cars196(tmp_path, "train")
    for cut in (0, 1, 60, 127, 128, 130, 200, len(whole) // 2, len(whole) - 9):
        path.write_bytes(whole[:cut])
        with pytest.raises(AnnotationError, match=r"cars_annos\.mat: "):
            cars196.open_cars196(tmp_path, "train")


def folder_of_two_classes(root: bytes) -> None:
    """A class folder all of whose names are Latin-1."""
    for name in (b"K\xe4fer", b"H\xfcndin"):
        os.makedirs(os.path.join(root, name))
        for number in range(4):
            with open(os.path.join(root, name, b"Bild \xfc%d.png" % number), "wb") as file:
                Image.new("RGB", (16, 16), (number * 60, 9, 9)).save(file, "png")


def test_names_on_disk_need_not_be_utf8(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root = tmp_path / os.fsdecode(b"B\xe4nder")
    folder_of_two_classes(os.fsencode(root))
    data = open_image_folder(root, "train")
    assert all(tuple(data[place].input.shape) == (3, 16, 16) for place in range(len(data)))
    assert {os.fsencode(data.path(place)).startswith(os.fsencode(root)) for place in range(len(data))} == {True}
    assert len([item.read() for item in items_of(root, Reading())]) == 8


def test_a_table_of_names() -> None:
    names = ["a.png", "犬.png", os.fsdecode(b"\xfc.png"), "", "x" * 5000]
    table = NameTable(names)
    assert [table[place] for place in range(len(table))] == names
    with pytest.raises(AnnotationError, match=r"'\\ud83d\.png': no file can have this name"):
        NameTable(["\ud83d.png"])


@pytest.mark.parametrize("name", ["n" * 5000 + ".png", "a\0b.png", "..", "", "x/" * 3000])
def test_images_of_a_table_that_no_file_can_be(tmp_path: Path, name: str) -> None:
    Image.new("RGB", (16, 16)).save(tmp_path / "a.png")
    (tmp_path / "labels.csv").write_text(f"image,label\na.png,cat\na.png,cat\n{name},dog\n", encoding="utf-8")

    def read_all() -> list[object]:
        data = open_dataset(tmp_path, "train")
        return [data[place] for place in range(len(data))]

    with pytest.raises((AnnotationError, ImageError)) as raised:
        read_all()
    assert len(str(raised.value).splitlines()) == 1
    assert check_folder(tmp_path).errors


def test_lists_of_images_to_predict(tmp_path: Path) -> None:
    Image.new("RGB", (16, 16)).save(tmp_path / "a.png")
    listing = tmp_path / "list.txt"
    listing.write_text("a.png\n" + "n" * 5000 + ".png\na\0b.png\n", encoding="utf-8")
    first, *others = items_of(listing, Reading())
    assert first.read().shape == (3, 16, 16)
    for item in others:
        with pytest.raises(ImageError):
            item.read()
    assert [item.name for item in (first, *others)][::2] == ["a.png", "a\0b.png"]
    listing.write_bytes(b"a.png\nB\xfcld.png\n")
    with pytest.raises(AnnotationError, match=r"list\.txt: not a text file in UTF-8"):
        list(items_of(listing, Reading()))


def test_names_that_are_no_utf8_are_printed_and_written(tmp_path: Path) -> None:
    folder_of_two_classes(os.fsencode(tmp_path / "data"))
    broken = tmp_path / "data" / os.fsdecode(b"K\xe4fer") / os.fsdecode(b"Bild \xfc0.png")
    broken.write_bytes(b"no image")
    command = [sys.executable, "-m", "visus", "data", "check", str(tmp_path / "data")]
    strict = {**os.environ, "PYTHONIOENCODING": "utf-8:strict", "COLUMNS": "200"}
    done = subprocess.run(command, env=strict, capture_output=True, check=False)
    assert done.returncode == 1
    assert b"corrupt image" in done.stdout
    assert rb"K\udce4fer/Bild \udcfc0.png" in done.stdout
    assert done.stderr == b""


def test_coco_may_name_images_that_are_no_utf8(tmp_path: Path) -> None:
    coco.write_fake(tmp_path, images=4)
    file = tmp_path / "annotations" / "instances_train.json"
    content = json.loads(file.read_text())
    for record in content["images"]:
        name = os.fsdecode(b"M\xfcsli ") + record["file_name"]
        (tmp_path / "train" / record["file_name"]).rename(tmp_path / "train" / name)
        record["file_name"] = name
    file.write_text(json.dumps(content))
    data = coco.open_coco(tmp_path, "train")
    assert all(os.fsdecode(b"M\xfcsli ") in data[place].path for place in range(len(data)))
    content["images"][1]["file_name"] = "\ud83d.jpg"
    file.write_text(json.dumps(content))
    with pytest.raises(AnnotationError, match=r"instances_train\.json: images\[1\]\.file_name holds half a character"):
        coco.open_coco(tmp_path, "train")
