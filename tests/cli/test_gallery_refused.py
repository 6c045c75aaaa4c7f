"""What ``visus gallery`` refuses: each in one line that names what, why, and what to do."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch

from galleries.painted import GreenSquares, MeanColours, paint, painted, squares
from visus import catalog
from visus.cli import main
from visus.galleries import Gallery
from visus.training.recipe import DataRecipe, Recipe
from visus.training.run import RunFolder
from visus.types import Schema

DESCRIBERS = {"mean colours": MeanColours, "green squares": GreenSquares}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Galleries of people (about the folder images), of squares and of nothing, beside images in and out of it."""
    top = tmp_path_factory.mktemp("refused")
    images = painted(top / "images", 8, 2)
    with Gallery.create(top / "people", model=MeanColours(), root=images) as gallery:
        gallery.add(str(images), metadata=lambda item: {"person": item.name[:3], "camera": int(item.name[4])})
    with Gallery.create(top / "faces", model=GreenSquares(), closeness="euclidean") as gallery:
        gallery.add([str(squares(top / "one.png", 16)), str(squares(top / "other.png", 9))])
    Gallery.create(top / "empty", model=MeanColours()).close()
    (top / "text.png").write_text("no image")
    (top / "nothing.png").write_bytes(b"")
    paint(top / "outside" / "a.png", 1)
    (images / "link.png").symlink_to(top / "outside" / "a.png")
    squares(top / "none.png")
    squares(top / "two.png", 8, 15)
    return top


