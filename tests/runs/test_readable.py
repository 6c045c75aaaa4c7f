"""Images that cannot be read: named, or left out and listed."""

from __future__ import annotations

from pathlib import Path

import pytest

import visus
from visus.cli import main
from visus.data.errors import AnnotationError, ImageError
from visus.data.readers import coco
from visus.runs.feed import open_split
from visus.runs.train import find_recipe

SMALL = ["--model-options.size", "64", "--model-options.smallest", "0.0625", "--model-options.largest", "1"]
SETTINGS = {"model_options": {"size": 64}, "fit.accelerator": "cpu", "data.workers": 0}


def damaged(root: Path, split: str, places: list[int]) -> list[Path]:
    """A data set in COCO's format, some of whose images are no images any more."""
    if not root.exists():
        coco.write_fake(root)
    files = sorted((root / split).iterdir())
    for place in places:
        files[place].write_bytes(files[place].read_bytes()[:200] if place % 2 else b"")
    return [files[place] for place in places]


@pytest.mark.parametrize("workers", [0, 1])
@pytest.mark.parametrize("places", [[0], [3]], ids=["the first image", "another image"])
def test_a_bad_image_is_named_in_one_line_with_what_leaves_it_out(
    places: list[int], workers: int, tmp_path: Path
) -> None:
    (file,) = damaged(tmp_path / "data", "train", places)
    with pytest.raises(ImageError) as found:
        visus.train(tmp_path / "data", run=tmp_path / "run", epochs=1, settings={**SETTINGS, "data.workers": workers})
    said = str(found.value)
    assert said.startswith(f"{file}: ")
    assert said.endswith("; --data.skip-bad leaves out and lists what cannot be read")
    assert "\n" not in said


@pytest.mark.parametrize("places", [[0, 3], [7]])
def test_bad_images_are_left_out_and_listed(
    places: list[int], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bad = damaged(tmp_path / "data", "train", places) + damaged(tmp_path / "data", "val", [1])
    words = ["train", str(tmp_path / "data"), "--run", str(tmp_path / "run"), "--data.skip-bad", "--fit.epochs", "1"]
    assert main([*words, *SMALL, "--data.workers", "0"]) == 0
    said = capsys.readouterr().out
    assert f"Left out {len(places)} of 8 training images:\n  {bad[0]}: " in said
    assert f"Left out 1 of 8 validation images:\n  {bad[-1]}: " in said
    assert all(str(file) in said for file in bad)
    assert f"{8 - len(places)} training and 7 validation images" in said
    assert visus.evaluate(tmp_path / "run", device="cpu")["box AP"] >= 0


def test_nothing_is_said_where_all_can_be_read(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    coco.write_fake(tmp_path / "data")
    visus.train(tmp_path / "data", run=tmp_path / "run", epochs=1, settings={**SETTINGS, "data.skip_bad": True})
    assert "Left out" not in capsys.readouterr().out


def test_a_data_set_without_one_good_image_is_refused(tmp_path: Path) -> None:
    damaged(tmp_path / "data", "val", list(range(8)))
    with pytest.raises(AnnotationError, match=r"none of the 8 validation images can be read; the first:"):
        visus.train(tmp_path / "data", run=tmp_path / "run", settings={**SETTINGS, "data.skip_bad": True})
    assert not (tmp_path / "run").exists()


def test_which_of_cocos_two_files_is_read(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    coco.write_fake(tmp_path / "data")
    (tmp_path / "alone").mkdir()
    recipe = find_recipe(tmp_path / "data")
    assert not open_split(recipe, "train").schema.keypoints
    visus.train(recipe, run=tmp_path / "run", epochs=1, settings=SETTINGS)
    first = (
        "Learns from instances_train.json; person_keypoints_train.json lies beside it: --data.dataset coco_keypoints"
    )
    assert first in capsys.readouterr().out
    visus.train(recipe, run=tmp_path / "run", epochs=1, settings={**SETTINGS, "data.dataset": "coco_keypoints"})
    second = "Learns from person_keypoints_train.json; instances_train.json lies beside it: --data.dataset coco takes"
    assert second in capsys.readouterr().out
    for file in (tmp_path / "data" / "annotations").glob("person_keypoints_*"):
        file.unlink()
    visus.train(recipe, run=tmp_path / "run", epochs=1, settings=SETTINGS)
    assert "lies beside it" not in capsys.readouterr().out
