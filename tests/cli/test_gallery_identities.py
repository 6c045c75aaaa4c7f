"""``visus gallery identify``, ``reid`` and the decisions of ``cluster``, on painted pictures without a network."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from galleries.painted import MeanColours, paint, painted
from visus.cli import main
from visus.galleries import Gallery
from visus.types import InstancePrediction


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A gallery of eight people by two cameras, and a describer that needs no network."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setattr("visus.galleries.base.describer", lambda *name, **device: MeanColours())
    with Gallery.create("people", model=MeanColours()) as gallery:
        gallery.add(
            str(painted(tmp_path / "images", 8, 4)),
            metadata=lambda item: {"person": f"p{item.name[:3]}", "camera": int(item.name[4]) % 2},
        )
    return tmp_path


Told = Callable[..., Any]


@pytest.fixture
def told(capsys: pytest.CaptureFixture[str]) -> Told:
    """What a command prints as JSON."""

    def run(*words: str) -> Any:
        assert main(["gallery", *words, "--json"]) == 0
        return json.loads(capsys.readouterr().out)

    return run


def test_people_are_identified(place: Path, told: Told, capsys: pytest.CaptureFixture[str]) -> None:
    known, stranger = str(paint(place / "known.png", 3, 9)), str(paint(place / "stranger.png", 60))
    found = told("identify", "people", known, stranger, "--out", "named")
    assert [one["person"] for one in found["found"]] == ["p003", None]
    assert found["threshold"]["non_mated"] == 32
    assert Image.open("named/sheet.png").size[0] > 400
    assert Path("named/answer.html").read_text().count("<figure") == 4
    assert main(["gallery", "identify", "people", known, stranger, "--no-pictures"]) == 0
    out = capsys.readouterr().out
    assert "p003" in out
    assert "unknown" in out
    assert "TPIR 1.0000 of 32" in out
    assert max(map(len, out.splitlines()[:8])) <= 80


def test_the_protocol_is_printed_beside_its_numbers(
    place: Path, told: Told, capsys: pytest.CaptureFixture[str]
) -> None:
    strict = told("reid", "people")
    assert (strict["protocol"], strict["queries"]) == ("other cameras, unmatched skipped", 32)
    loose = told("reid", "people", "--no-camera-rule", "--unmatched", "zero", "--rerank")
    assert loose["protocol"] == "all cameras, unmatched 0, re-ranked"
    assert loose["CMC-1"] == 1
    assert main(["gallery", "reid", "people"]) == 0
    out = capsys.readouterr().out
    assert "other cameras, unmatched skipped" in out
    assert "mINP" in out


def test_objects_are_searched_for(
    place: Path, told: Told, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A detector that always finds the left and the right half of an image of two people."""
    halves = [np.asarray(Image.open(paint(place / "one.png", thing, 9))) for thing in (2, 5)]
    Image.fromarray(np.concatenate(halves, axis=1)).save("street.png")
    boxes = torch.tensor([[0.0, 0, 24, 24], [24, 0, 48, 24], [0, 0, 9, 9]])
    found = InstancePrediction(boxes, torch.zeros(3, dtype=torch.int64), torch.tensor([0.9, 0.8, 0.1]), (24, 48))
    detector = SimpleNamespace(predict=lambda pixels: [SimpleNamespace(prediction=found)])
    monkeypatch.setattr("visus.predict.predictor.load", lambda name, **device: detector)
    seen = told("reid", "people", "runs/detector", "street.png", "--camera", "1", "--k", "2", "--out", "seen")
    assert [one["box_xyxy"] for one in seen] == [[0, 0, 24, 24], [24, 0, 48, 24]]
    about = [[match["metadata"] for match in one["matches"]] for one in seen]
    assert about == [[{"person": name, "camera": 0}] * 2 for name in ("p002", "p005")]
    assert Path("seen/answer.html").read_text().count("<figure") == 6
    assert Image.open("seen/sheet.png").size[0] > 400
    assert main(["gallery", "reid", "people", "runs/detector", "street.png", "--no-pictures"]) == 0
    assert "2 objects in 1 images" not in capsys.readouterr().out


def test_groups_are_named_kept_apart_and_undone(place: Path, told: Told, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["cluster", "people", "--limit", "0.9"]
    before = told(*words)
    assert len(before) == 8
    ids = [before[0]["best"]["id"], *(one["id"] for one in before[0]["others"])]
    told(*words, "--never", str(ids[0]), str(ids[1]))
    assert told(*words) != before
    assert told(*words, "--undo") == before
    told(*words, "--name", str(ids[0]), "Anna")
    assert {
        match["metadata"]["person"]
        for match in told("search", "people", f"id:{ids[0]}", "--k", "4", "--no-pictures")["matches"]
    } == {"Anna"}
    assert main(["gallery", *words, "--undo"]) == 0
    assert "taken back: person=Anna of 4 entries" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["identify", "people", "id:1", "--by", "name"], "no entry has a field 'name'"),
        (["identify", "people", "id:1", "--fpir", "3"], "lies between 0 and 1; this one is 3"),
        (["identify", "people", "id:99"], "there is no entry 99"),
        (["identify", "people", "nothing.png"], "nothing.png: no such file or folder"),
        (["reid", "people", "runs/detector"], "give the images in which runs/detector should look for objects"),
        (["reid", "people", "nothing", "street.png"], "nothing"),
        (["reid", "people", "--by", "who"], "no entry has a field 'who'"),
        (["cluster", "people", "--undo"], "no decision to take back"),
        (["cluster", "people", "--undo", "--never", "1", "2"], "one at a time, so that each can be undone"),
        (["cluster", "people", "--never", "1", "99"], "there is no entry 99"),
    ],
)
def test_errors_are_one_line(place: Path, words: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    paint(place / "street.png", 1)
    assert main(["gallery", *words]) == 2
    err = capsys.readouterr().err
    assert message in err
    assert len(err.strip().splitlines()) == 1
