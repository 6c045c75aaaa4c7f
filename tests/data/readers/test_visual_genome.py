"""Visual Genome as published: words are counted, ends are found, and what is wrong is named with its file and place."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from visus.data.errors import AnnotationError, DatasetNotFoundError
from visus.data.readers import visual_genome
from visus.data.readers.visual_genome import (
    check_visual_genome,
    open_visual_genome,
    recognise_visual_genome,
    write_fake,
)


def changed(root: Path, file: str, change: Callable[[Any], Any]) -> None:
    content = json.loads((root / file).read_text())
    (root / file).write_text(json.dumps(change(content)))


def test_words_become_numbers(tmp_path: Path) -> None:
    write_fake(tmp_path)
    parts = {split: open_visual_genome(tmp_path, split) for split in ("train", "val", "test")}
    assert [len(part) for part in parts.values()] == [7, 1, 1]
    schema = parts["train"].schema
    assert set(schema.predicates) == {"left of", "right of"}
    assert set(schema.attributes) <= {"tall", "small"}
    assert all(name == name.casefold() for name in schema.categories)
    objects = {one["image_id"]: one["objects"] for one in json.loads((tmp_path / "objects.json").read_text())}
    for dataset in parts.values():
        for index in range(len(dataset)):
            sample = dataset[index]
            truth = objects[int(Path(sample.path).stem)]
            names = [schema.categories[label] for label in sample.target.labels.tolist()]
            assert names == [thing["names"][0].casefold() for thing in truth]
            assert sample.target.boxes_xyxy[:, 0].tolist() == pytest.approx([thing["x"] for thing in truth])
            left, right = (schema.predicates.index(name) for name in ("left of", "right of"))
            assert sample.target.relationships.tolist() == [[0, left, 1], [1, right, 0]]
            assert sample.target.attributes.sum(dim=1).tolist() == [1, 1]


def test_without_attributes_there_are_none(tmp_path: Path) -> None:
    write_fake(tmp_path)
    (tmp_path / "attributes.json").unlink()
    dataset = open_visual_genome(tmp_path, "train")
    assert dataset.schema.attributes == ()
    assert dataset[0].target.attributes is None
    assert check_visual_genome(tmp_path).problems == ()


def test_rare_words_are_left_out_with_what_hangs_on_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_fake(tmp_path)
    monkeypatch.setitem(visual_genome._MOST, "predicates", 1)
    dataset = open_visual_genome(tmp_path, "train")
    assert dataset.schema.predicates == ("left of",)  # as many of each; the first in the alphabet stays
    assert all(len(dataset[index].target.relationships) == 1 for index in range(len(dataset)))


def test_an_end_that_objects_json_lacks_is_taken_from_the_relationship(tmp_path: Path) -> None:
    write_fake(tmp_path)
    before = open_visual_genome(tmp_path, "train")[0].target

    def drop(content: Any) -> Any:
        for one in content:
            one["objects"] = one["objects"][:1]
        return content

    changed(tmp_path, "objects.json", drop)
    after = open_visual_genome(tmp_path, "train")[0].target
    assert after.labels.tolist() == before.labels.tolist()
    assert after.boxes_xyxy.tolist() == before.boxes_xyxy.tolist()


def with_object(**values: Any) -> Callable[[Any], Any]:
    def change(content: Any) -> Any:
        content[0]["objects"][0] |= values
        return content

    return change


def with_relationship(**values: Any) -> Callable[[Any], Any]:
    def change(content: Any) -> Any:
        content[0]["relationships"][0] |= values
        return content

    return change


@pytest.mark.parametrize(
    ("file", "change", "message"),
    [
        ("objects.json", with_object(w=0), "image 1, object 0 needs x, y, w and h of a box with an area, not"),
        ("objects.json", with_object(x="left"), "image 1, object 0 needs x, y, w and h"),
        ("objects.json", with_object(names=[3]), "image 1, object 0 needs an object_id and a name"),
        ("objects.json", lambda content: [7], "entry 0 needs an image_id and a list of objects"),
        ("relationships.json", with_relationship(subject=4), "image 1, relationship 0 needs a subject and an object"),
        ("relationships.json", with_relationship(predicate=None), "image 1, relationship 0 needs a predicate"),
        ("image_data.json", lambda content: [{"image_id": 1}], "entry 0 needs image_id, width and height"),
    ],
)
def test_what_is_malformed_is_named(file: str, change: Callable[[Any], Any], message: str, tmp_path: Path) -> None:
    write_fake(tmp_path)
    changed(tmp_path, file, change)
    with pytest.raises(AnnotationError, match=message) as error:
        open_visual_genome(tmp_path, "train")
    assert file in str(error.value)
    assert "\n" not in str(error.value)
    assert any(message in problem.message for problem in check_visual_genome(tmp_path).problems)


def test_folders_are_told_apart(tmp_path: Path) -> None:
    assert not recognise_visual_genome(tmp_path)
    with pytest.raises(DatasetNotFoundError, match=r"image_data\.json"):
        open_visual_genome(tmp_path, "train")
    write_fake(tmp_path)
    assert recognise_visual_genome(tmp_path)
