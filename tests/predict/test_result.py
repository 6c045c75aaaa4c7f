"""What `predict` gives: an image with what was found in it, and its forms for other programs."""

from __future__ import annotations

import json
import os
import sys
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from drawing_scenes import SCHEMA, make_prediction
from visus.errors import VisusError
from visus.metrics.coco_format import prediction_to_coco
from visus.ops.masks import rle_decode
from visus.predict.result import Result
from visus.types import ClassPrediction, EmbeddingPrediction, Schema, SemanticPrediction

SIZE = (96, 128)
LABELS = torch.zeros(SIZE, dtype=torch.uint8)
LABELS[:24] = 1
TWO = Schema(("cat", "dog"), (3, 7))
KINDS: dict[str, Result] = {
    name: Result(torch.full((3, *SIZE), 90, dtype=torch.uint8), found, schema, path="in/a.jpg", name="a.jpg")
    for name, found, schema in (
        ("objects", make_prediction(), SCHEMA),
        ("classes", ClassPrediction(torch.tensor([1, 0]), torch.tensor([0.7, 0.3]), SIZE), TWO),
        ("pixels", SemanticPrediction(LABELS, torch.full(SIZE, 0.5), SIZE), TWO),
        ("embedding", EmbeddingPrediction(torch.tensor([0.6, -0.8]), SIZE), TWO),
    )
}


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_is_drawn_written_and_said(kind: str, tmp_path: Path) -> None:
    result = KINDS[kind]
    assert result.plot().width == 128 * 4  # a small image is enlarged
    for name in ("drawn.png", "deep/drawn.JPG"):
        with Image.open(result.save(tmp_path / name)) as image:
            assert image.size == result.plot().size
    assert result._repr_png_().startswith(b"\x89PNG")
    assert json.loads(json.dumps(result.to_dict()))["file_name"] == "a.jpg"
    assert "\n" not in repr(result)
    assert len(repr(result)) < 200
    assert result.names == result.schema.categories


def test_one_line_says_what_was_found() -> None:
    assert repr(KINDS["classes"]) == "Result(in/a.jpg, 128x96: dog 0.70, cat 0.30)"
    assert repr(KINDS["pixels"]) == "Result(in/a.jpg, 128x96: cat 75 %, dog 25 %)"
    assert repr(KINDS["embedding"]) == "Result(in/a.jpg, 128x96: an embedding of 2 dimensions)"
    assert repr(KINDS["objects"]) == "Result(in/a.jpg, 128x96: 1 cat from score 0.5, 1 below)"


def test_a_drawing_shows_objects_from_the_least_score_on() -> None:
    plain = Image.fromarray(np.asarray(KINDS["objects"].plot(min_score=1.0)))
    assert np.ptp(np.asarray(plain)) == 0
    assert np.ptp(np.asarray(KINDS["objects"].plot(min_score=0.0))) > 50


def test_the_threshold_of_the_model_decides_what_is_drawn_and_counted() -> None:
    sure = replace(KINDS["objects"], threshold=1.0)
    assert np.ptp(np.asarray(sure.plot())) == 0
    assert repr(sure).endswith(": nothing from score 1, 2 below)")


def test_the_image_itself_is_never_written_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Image.new("RGB", (128, 96)).save("a.jpg")
    before = Path("a.jpg").read_bytes()
    os.link("a.jpg", "hard.jpg")
    os.symlink("a.jpg", "soft.jpg")
    result = Result(KINDS["objects"].image, KINDS["objects"].prediction, SCHEMA, path="a.jpg")
    for name in ("a.jpg", tmp_path / "a.jpg", "../" + tmp_path.name + "/a.jpg", "hard.jpg", "soft.jpg"):
        with pytest.raises(VisusError, match="this is the image itself"):
            result.save(name)
    assert Path("a.jpg").read_bytes() == before
    with pytest.raises(VisusError, match=r"a\.tif: drawings are written as \.jpg"):
        result.save("a.tif")


def test_objects_as_numbers_and_names() -> None:
    result = KINDS["objects"]
    found = result.to_dict()
    assert {key: found[key] for key in ("width", "height", "path")} == {"width": 128, "height": 96, "path": "in/a.jpg"}
    first = found["objects"][0]
    assert (first["name"], first["category_id"]) == ("cat", 3)
    assert first["box_xyxy"] == result.prediction.boxes_xyxy[0].tolist()
    assert result.to_coco(7) == prediction_to_coco(result.prediction, 7, SCHEMA)


def test_pixels_as_coco_stuff_has_them() -> None:
    cat, dog = KINDS["pixels"].to_coco(5)
    assert (cat["image_id"], cat["category_id"], dog["category_id"]) == (5, 3, 7)
    assert torch.equal(torch.as_tensor(rle_decode(dog["segmentation"])).bool(), LABELS == 1)


@pytest.mark.parametrize("kind", ["classes", "embedding"])
def test_coco_has_no_records_of_whole_images(kind: str) -> None:
    with pytest.raises(VisusError, match=r"use to_dict\(\)"):
        KINDS[kind].to_coco()


@dataclass
class Detections:
    """The fields of supervision.Detections, with the checks of its validators."""

    xyxy: Any
    mask: Any = None
    confidence: Any = None
    class_id: Any = None
    data: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        n = len(self.xyxy)
        assert self.xyxy.shape == (n, 4)
        assert self.mask is None or (self.mask.ndim == 3 and len(self.mask) == n and self.mask.dtype == bool)
        assert self.confidence.shape == self.class_id.shape == (n,)
        assert self.class_id.dtype == np.dtype(int)
        assert all(len(values) == n and isinstance(values, np.ndarray) for values in self.data.values())


def test_records_of_supervision(monkeypatch: pytest.MonkeyPatch) -> None:
    package = SimpleNamespace(Detections=Detections, Classifications=SimpleNamespace)
    monkeypatch.setitem(sys.modules, "supervision", package)
    check_supervision()


def test_records_of_the_installed_supervision() -> None:
    pytest.importorskip("supervision")
    check_supervision()


def check_supervision() -> None:
    """Boxes, masks, scores and names of every kind, whatever package makes the records."""
    result = KINDS["objects"]
    found = result.to_supervision()
    assert np.array_equal(found.xyxy, result.prediction.boxes_xyxy.numpy())
    assert found.mask.shape == (len(result.prediction), *SIZE)
    assert found.data["class_name"].tolist() == ["cat", "dog"]
    assert found.data["keypoints_xyv"].shape[0] == 2
    areas = KINDS["pixels"].to_supervision()
    assert areas.class_id.tolist() == [0, 1]
    assert areas.mask.sum(axis=(1, 2)).tolist() == [72 * 128, 24 * 128]
    assert areas.xyxy.tolist() == [[0, 24, 128, 96], [0, 0, 128, 24]]
    whole = KINDS["classes"].to_supervision()
    assert whole.class_id.tolist() == [1, 0]
    assert whole.confidence.tolist() == pytest.approx([0.7, 0.3])
    with pytest.raises(VisusError, match="no record for embeddings"):
        KINDS["embedding"].to_supervision()


def test_supervision_is_named_where_it_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "supervision", None)
    with pytest.raises(VisusError, match="pip install supervision"):
        KINDS["objects"].to_supervision()