@pytest.fixture
def place(made: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of the galleries as the working folder, with describers that need no network."""
    monkeypatch.chdir(made)
    monkeypatch.setattr("visus.galleries.base.describer", lambda name, **device: DESCRIBERS[str(name)]())
    return made


IMAGE = "images/000_0.png"
NO_FIELD = "no entry has a field 'persn'; did you mean person?"
NO_SQUARE = "none.png: no square found; is it large enough?"
SEVERAL = "two.png: 2 squares, where one is asked for; say which by a box (--box): 2 4 10 12; 47 4 62 19"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["search", "people", "text.png"], "text.png"),
        (["search", "people", "nothing.png"], "nothing.png: the file is empty (0 bytes)"),
        (["search", "people", IMAGE, "--unlike", "text.png"], "text.png"),
        (["identify", "people", "text.png"], "text.png"),
        (["verify", "people", IMAGE, "text.png"], "text.png"),
        (["recommend", "people", "text.png"], "text.png"),
        (["recommend", "people", IMAGE, "--decay", "2"], "--diversity and --decay must lie between 0 and 1"),
        (["search", "empty", IMAGE], "empty: this gallery is empty; `visus gallery add empty IMAGES` fills it"),
        (["identify", "empty", IMAGE], "empty: this gallery is empty"),
        (["recommend", "empty", IMAGE], "empty: this gallery is empty"),
        (["cluster", "empty"], "empty: this gallery is empty"),
        (["reid", "empty"], "empty: this gallery is empty"),
        (["search", "people", IMAGE, "--where", "persn=1"], NO_FIELD),
        (["identify", "people", IMAGE, "--where", "persn=1"], NO_FIELD),
        (["recommend", "people", IMAGE, "--where", "persn=1"], NO_FIELD),
        (["reid", "people", "--by", "persn"], NO_FIELD),
        (["remove", "people", "--where", "persn=1"], NO_FIELD),
        (["add", "people", "outside"], "a.png: not below"),
        (["add", "people", "images/../outside/a.png"], "a.png: not below"),
        (["add", "people", "images/link.png"], "images/link.png: not below"),
        (["sync", "people", "outside"], "outside: not below"),
        (["search", "faces", "none.png"], NO_SQUARE),
        (["identify", "faces", "none.png", "--threshold", "1"], "no entry has a field 'person'"),
        (["verify", "faces", "one.png", "none.png"], NO_SQUARE),
        (["search", "faces", "two.png"], SEVERAL),
        (["verify", "faces", "one.png", "two.png"], SEVERAL),
        (["search", "faces", "two.png", "--box", "12", "0", "40", "40"], "two.png: no square found in this box"),
        (["search", "faces", "none.png", "two.png", "--box", "0", "0", "9", "9"], "a box needs one image"),
        (["add", "faces", "two.png", "--detector", "nothing"], "nothing"),
        (["add", "people", "images", "--devices", "0"], "--devices and --nodes must be at least 1"),
        (["add", "people", "images", "--devices", "2", "--processes", "2"], "leave them out beside --devices"),
        (["add", "people", "images", "--devices", "2", "--detector", "d"], "leave out --devices and --nodes"),
        (["add", "people", "images", "--devices", "2", "--device", "cuda:1"], "--device cuda:1 is one device"),
        (["add", "people", "-", "--devices", "2"], "standard input (-) is read by one process"),
        (["add", "people", "-", "--shard", "0/2"], "standard input (-) is read by one process"),
        (["add", "people", "images", "--shard", "2"], "give one shard as I/N, such as 0/8"),
        (["add", "people", "images", "--shard", "2/2"], "the last one is 1/2"),
        (["add", "people", "images", "--shards", "2"], "--shards and --workers are of --engine ray"),
        (["add", "people", "images", "--engine", "ray"], "--engine ray needs --shards N"),
        (["add", "people", "images", "--engine", "ray", "--shards", "2", "--devices", "2"], "takes no --processes"),
        (
            ["add", "people", "images", "--nodes", "2", "--device", "cpu"],
            "a folder is filled by one machine",
        ),
    ],
)
def test_bad_input_is_one_line(place: Path, words: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    before = entries(capsys)
    assert main(["gallery", *words]) == 2
    err = capsys.readouterr().err
    assert message in err
    assert len(err.strip().splitlines()) == 1
    assert entries(capsys) == before


def entries(capsys: pytest.CaptureFixture[str]) -> dict[str, int]:
    """How many entries each gallery has."""
    capsys.readouterr()
    found = {}
    for name in ("people", "faces", "empty"):
        assert main(["gallery", "stats", name, "--json"]) == 0
        found[name] = json.loads(capsys.readouterr().out)["entries"]
    return found


def test_the_face_that_a_box_names_is_taken(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["search", "faces", "two.png", "--box", "45", "0", "90", "40", "--k", "1", "--no-pictures", "--json"]
    assert main(["gallery", *words]) == 0
    [match] = json.loads(capsys.readouterr().out)["matches"]
    assert (match["id"], match["score"]) == (1, 1)


def stored(folder: Path, seed: int, dimensions: int) -> None:
    """A run of a descriptor with random weights, in the place of another one."""
    shutil.rmtree(folder, ignore_errors=True)
    options: dict[str, bool | int | float | str] = {"pretrained": False, "size": 32, "embedding_dim": dimensions}
    recipe = Recipe(
        name="tiny", model="descriptor_lite0", model_options=options, data=DataRecipe(dataset="vignettes_birds")
    )
    torch.manual_seed(seed)
    model = catalog.build_model(recipe.model, Schema((), ()), recipe.model_options)
    run = RunFolder(folder)
    run.create(recipe)
    run.save_weights(model.state_dict(), recipe, Schema((), ()))


@pytest.mark.parametrize(("seed", "dimensions"), [(1, 16), (0, 24)], ids=["other weights", "other dimensions"])
def test_other_weights_are_refused_until_every_image_is_described_again(
    tmp_path: Path, seed: int, dimensions: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    painted(tmp_path / "images", 4)
    stored(tmp_path / "run", 0, 16)
    assert main(["gallery", "create", "things", "--model", "run"]) == 0
    assert main(["gallery", "add", "things", "images", "--set", "camera=2"]) == 0
    stored(tmp_path / "run", seed, dimensions)
    paint(tmp_path / "images" / "new.png", 60)
    capsys.readouterr()
    for words in (["search", "things", IMAGE], ["add", "things", "images"], ["sync", "things", "images"]):
        assert main(["gallery", *words]) == 2
        err = capsys.readouterr().err
        assert "has other weights: their vectors cannot be compared" in err
        assert len(err.strip().splitlines()) == 1
    offered = err.split("`")[1].split()
    assert offered[:5] == ["visus", "gallery", "create", "things", "--rebuild"]
    assert main(offered[1:]) == 0
    capsys.readouterr()
    assert main(["gallery", "stats", "things", "--json"]) == 0
    stats = json.loads(capsys.readouterr().out)
    assert (stats["entries"], stats["dimensions"], stats["fields"]) == (4, dimensions, {"camera": 1})
    assert main(["gallery", "search", "things", IMAGE, "--no-pictures"]) == 0
