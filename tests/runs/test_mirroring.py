"""Training on data that may not be mirrored: no batch is, one line says so, and the recipe keeps what it asked for."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import visus
from visus import catalog
from visus.dataclass_json import to_json
from visus.recipes import RECIPES
from visus.runs.feed import open_split, train_loader, why_unmirrored
from visus.training.recipe import AugmentRecipe, DataRecipe, FitRecipe, Recipe
from visus.training.run import RunFolder
from visus.types import Keypoints, Schema

PLACES = [(6, 8), (18, 8), (12, 14), (9, 20), (15, 20)]


def faces(root: Path, names: list[str], **more: object) -> Path:
    """COCO's format: two faces in each split, darker on their left half, with five keypoints."""
    (root / "annotations").mkdir(parents=True)
    category = {"id": 1, "name": "face", "keypoints": names, "skeleton": [], **more}
    for split in ("train", "val"):
        (root / split).mkdir()
        images, things = [], []
        for number in (1, 2):
            pixels = np.full((32, 48, 3), 230, np.uint8)
            pixels[4:26, 4 : 4 + 8] = 40
            Image.fromarray(pixels).save(root / split / f"{number}.png")
            images.append({"id": number, "file_name": f"{number}.png", "height": 32, "width": 48})
            flat = [value for x, y in PLACES for value in (x, y, 2)]
            thing = {"id": number, "image_id": number, "category_id": 1, "iscrowd": 0, "area": 400, "num_keypoints": 5}
            outline = [[2, 4, 22, 4, 22, 26, 2, 26]]
            things.append({**thing, "bbox": [2, 4, 20, 22], "keypoints": flat, "segmentation": outline})
        content = {"images": images, "annotations": things, "categories": [category]}
        (root / "annotations" / f"person_keypoints_{split}.json").write_text(json.dumps(content))
    return root


def recipe(root: Path, **augment: Any) -> Recipe:
    data = DataRecipe(
        dataset="coco_keypoints", root=str(root), batch_size=2, workers=0, augment=AugmentRecipe(flip=1.0, **augment)
    )
    options = {"size": 64}
    return Recipe(
        name="r", model="maskrcnn_lite0_fpn", model_options=options, data=data, fit=FitRecipe(epochs=1, max_steps=1)
    )


UNNAMED = ["1", "2", "3", "4", "5"]
NAMED = ["eye_l", "eye_r", "nose", "mouth_l", "mouth_r"]
CALM = {"warp": {}, "ssd": {"options": {"distort": 0.0, "zoom_out": 0.0, "min_ious": [None]}}}


def batch(asked: Recipe) -> Any:
    dataset = open_split(asked, "train")
    model = catalog.build_model(asked.model, dataset.schema, asked.model_options)
    return next(iter(train_loader(asked, dataset, model)))


@pytest.mark.parametrize("kind", CALM)
def test_batches_with_unknown_keypoints_are_as_they_are(kind: str, tmp_path: Path) -> None:
    asked = recipe(faces(tmp_path / "faces", UNNAMED), kind=kind, **CALM[kind])
    targets = batch(asked).targets
    assert [target.boxes_xyxy.tolist() for target in targets] == [[[2, 4, 22, 26]]] * 2
    assert targets[0].keypoints_xyv[0, :, :2].tolist() == [list(map(float, place)) for place in PLACES]
    assert asked.data.augment.flip == 1.0


@pytest.mark.parametrize("kind", CALM)
@pytest.mark.parametrize("way", ["names", "file", "field"])
def test_batches_with_known_ones_are_mirrored(kind: str, way: str, tmp_path: Path) -> None:
    more = {"flip_idx": [1, 0, 2, 4, 3]} if way == "field" else {}
    root = faces(tmp_path / "faces", NAMED if way == "names" else UNNAMED, **more)
    if way == "file":
        (root / "flip_pairs.json").write_text('[["1", "2"], [3, 4]]')
    targets = batch(recipe(root, kind=kind, **CALM[kind])).targets
    assert [target.boxes_xyxy.tolist() for target in targets] == [[[26, 4, 46, 26]]] * 2
    mirrored = [[48.0 - x, float(y)] for x, y in (PLACES[place] for place in (1, 0, 2, 4, 3))]
    assert targets[0].keypoints_xyv[0, :, :2].tolist() == mirrored


