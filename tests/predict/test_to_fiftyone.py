"""Predictions as FiftyOne's labels: with its own classes where they are installed, else as calls to them."""

from __future__ import annotations

import math
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from annotator_tools import run_tool
from drawing_scenes import SCHEMA, make_prediction
from visus.errors import VisusError
from visus.predict.result import Result
from visus.predict.to_fiftyone import FIFTYONE, as_fiftyone, fiftyone_dataset
from visus.types import ClassPrediction, EmbeddingPrediction, InstancePrediction, Schema

PIXELS = torch.zeros(3, 96, 128, dtype=torch.uint8)


def recorded(name: str) -> Any:
    return lambda **fields: SimpleNamespace(kind=name, **fields)


PACKAGE = SimpleNamespace(
    **{name: recorded(name) for name in ("Detection", "Detections", "Keypoint", "Keypoints", "Classification")}
)


def test_boxes_and_points_are_shares_and_masks_those_of_boxes() -> None:
    found = make_prediction()
    labels = FIFTYONE[InstancePrediction](PACKAGE, found, SCHEMA)
    first, second = labels[""].detections
    assert first.bounding_box == [10 / 128, 10 / 96, 50 / 128, 70 / 96]
    assert (first.label, round(first.confidence, 3)) == ("cat", 0.9)
    assert first.mask.shape == (70, 50)
    assert int(first.mask.sum()) == int(found.masks[0].sum()) if found.masks is not None else False
    assert second.label == "dog"
    nose, left, right = labels["_keypoints"].keypoints[0].points
    assert nose == (35 / 128, 20 / 96)
    assert all(map(math.isnan, right))  # a guess
    assert left == (20 / 128, 60 / 96)
    classes = ClassPrediction(torch.tensor([1]), torch.tensor([0.75]), (96, 128), torch.tensor([0.0, 0, 64, 48]))
    labels = FIFTYONE[ClassPrediction](PACKAGE, classes, Schema(("a", "b"), (1, 2)))
    assert (labels[""].label, labels[""].confidence) == ("b", 0.75)
    assert labels["_box"].detections[0].bounding_box == [0, 0, 0.5, 0.5]


def test_fiftyones_own_classes_take_them() -> None:
    root = Path(__file__).resolve().parents[2]
    script = """
sys.path[:0] = [sys.argv[1] + "/src", sys.argv[1] + "/tests"]
import torch
from drawing_scenes import SCHEMA, make_prediction
from visus.predict.to_fiftyone import as_fiftyone
labels = as_fiftyone(make_prediction(), SCHEMA)
names = {key: type(value).__module__ + "." + type(value).__name__ for key, value in labels.items()}
[detection, _] = labels[""].detections
whole = detection.to_segmentation(frame_size=(128, 96), target=1).mask
answer([names, detection.label, int((whole > 0).sum()), [p.label for p in labels["_keypoints"].keypoints]])
"""
    names, label, pixels, points = run_tool("fiftyone", script, root)
    assert names == {"": "fiftyone.core.labels.Detections", "_keypoints": "fiftyone.core.labels.Keypoints"}
    masks = make_prediction().masks
    assert masks is not None
    assert (label, pixels, points) == ("cat", int(masks[0].sum()), ["cat", "dog"])


def test_what_fiftyone_cannot_hold(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "fiftyone", None)
    monkeypatch.setitem(sys.modules, "fiftyone.core.labels", None)
    result = Result(PIXELS, make_prediction(), SCHEMA, path="a.jpg", name="a.jpg")
    for ask in (result.to_fiftyone, lambda: fiftyone_dataset([result])):
        with pytest.raises(VisusError, match="need the package: pip install fiftyone"):
            ask()
    monkeypatch.setitem(sys.modules, "fiftyone", SimpleNamespace(core=SimpleNamespace(labels=PACKAGE)))
    monkeypatch.setitem(sys.modules, "fiftyone.core", SimpleNamespace(labels=PACKAGE))
    monkeypatch.setitem(sys.modules, "fiftyone.core.labels", PACKAGE)
    with pytest.raises(VisusError, match="FiftyOne has no label for a EmbeddingPrediction"):
        as_fiftyone(EmbeddingPrediction(torch.zeros(2), (96, 128)), SCHEMA)
    with pytest.raises(VisusError, match="frame_000001: a sample of FiftyOne is an image file"):
        fiftyone_dataset([Result(PIXELS, make_prediction(), SCHEMA, name="frame_000001")])
