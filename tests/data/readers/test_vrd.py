"""VRD: objects are pairs of class and box, and what is wrong is named with its file and place."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from visus.data.errors import AnnotationError, DatasetNotFoundError
from visus.data.readers.vrd import check_vrd, open_vrd, read_vrd, recognise_vrd, vrd_schema, write_fake

REAL = Path(__file__).resolve().parents[4] / "shared" / "data" / "vrd"


def changed(root: Path, change: Callable[[Any], Any]) -> None:
    """Writes a miniature whose first training image is changed."""
    write_fake(root)
    file = root / "annotations_train.json"
    content = json.loads(file.read_text())
    content["000000.jpg"] = change(content["000000.jpg"])
    file.write_text(json.dumps(content))


def test_boxes_are_turned_to_xyxy_and_objects_are_shared(tmp_path: Path) -> None:
    write_fake(tmp_path)
    dataset = open_vrd(tmp_path, "train")
    assert len(dataset) == 4
    assert len(open_vrd(tmp_path, "val")) == len(open_vrd(tmp_path, "test")) == 2
    target = dataset[0].target
    top, bottom, left, right = json.loads((tmp_path / "annotations_train.json").read_text())["000000.jpg"][0][
        "subject"
    ]["bbox"]
    assert target.boxes_xyxy[0].tolist() == [left, top, right, bottom]
    assert target.relationships.tolist() == [[0, 0, 1], [1, 1, 0]]
    assert dataset.schema.predicates == ("left of", "right of")


def with_box(box: Any) -> Callable[[Any], Any]:
    def change(found: Any) -> Any:
        found[0]["object"]["bbox"] = box
        return found

    return change


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (with_box([5, 1, 2, 3]), r"relationship 0: the bbox \[5, 1, 2, 3\] \(ymin, ymax, xmin, xmax\) has no area"),
        (with_box([1, 2, 3]), "a bbox needs ymin, ymax, xmin and xmax"),
        (lambda found: [{**found[0], "predicate": 9}], "9 is none of 2 predicates"),
        (lambda found: [{**found[0], "subject": {"category": 7, "bbox": [0, 1, 0, 1]}}], "7 is none of 3 classes"),
        (lambda found: ["left"], "none of 3 classes"),
        (lambda found: 3, "should have a list of relationships, not 3"),
    ],
)
def test_what_is_malformed_is_named(change: Callable[[Any], Any], message: str, tmp_path: Path) -> None:
    changed(tmp_path, change)
    with pytest.raises(AnnotationError, match=rf"annotations_train\.json: .*{message}"):
        open_vrd(tmp_path, "train")
    assert check_vrd(tmp_path).counts == {"malformed annotation": 1}


def test_relations_to_itself_are_left_out_and_told(tmp_path: Path) -> None:
    changed(tmp_path, lambda found: [{**found[0], "object": found[0]["subject"]}, found[1]])
    assert open_vrd(tmp_path, "train")[0].target.relationships.tolist() == [[0, 1, 1]]
    report = check_vrd(tmp_path)
    assert (report.counts, report.errors) == ({"relation to itself": 1}, 0)


def test_boxes_outside_of_the_image_are_told(tmp_path: Path) -> None:
    changed(tmp_path, with_box([500, 600, 500, 600]))
    assert check_vrd(tmp_path).counts == {"box outside the image": 1}


def test_missing_files_are_named(tmp_path: Path) -> None:
    write_fake(tmp_path)
    assert recognise_vrd(tmp_path)
    (tmp_path / "predicates.json").unlink()
    assert not recognise_vrd(tmp_path)
    with pytest.raises(DatasetNotFoundError, match=r"predicates\.json: no such file"):
        open_vrd(tmp_path, "train")


@pytest.mark.data
@pytest.mark.skipif(not REAL.is_dir(), reason="VRD is not beside the checkout")
def test_the_published_annotations_are_read() -> None:
    schema = vrd_schema(REAL)
    assert (len(schema.categories), len(schema.predicates)) == (100, 70)
    train, test = read_vrd(REAL, "train"), read_vrd(REAL, "test")
    assert (len(train), len(test)) == (3780, 1000)
    assert sum(len(record.relationships) for record in test) == 7612