def test_training_says_so_in_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    faces(tmp_path / "faces", UNNAMED)
    asked = recipe(Path("faces"))
    run = visus.train(asked, run="run")
    lines = [line for line in capsys.readouterr().out.splitlines() if "mirror" in line]
    assert lines == [
        "Images are not mirrored (data.augment.flip 1): nothing says which of the 5 keypoints change places in a "
        "mirror. Write the pairs into faces/flip_pairs.json, or let `visus data show faces --dataset coco_keypoints "
        "--write-flip-pairs` write a guess."
    ]
    assert RunFolder(run).recipe().data.augment.flip == 1.0
    assert visus.load(run).schema.keypoints.flip_pairs is None
    assert why_unmirrored(replace(asked, data=replace(asked.data, augment=AugmentRecipe(flip=0.0))), _schema()) == ""


def _schema(**change: Any) -> Schema:
    schema = Schema(("a",), (0,), keypoints=Keypoints(tuple(UNNAMED), None, (0.1,) * 5))
    return replace(schema, **change)


def test_what_is_known_needs_no_line(tmp_path: Path) -> None:
    asked = recipe(tmp_path)
    known = replace(_schema().keypoints, flip_pairs=())
    assert why_unmirrored(asked, _schema(keypoints=known)) == ""
    assert why_unmirrored(asked, _schema(keypoints=None)) == ""
    assert why_unmirrored(RECIPES["maskrcnn_vignettes"](), visus.open_dataset("vignettes").schema) == ""


def test_sides_without_counterpart_are_named_in_the_same_line(tmp_path: Path) -> None:
    asked = recipe(tmp_path / "my data")
    both = why_unmirrored(asked, _schema(categories=("left shoe",)))
    assert both.count("Images are not mirrored") == 1
    assert "5 keypoints" in both
    assert "'left shoe' has no counterpart 'right shoe'" in both
    assert f"'{tmp_path}/my data' --dataset coco_keypoints --write-flip-pairs" in both
    assert "\n" not in both
    alone = why_unmirrored(asked, _schema(categories=("left shoe", "hat"), category_ids=(0, 1), keypoints=None))
    assert alone == (
        "Images are not mirrored (data.augment.flip 1): the category 'left shoe' has no counterpart 'right shoe'; "
        "rename it where no side is meant."
    )


def test_classes_with_a_side(tmp_path: Path) -> None:
    """A classifier's mirrored images are of the other class; where the other class lacks, none is mirrored."""
    for name in ("left shoe", "right shoe", "hat"):
        for split in ("train", "val"):
            (tmp_path / split / name).mkdir(parents=True)
            for number in range(2):
                pixels = np.full((24, 24, 3), 220, np.uint8)
                pixels[8:, 4:12] = 30 + 10 * number
                Image.fromarray(pixels).save(tmp_path / split / name / f"{number}.png")
    data = DataRecipe(dataset="image_folder", root=str(tmp_path), batch_size=6, workers=0)
    asked = Recipe(name="r", model="classifier_lite0", data=replace(data, augment=AugmentRecipe(flip=1.0)))
    dataset = open_split(asked, "train")
    assert dataset.schema.categories == ("hat", "left shoe", "right shoe")
    swapped = {0: 0, 1: 2, 2: 1}
    found = batch(asked)
    labels = {path: int(target.label) for path, target in zip(found.paths, found.targets, strict=True)}
    for index in range(len(dataset)):
        assert labels[dataset.path(index)] == swapped[int(dataset[index].target.label)]
    assert why_unmirrored(asked, dataset.schema) == ""
    by_class = replace(asked, data=replace(asked.data, batches="classes"))
    assert "batches are made up by class, and 'left shoe' becomes 'right shoe'" in why_unmirrored(
        by_class, dataset.schema
    )
    identities = Schema(("anna", "wright", "copyright"), (0, 1, 2))
    assert why_unmirrored(by_class, identities) == ""


def test_old_runs_are_still_read() -> None:
    keypoints = '{"names": ["a", "b"], "flip_pairs": %s, "sigmas": [0.1, 0.1]}'
    text = '{"categories": ["face"], "category_ids": [1], "keypoints": ' + keypoints + "}"
    for said, meant in (("[]", ()), ("[[0, 1]]", ((0, 1),)), ("null", None)):
        schema = Schema.from_json(text % said)
        assert schema.keypoints is not None
        assert schema.keypoints.flip_pairs == meant
        assert Schema.from_json(to_json(schema)) == schema
