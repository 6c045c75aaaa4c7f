"""``flip_pairs.json`` beside the data: read for every reader in one way, and refused in one line."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image

from data.labelme_files import SQUARE, file, shape
from visus.data.check.folder import check_folder
from visus.data.convert.convert import convert
from visus.data.datasets import DATASETS
from visus.data.errors import AnnotationError
from visus.data.formats.flip_pairs import FlipPairsError, flip_pairs_file, read_flip_pairs, write_flip_pairs
from visus.data.recognise import find_dataset, layout_of, open_folder
from visus.runs.feed import open_dataset

NAMES = ["a", "b", "c"]
FLAT = [5, 6, 2, 25, 6, 2, 15, 12, 2]


def coco(root: Path, **more: object) -> Path:
    (root / "annotations").mkdir(parents=True)
    for split in ("train", "val"):
        image(root / split / "a.png")
        category = {"id": 1, "name": "face", "keypoints": NAMES, "skeleton": [], **more}
        thing = {"id": 1, "image_id": 1, "category_id": 1, "iscrowd": 0, "bbox": [4, 5, 22, 8], "area": 176}
        content = {
            "images": [{"id": 1, "file_name": "a.png", "height": 20, "width": 30}],
            "annotations": [{**thing, "keypoints": FLAT, "num_keypoints": 3}],
            "categories": [category],
        }
        (root / "annotations" / f"person_keypoints_{split}.json").write_text(json.dumps(content))
    return root


def yolo(root: Path, more: str = "") -> Path:
    for split in ("train", "val"):
        image(root / "images" / split / "a.png")
        (root / "labels" / split).mkdir(parents=True)
        (root / "labels" / split / "a.txt").write_text("0 0.5 0.5 0.7 0.4 0.2 0.3 2 0.8 0.3 2 0.5 0.6 2\n")
    yaml = (
        f"train: images/train\nval: images/val\nnames: [face]\nkpt_shape: [3, 3]\nkpt_names: {{0: [a, b, c]}}\n{more}"
    )
    (root / "data.yaml").write_text(yaml)
    return root


def csv(root: Path) -> Path:
    for number in range(10):
        image(root / f"{number}.png")
    rows = "".join(f"{number}.png,5,6,25,6,15,12\n" for number in range(10))
    (root / "points.csv").write_text(f"image,a_x,a_y,b_x,b_y,c_x,c_y\n{rows}")
    return root


def labelme(root: Path) -> Path:
    points = [shape(name, [[5 + 3 * place, 6]], "point", group_id=1) for place, name in enumerate(NAMES)]
    for split in ("train", "val", "test"):
        file(root / split, "a", [shape("face", SQUARE, group_id=1), *points])
    return root


def image(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (30, 20), (90, 160, 200)).save(path)


READERS: dict[str, Callable[[Path], Path]] = {"coco": coco, "yolo": yolo, "csv": csv, "labelme": labelme}


def pairs(root: Path, split: str = "train") -> tuple[tuple[int, int], ...] | None:
    schema = open_folder(root, split, for_training=split == "train").schema
    assert schema.keypoints is not None
    assert schema.keypoints.names == ("a", "b", "c")
    return schema.keypoints.flip_pairs


def say(root: Path, content: object) -> None:
    (root / "flip_pairs.json").write_text(json.dumps(content))


@pytest.mark.parametrize("layout", READERS)
def test_every_reader_with_keypoints_reads_it(layout: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = READERS[layout](tmp_path / "faces")
    assert pairs(root) is None
    before = check_folder(root)
    assert ["which of the 3 keypoints" in note for note in before.notes] == [True]
    for content in ([["a", "b"]], [[0, 1]], [["a", 1]]):
        say(root, content)
        assert layout_of(root) == layout
        assert pairs(root) == pairs(root, "val") == ((0, 1),)
    assert check_folder(root) == replace(before, notes=())
    monkeypatch.chdir(tmp_path)
    assert pairs(Path("faces")) == ((0, 1),)
    dataset = open_dataset(find_dataset(root)[0], root=str(root))
    assert dataset.schema.keypoints is not None
    assert dataset.schema.keypoints.flip_pairs == ((0, 1),)
    assert dataset[0].target.keypoints_xyv.shape == (1, 3, 3)
    say(root, [])
    assert pairs(root) == ()


@pytest.mark.parametrize("name", [name for name, entry in DATASETS.items() if entry.write_fake])
def test_it_is_read_beside_every_miniature_with_keypoints(name: str, tmp_path: Path) -> None:
    entry = DATASETS[name]
    assert entry.write_fake is not None
    entry.write_fake(tmp_path)
    schema = entry.open(tmp_path, "train").schema
    say(tmp_path, [[0, 2]])
    again = entry.open(tmp_path, "train", for_training=True).schema
    if schema.keypoints is None:
        assert again == schema
    else:
        assert again.keypoints is not None
        assert again.keypoints.flip_pairs == ((0, 2),) != schema.keypoints.flip_pairs


def test_generated_data_does_not_read_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    say(tmp_path, [[0, 1]])
    schema = open_dataset("vignettes").schema
    assert schema.keypoints is not None
    assert len(schema.keypoints.flip_pairs or ()) == 8


def test_it_goes_before_the_formats_own_field(tmp_path: Path) -> None:
    for root in (coco(tmp_path / "c", flip_idx=[0, 2, 1]), yolo(tmp_path / "y", "flip_idx: [0, 2, 1]\n")):
        assert pairs(root) == ((1, 2),)
        say(root, [["a", "b"]])
        assert pairs(root) == ((0, 1),)
    for root in (coco(tmp_path / "i", flip_idx=[0, 1, 2]), yolo(tmp_path / "j", "flip_idx: [0, 1, 2]\n")):
        assert pairs(root) == ()  # said to be none, which is not the same as unknown
    assert pairs(yolo(tmp_path / "e", "flip_idx: []\n")) is None


@pytest.mark.parametrize("said", [None, [["a", "b"]], []])
def test_a_conversion_keeps_what_is_known(tmp_path: Path, said: object) -> None:
    root = yolo(tmp_path / "yolo")
    if said is not None:
        say(root, said)
    convert(root, tmp_path / "coco", to="coco")
    assert pairs(tmp_path / "coco") == pairs(root) == (None if said is None else ((0, 1),) if said else ())


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"a": "b"}, r"holds \{'a': 'b'\}; a list of pairs is needed"),
        ([1, 0, 2], r"1 is no pair: two names or two numbers are needed"),
        ([["a", "b", "c"]], r"\['a', 'b', 'c'\] is no pair"),
        (["ab"], r"'ab' is no pair"),
        ([["a", "B"]], r"the pair \['a', 'B'\] cannot be used: 'B' is none.* a, b, c"),
        ([["a", 3]], r"the pair \['a', 3\] cannot be used: 3 is neither a name nor a number from 0 to 2"),
        ([[-1, 0]], r"the pair \[-1, 0\] cannot be used: -1 is neither"),
        ([[True, 2]], r"the pair \[True, 2\] cannot be used: True is neither"),
        ([["a", None]], r"the pair \['a', None\] cannot be used: None is neither"),
        ([["a", "a"]], r"the pair \['a', 'a'\] has 'a' a second time"),
        ([["a", "b"], ["c", 1]], r"the pair \['c', 1\] has 'b' a second time"),
    ],
)
def test_what_is_refused(content: object, message: str, tmp_path: Path) -> None:
    root = csv(tmp_path)
    say(root, content)
    with pytest.raises(FlipPairsError, match=rf"^{root}/flip_pairs\.json: {message}") as refused:
        pairs(root)
    assert "\n" not in str(refused.value)
    [problem] = [one for one in check_folder(root).problems if one.severity == "error"]
    assert problem.file == str(root / "flip_pairs.json")
    assert problem.kind == "unusable flip pairs"


def test_no_json_and_names_that_stand_for_two(tmp_path: Path) -> None:
    root = csv(tmp_path)
    (root / "flip_pairs.json").write_text("[[")
    with pytest.raises(AnnotationError, match=r"flip_pairs\.json: not valid JSON"):
        pairs(root)
    say(root, [["a", "b"]])
    with pytest.raises(FlipPairsError, match="'a' names several keypoints: say their numbers"):
        read_flip_pairs(root, ["a", "a", "b"])
    say(root, [[0, 1]])
    assert read_flip_pairs(root, ["a", "a", "b"]) == ((0, 1),)


def test_data_that_is_one_file(tmp_path: Path) -> None:
    table = csv(tmp_path) / "points.csv"
    say(tmp_path, [["c", "a"]])
    assert flip_pairs_file(table) == tmp_path / "flip_pairs.json"
    schema = DATASETS["csv"].open(table, "train").schema
    assert schema.keypoints is not None
    assert schema.keypoints.flip_pairs == ((2, 0),)


@pytest.mark.parametrize("names", [["é", "a", "b", "c"], ["a", "a", "b", "c"]])
@pytest.mark.parametrize("known", [(), ((0, 2),), ((0, 2), (3, 1))])
def test_what_is_written_is_read(names: list[str], known: tuple[tuple[int, int], ...], tmp_path: Path) -> None:
    file = write_flip_pairs(tmp_path, names, known)
    assert read_flip_pairs(tmp_path, names) == known
    before = file.read_bytes()
    with pytest.raises(FlipPairsError, match="exists already"):
        write_flip_pairs(tmp_path, names, ((1, 2),))
    assert file.read_bytes() == before
