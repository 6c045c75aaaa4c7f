"""The recipe that a folder asks for by what it holds."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from visus.cli.train import _recipe
from visus.data.datasets import DATASETS
from visus.data.errors import DatasetNotFoundError
from visus.names import UnknownNameError
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


def test_what_a_folder_holds_may_be_said(tmp_path: Path) -> None:
    write: Any = DATASETS["class_folder"].write_fake
    write(tmp_path / "set")
    assert for_folder(tmp_path / "set").model == "classifier_lite0"
    said = for_folder(tmp_path / "set", dataset="class_folder")
    assert (said.model, said.data.dataset) == ("descriptor_lite0", "class_folder")
    assert _recipe(str(tmp_path / "set"), ["--data.dataset", "class_folder"]) == said
    assert _recipe(str(tmp_path / "set"), ["--optim.lr", "1", "--data.dataset=class_folder"]) == said
    (tmp_path / "set" / "list.json").write_text('[{"image": "class_00/0.jpg", "annotations": []}]')
    with pytest.raises(DatasetNotFoundError, match=r"no image_folder: .* list\.json"):
        for_folder(tmp_path / "set")
    assert _recipe(str(tmp_path / "set"), ["--data.dataset", "image_folder"]).model == "classifier_lite0"
    with pytest.raises(UnknownNameError, match="klass_folder"):
        for_folder(tmp_path / "set", dataset="klass_folder")


@pytest.mark.parametrize("outer", ["", "images_background"])
def test_folders_of_folders_are_refused_with_what_to_do(tmp_path: Path, outer: str) -> None:
    """Omniglot: a folder for each alphabet, in it one for each character."""
    for alphabet in ("Greek", "Latin"):
        for character in ("1", "2"):
            folder = tmp_path / "set" / outer / alphabet / character
            folder.mkdir(parents=True)
            for number in range(3):
                Image.new("L", (16, 16), number).save(folder / f"{number}.png")
    with pytest.raises(DatasetNotFoundError) as caught:
        for_folder(tmp_path / "set")
    first, *_ = str(caught.value).splitlines()
    inner = tmp_path / "set" / outer / "Greek"
    assert f"Give {inner} where the inner ones are, say `--data.dataset image_folder` where Greek is one" in first
    assert for_folder(inner).model == "classifier_lite0"
    assert for_folder(inner.parent, dataset="image_folder").model == "classifier_lite0"


def test_a_data_set_one_folder_down_and_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write: Any = DATASETS["yolo"].write_fake
    write(tmp_path / "archive" / "set")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert for_folder("~/archive").data.root == str(tmp_path / "archive" / "set")
