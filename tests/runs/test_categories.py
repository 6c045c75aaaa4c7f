"""Categories of the splits: the same names mean the same labels, in whatever order the files list them."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

import visus
from visus import catalog
from visus.data.check.folder import check_folder
from visus.data.errors import AnnotationError
from visus.data.feed.loader import SampleDataset
from visus.data.readers import coco
from visus.data.records.relabelled import Relabelled, with_labels_of
from visus.errors import VisusError
from visus.recipes import for_folder
from visus.runs.feed import as_learned
from visus.training.recipe import Recipe
from visus.training.run import RunFolder
from visus.types import VOID, ClassTarget, InstanceTarget, Sample, Schema, SemanticTarget

Content = dict[str, Any]


def changed(root: Path, change: Callable[[Content], None], split: str = "val") -> Path:
    """A miniature in COCO's layout whose file of a split is changed."""
    coco.write_fake(root, images=4)
    for file in (root / "annotations").glob("person_keypoints_*.json"):
        file.unlink()
    file = root / "annotations" / f"instances_{split}.json"
    content = json.loads(file.read_text())
    change(content)
    file.write_text(json.dumps(content))
    return root


def renumbered(content: Content) -> None:
    """Person, car and dog become 30, 20, 10: the other way round."""
    numbers = {1: 30, 3: 20, 18: 10}
    for record in content["categories"]:
        record["id"] = numbers[record["id"]]
    for record in content["annotations"]:
        record["category_id"] = numbers[record["category_id"]]


def without_cars(content: Content) -> None:
    content["categories"] = [record for record in content["categories"] if record["name"] != "car"]
    content["annotations"] = [record for record in content["annotations"] if record["category_id"] != 3]


def with_cows(content: Content) -> None:
    content["categories"].append({"id": 4, "name": "cow"})


def without_outlines(content: Content) -> None:
    for record in content["annotations"]:
        del record["segmentation"]


def opened(root: Path, recipe: Recipe) -> tuple[SampleDataset, SampleDataset]:
    train = catalog.DATASETS["coco"].open(root, "train")
    val = catalog.DATASETS["coco"].open(root, "val")
    model = catalog.build_model(recipe.model, train.schema, recipe.model_options)
    problem = catalog.problem_of(recipe.model)
    return train, as_learned(recipe, problem, model, train.schema, val, of="train", other="val")


def names_of(dataset: SampleDataset) -> list[list[str]]:
    return [[dataset.schema.categories[label] for label in dataset[i].target.labels] for i in range(len(dataset))]


@pytest.mark.parametrize("change", [renumbered, without_cars])
def test_dogs_are_dogs(change: Callable[[Content], None], tmp_path: Path) -> None:
    root = changed(tmp_path, change)
    content = json.loads((root / "annotations" / "instances_val.json").read_text())
    name = {record["id"]: record["name"] for record in content["categories"]}
    truth = [
        [name[record["category_id"]] for record in content["annotations"] if record["image_id"] == image["id"]]
        for image in content["images"]
    ]
    train, val = opened(root, for_folder(root))
    assert val.schema == train.schema
    assert val.schema.categories == ("person", "car", "dog")
    assert names_of(val) == truth
    assert "dog" in {name for names in truth for name in names}
    assert val[0].target.masks is not None
    assert (val.size(0), val.path(0)) == ((96, 128), str(root / "val" / "000000.jpg"))


def test_equal_splits_stay_as_they_are(tmp_path: Path) -> None:
    coco.write_fake(tmp_path, images=2)
    assert not isinstance(opened(tmp_path, for_folder(tmp_path))[1], Relabelled)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            with_cows,
            r"lacks \(cow\): the split 'train' has person, car, dog; the split 'val' .* has person, car, cow, dog",
        ),
        (without_outlines, r"the split 'val' of .* cannot be measured: .* learns masks, which .* lacks"),
    ],
)
def test_what_does_not_fit_is_refused_before_training(
    change: Callable[[Content], None], message: str, tmp_path: Path
) -> None:
    root = changed(tmp_path / "data", change)
    report = check_folder(root, decode=False)
    assert report.errors == 1
    assert "'val'" in report.problems[-1].message
    recipe = for_folder(root)
    with pytest.raises(VisusError, match=message):
        visus.train(recipe, run=tmp_path / "run")
    assert not (tmp_path / "run").exists()
    run = RunFolder(tmp_path / "learned")
    run.create(recipe)
    schema = catalog.DATASETS["coco"].open(root, "train").schema
    run.save_weights(catalog.build_model(recipe.model, schema, recipe.model_options).state_dict(), recipe, schema)
    with pytest.raises(VisusError, match=message.replace("the split 'train'", "the run .*learned")):
        visus.evaluate(run.path)


def test_boxes_are_enough_for_a_detector(tmp_path: Path) -> None:
    root = changed(tmp_path, without_outlines)
    recipe = replace(for_folder(root), model="fasterrcnn_lite0_fpn")
    assert len(opened(root, recipe)[1]) == 4


def test_files_that_number_differently_pass_the_check(tmp_path: Path) -> None:
    report = check_folder(changed(tmp_path, renumbered), decode=False)
    assert report.errors == 0


class One:
    """A data set of one sample."""

    def __init__(self, target: Any, *names: str) -> None:
        self.target = target
        self.schema = Schema(categories=names, category_ids=tuple(range(len(names))))

    def __len__(self) -> int:
        return 1

    def __getitem__(self, index: int) -> Sample:
        return Sample(input=torch.zeros(3, 2, 2, dtype=torch.uint8), target=self.target)

    def size(self, index: int) -> tuple[int, int]:
        return 2, 2

    def path(self, index: int) -> str:
        return ""


def test_every_kind_of_target_is_relabelled() -> None:
    schema = Schema(categories=("cat", "cow", "dog"), category_ids=(1, 2, 3))
    pixels = torch.tensor([[0, 1], [VOID, 1]], dtype=torch.uint8)
    semantic = with_labels_of(schema, One(SemanticTarget(pixels, (2, 2)), "dog", "cat"), of="a", other="b")
    assert semantic[0].target.labels.tolist() == [[2, 0], [VOID, 0]]
    assert semantic[0].target.labels.dtype == torch.uint8
    image = with_labels_of(schema, One(ClassTarget(torch.tensor(1), (2, 2)), "dog", "cow"), of="a", other="b")
    assert image[0].target.label.item() == 1
    empty = InstanceTarget(
        torch.zeros(0, 4), torch.zeros(0, dtype=torch.int64), torch.zeros(0), torch.zeros(0, dtype=torch.bool), (2, 2)
    )
    assert len(with_labels_of(schema, One(empty, "dog"), of="a", other="b")[0].target) == 0


def test_names_that_stand_for_two_categories_cannot_be_matched() -> None:
    schema = Schema(categories=("bead", "bead"), category_ids=(0, 1))
    target = ClassTarget(torch.tensor(0), (2, 2))
    assert with_labels_of(schema, same := One(target, "bead", "bead"), of="a", other="b") is same
    with pytest.raises(AnnotationError, match="two categories have the name 'bead'"):
        with_labels_of(schema, One(target, "bead"), of="a", other="b")
