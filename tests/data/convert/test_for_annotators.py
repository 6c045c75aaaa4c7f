"""Data sets written for labelme, Label Studio and CVAT are read again, and so is what people correct of predictions."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from visus.data.convert.convert import convert
from visus.data.recognise import find_dataset, open_folder
from visus.data.records.indexed import IndexedDataset

LAYOUTS = {"labelme": "labelme", "label-studio": "label_studio", "cvat": "cvat"}


def posed(source: Path, target: Path) -> Path:
    """The same data in one file a split that has outlines and keypoints."""
    for split in ("train", "val", "test"):
        content = json.loads((source / f"annotations/person_keypoints_{split}.json").read_text())
        (target / split).mkdir(parents=True)
        for image in content["images"]:
            (target / split / image["file_name"]).write_bytes((source / split / image["file_name"]).read_bytes())
        (target / split / "_annotations.coco.json").write_text(json.dumps(content))
    return target


def by_name(root: Path, split: str) -> dict[str, int]:
    dataset = open_folder(root, split)
    return {Path(dataset.path(index)).name: index for index in range(len(dataset))}


@pytest.mark.parametrize("to", LAYOUTS)
@pytest.mark.parametrize("what", ["outlines", "keypoints"])
def test_what_is_written_for_a_program_is_read_again(fake_coco: Path, tmp_path: Path, to: str, what: str) -> None:
    source = fake_coco if what == "outlines" else posed(fake_coco, tmp_path / "posed")
    convert(source, tmp_path / "out", to=to)
    assert find_dataset(tmp_path / "out") == (LAYOUTS[to], tmp_path / "out")
    for split in ("train", "val", "test"):
        one, other = open_folder(source, split), open_folder(tmp_path / "out", split)
        assert isinstance(one, IndexedDataset)
        assert isinstance(other, IndexedDataset)
        names = other.schema.categories
        places = by_name(tmp_path / "out", split)
        assert places.keys() == by_name(source, split).keys()
        for name, index in by_name(source, split).items():
            first, second = one.target(index), other.target(places[name])
            told = [one.schema.categories[label] for label in first.labels]
            assert [names[label] for label in second.labels.tolist()] == told
            assert torch.allclose(first.boxes_xyxy, second.boxes_xyxy, atol=1.01)  # masks end at whole pixels
            assert first.masks is not None
            assert second.masks is not None
            differ = (first.masks != second.masks).sum()
            assert differ <= 0.01 * first.masks.sum() + 2  # corners have two or three digits
            if what == "keypoints" and one.schema.keypoints and len(first):
                assert other.schema.keypoints is not None
                order = [other.schema.keypoints.names.index(name) for name in one.schema.keypoints.names]
                assert first.keypoints_xyv is not None
                assert second.keypoints_xyv is not None
                seen = (first.keypoints_xyv[..., 2] > 0)[..., None]
                told_points = first.keypoints_xyv[..., :2] * seen
                assert torch.allclose(told_points, second.keypoints_xyv[:, order, :2], atol=0.02)
