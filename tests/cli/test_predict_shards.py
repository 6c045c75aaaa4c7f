"""`visus predict` in shards: here, one by one as a scheduler does, and on a Ray cluster of this machine."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from visus import catalog
from visus.cli import main
from visus.predict.shards import Plan, ShardError
from visus.training.recipe import DataRecipe, Recipe
from visus.training.run import RunFolder
from visus.types import Schema

PLAIN = ["--precision", "plain"]


def drawn(folder: Path, count: int = 7) -> Path:
    """Images of two sizes, two with one name but for the ending, and one that is damaged."""
    for number in range(count):
        pixels = np.random.default_rng(number).integers(0, 255, (40 + 8 * (number % 2), 60, 3), dtype=np.uint8)
        path = (
            folder / ("deep" if number % 3 else ".") / f"{'a' if number < 2 else number}{'.jpg' if number else '.png'}"
        )
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(path)
    (folder / "deep" / "a.png").write_bytes((folder / "a.png").read_bytes())
    (folder / "broken.jpg").write_bytes(b"no image")
    return folder


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A segmentation model with random weights: its results have masks and drawings."""
    schema = Schema(categories=("sky", "tree", "road"), category_ids=(1, 2, 3))
    recipe = Recipe(name="tiny", model="fcn_lite0", model_options={"size": 64}, data=DataRecipe(dataset="vignettes"))
    torch.manual_seed(0)
    model = catalog.build_model(recipe.model, schema, recipe.model_options)
    run = RunFolder(tmp_path_factory.mktemp("run") / "tiny")
    run.create(recipe)
    run.save_weights(model.state_dict(), recipe, schema)
    return run.path


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return drawn(tmp_path / "photos")


def content(folder: Path) -> dict[str, bytes]:
    """What a command has written, without the record of its shards."""
    files = (path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): path.read_bytes() for path in files if path.name != "plan.json"}


def predict(run: Path, out: str, *words: str) -> int:
    return main(["predict", str(run), "photos", "--out", out, *PLAIN, *words])


def test_shards_join_to_what_one_command_writes(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert predict(run, "one") == 1
    assert predict(run, "all", "--shards", "9") == 1
    expected = content(Path("one"))
    assert {"predictions.json", "images.json", "masks/deep/a.png", "masks/deep/a.png.png"} <= expected.keys()
    assert content(Path("all")) == expected
    capsys.readouterr()
    assert predict(run, "all", "--shards", "9") == 1, "the second time there is nothing to do, and the fault is told"
    told = capsys.readouterr().err
    assert "9 shards of 9 finished before" in told
    assert "broken.jpg" in told
    assert content(Path("all")) == expected


def test_a_scheduler_does_shards_in_any_order_and_finished_ones_are_left_alone(
    run: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert [predict(run, "out", "--shard", f"{number}/3") for number in (2, 0)] == [0, 0]
    first = Path("out/shards/0-of-3/predictions.json")
    before = first.stat().st_mtime_ns
    assert predict(run, "out", "--shard", "0/3") == 0
    assert "shard 0/3 was finished before" in capsys.readouterr().err
    assert first.stat().st_mtime_ns == before
    from visus.cli import predict_looking as verb

    looked = []
    fill = verb.Looking.fill
    monkeypatch.setattr(verb.Looking, "fill", lambda self, *words: looked.append(words) or fill(self, *words))
    assert predict(run, "out", "--shards", "3") == 1
    assert len(looked) == 1, "only the shard that was missing"
    assert predict(run, "one") == 1
    assert content(Path("out")) == content(Path("one"))


def test_a_shard_that_was_broken_off_is_done_again(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from visus.predict.results import ResultFolder

    def broken_off(self: ResultFolder, *words: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(ResultFolder, "save_picture", broken_off)
        assert predict(run, "out", "--shards", "2") == 130
    assert [path.name for path in Path("out/shards").iterdir()] == ["plan.json"]
    assert predict(run, "out", "--shards", "2") == 1
    assert len(json.loads(Path("out/predictions.json").read_text())) == 8


def test_joining_goes_on_where_it_was_broken_off(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from visus.predict.shards import ShardFolder

    calls = []
    bring = ShardFolder._bring

    def broken_off(self: ShardFolder, source: Path, target: Path) -> None:
        calls.append(target)
        if len(calls) == 5:
            raise KeyboardInterrupt
        bring(self, source, target)

    with monkeypatch.context() as patched:
        patched.setattr(ShardFolder, "_bring", broken_off)
        assert predict(run, "out", "--shards", "2") == 130
    assert not Path("out/predictions.json").exists()
    assert predict(run, "out", "--shards", "2") == 1
    assert predict(run, "one") == 1
    assert content(Path("out")) == content(Path("one"))


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--shards", "4"], "--shards and --shard need --out"),
        (["--out", "o", "--shard", "4"], "give one shard as I/N, such as 0/8"),
        (["--out", "o", "--shard", "4/4"], "the last one is 3/4"),
        (["--out", "o", "--shards", "40"], "--shards must be from 1 to the number of images (9), not 40"),
        (["--out", "o", "--shards", "2", "--pages"], "--pages, whose number nobody knows before, have none"),
        (["--out", "o", "--shards", "2", "--workers", "2"], "--workers is of --engine ray"),
        (["--out", "o", "--engine", "ray"], "--engine ray needs --shards N"),
        (["--out", "photos", "--shards", "2"], "holds something already"),
    ],
)
def test_what_does_not_fit_is_one_line(
    run: Path, words: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["predict", str(run), "photos", *words]) == 2
    assert message in " ".join(capsys.readouterr().err.split())
    assert not Path("o").exists()


def test_shards_of_another_command_are_refused(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert predict(run, "out", "--shard", "0/3", "--no-pictures") == 0
    assert predict(run, "out", "--shard", "1/3") == 2
    assert "holds shards of another command (other settings)" in " ".join(capsys.readouterr().err.split())
    assert predict(run, "out", "--shards", "4", "--no-pictures") == 2


def test_without_ray_one_line_says_what_helps(
    run: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    assert predict(run, "out", "--shards", "2", "--engine", "ray") == 2
    assert 'pip install "visus[ray]"' in " ".join(capsys.readouterr().err.split())
    assert not Path("out").exists()


def test_the_parts_hold_every_image_once() -> None:
    for images in (1, 7, 100):
        for shards in {1, min(3, images), images}:
            plan = Plan.of("m", [str(i) for i in range(images)], shards, {})
            parts = [list(range(images))[plan.part(number)] for number in range(shards)]
            assert [image for part in parts for image in part] == list(range(images))
            assert max(map(len, parts)) - min(map(len, parts)) <= 1
    with pytest.raises(ShardError, match="number of images"):
        Plan.of("m", [], 1, {})


@pytest.mark.skipif(importlib.util.find_spec("ray") is None, reason="Ray is not installed (extra ray)")
def test_a_ray_cluster_of_two_workers_writes_what_one_process_does(run: Path) -> None:
    assert predict(run, "one") == 1
    assert predict(run, "out", "--shard", "1/4") in (0, 1)
    words = [
        "predict",
        str(run),
        "photos",
        "--out",
        "out",
        *PLAIN,
        "--shards",
        "4",
        "--engine",
        "ray",
        "--workers",
        "2",
    ]
    done = subprocess.run(
        [sys.executable, "-m", "visus", *words, "--workers", "2"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 1, done.stderr
    assert "1 shard of 4 finished before" in done.stderr
    assert content(Path("out")) == content(Path("one"))
    assert json.loads(Path("out/images.json").read_text())["failures"][0]["file_name"] == "broken.jpg"
