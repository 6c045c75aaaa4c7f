"""The recipe that a folder asks for by what it holds."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from visus.data.datasets import DATASETS
from visus.recipes.folder import for_folder

MODELS = {
    "coco": "maskrcnn_lite0_fpn",
    "yolo": "fasterrcnn_lite0_fpn",
    "voc": "fasterrcnn_lite0_fpn",
    "object_masks": "maskrcnn_lite0_fpn",
    "image_folder": "classifier_lite0",
}


@pytest.mark.parametrize("name", MODELS)
def test_the_kind_of_annotation_decides(tmp_path: Path, name: str) -> None:
    write: Any = DATASETS[name].write_fake
    write(tmp_path / "set")
    recipe = for_folder(tmp_path / "set")
    assert recipe.model == MODELS[name]
    assert (recipe.name, recipe.data.dataset, recipe.data.root) == ("set", name, str(tmp_path / "set"))


@pytest.mark.parametrize("name", sorted(n for n, entry in DATASETS.items() if entry.unseen_classes and entry.recognise))
def test_unseen_classes_are_for_a_descriptor(tmp_path: Path, name: str) -> None:
    write: Any = DATASETS[name].write_fake
    write(tmp_path / "set")
    recipe = for_folder(tmp_path / "set")
    assert recipe.model.startswith("descriptor")
    assert (recipe.name, recipe.data.dataset, recipe.data.root) == ("set", name, str(tmp_path / "set"))
    assert recipe.data.val == "test"


def test_a_data_set_one_folder_down_and_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write: Any = DATASETS["yolo"].write_fake
    write(tmp_path / "archive" / "set")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert for_folder("~/archive").data.root == str(tmp_path / "archive" / "set")
