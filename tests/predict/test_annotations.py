"""Predictions as annotations: what our readers and the programs' own code read of them."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ElementTree
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import numpy as np
import pytest
import torch
from PIL import Image

from annotator_tools import run_tool
from drawing_scenes import SCHEMA, make_prediction
from visus.data.annotators.label_studio import brush_mask
from visus.data.readers.labelme import open_labelme
from visus.data.recognise import open_folder
from visus.errors import VisusError
from visus.ops.masks import mask_iou
from visus.predict.annotations import Annotations
from visus.predict.result import Result
from visus.predict.results import ResultFolder
from visus.types import ClassPrediction, EmbeddingPrediction, Schema, SemanticPrediction

SIZE = (96, 128)
TWO = Schema(("cat", "dog"), (3, 7))


def ragged_prediction() -> Any:
    """Two objects: a disc with a hole and three keypoints, of which one is a guess; and two parts without keypoints."""
    found = make_prediction(scores=(0.9, 0.7))
    y, x = torch.meshgrid(torch.arange(96), torch.arange(128), indexing="ij")
    away = ((x - 35) ** 2 + (y - 45) ** 2).sqrt()
    masks = torch.zeros(2, *SIZE, dtype=torch.bool)
    masks[0] = (away < 24) & (away > 5)
    masks[1, 40:60, 80:100] = masks[1, 70:80, 90:110] = True
    return replace(found, masks=masks)


def written(place: Path, form: Any, prediction: Any, schema: Schema, **options: Any) -> Path:
    """The results folder of one image, ``photos/deep/a b.png``, in a format."""
    photo = place / "photos" / "deep" / "a b.png"
    photo.parent.mkdir(parents=True)
    Image.fromarray(np.full((*SIZE, 3), 90, np.uint8)).save(photo)
    annotations = Annotations(form, schema, model="run", **options)
    folder = ResultFolder(place / "out", schema, annotations=annotations)
    pixels = torch.full((3, *SIZE), 90, dtype=torch.uint8)
    folder.add(Result(pixels, prediction, schema, path=str(photo), name="deep/a b.png"), 1)
    folder.write_json()
    return place / "out"


def test_our_reader_reads_labelmes_files_again(tmp_path: Path) -> None:
    found = ragged_prediction()
    out = written(tmp_path, "labelme", found, SCHEMA)
    target = open_labelme(out / "labelme", "train").target(0)
    assert torch.equal(target.masks, found.masks)
    assert target.labels.tolist() == [0, 1]
    assert target.keypoints_xyv[0].tolist() == [[20, 60, 2], [35, 20, 2]]  # by name; the third is a guess
    assert open_labelme(out / "labelme", "train")[0].input.shape == (3, *SIZE)  # the image is found
    shapes = json.loads((out / "labelme/deep/a b.json").read_text())["shapes"]
    assert [shape["description"] for shape in shapes] == ["score 0.900"] * 3 + ["score 0.700"]


def test_labelme_itself_reads_them(tmp_path: Path) -> None:
    found = ragged_prediction()
    out = written(tmp_path, "labelme", found, SCHEMA)
    script = """
from labelme._label_file import LabelFile
file = LabelFile(sys.argv[1])
answer([[s["label"], s["shape_type"], s["points"], s["group_id"], None if s["mask"] is None else int(s["mask"].sum())]
        for s in file.shapes] + [len(file.image_data)])
"""
    *shapes, size = run_tool("labelme", script, out / "labelme/deep/a b.json")
    assert size == (tmp_path / "photos/deep/a b.png").stat().st_size
    assert shapes[0] == ["cat", "mask", [[12, 22], [58, 68]], 1, int(found.masks[0].sum())]
    assert shapes[1] == ["nose", "point", [[35.0, 20.0]], 1, None]
    assert shapes[3] == ["dog", "mask", [[80, 40], [109, 79]], None, int(found.masks[1].sum())]


def test_a_frame_of_a_video_is_inside_of_labelmes_file(tmp_path: Path) -> None:
    pixels = torch.full((3, *SIZE), 90, dtype=torch.uint8)
    result = Result(pixels, make_prediction(), SCHEMA, path="", name="frame_000001", details={"frame": 1})
    folder = ResultFolder(tmp_path, SCHEMA, annotations=Annotations("labelme", SCHEMA, model="run"))
    folder.add(result, 1)
    dataset = open_labelme(tmp_path / "labelme", "train")
    assert torch.equal(dataset[0].input, pixels)


def test_tasks_of_label_studio(tmp_path: Path) -> None:
    found = ragged_prediction()
    out = written(tmp_path, "label-studio", found, SCHEMA)
    [task] = json.loads((out / "tasks.json").read_text())
    assert unquote(task["data"]["image"]) == "/data/local-files/?d=photos/deep/a b.png"
    [prediction] = task["predictions"]
    brush, nose, paw, other = prediction["result"]
    assert np.array_equal(brush_mask(brush["value"]["rle"], SIZE), found.masks[0].numpy())
    assert (nose["value"]["x"], nose["value"]["y"]) == (27.34375, 20.83333)  # per cent
    assert nose["parentID"] == paw["parentID"] == brush["id"] != other["id"]
    assert (prediction["model_version"], brush["score"], other["score"]) == ("run", 0.9, 0.7)


def test_label_studio_itself_takes_them(tmp_path: Path) -> None:
    found = ragged_prediction()
    classes = ClassPrediction(torch.tensor([1, 0]), torch.tensor([0.7, 0.3]), SIZE)
    outs = [
        written(tmp_path / "masks", "label-studio", found, SCHEMA),
        written(tmp_path / "polygons", "label-studio", found, SCHEMA, outlines="polygons"),
        written(tmp_path / "boxes", "label-studio", replace(found, masks=None), SCHEMA),
        written(tmp_path / "classes", "label-studio", classes, TWO),
    ]
    script = """
from label_studio_sdk.converter.brush import decode_rle
from label_studio_sdk.label_interface import LabelInterface
said = []
for folder in sys.argv[1:]:
    [task] = json.load(open(folder + "/tasks.json"))
    [prediction] = task["predictions"]
    errors = LabelInterface(open(folder + "/config.xml").read()).validate_prediction(prediction, return_errors=True)
    brushes = [r["value"]["rle"] for r in prediction["result"] if r["type"] == "brushlabels"]
    masks = [decode_rle(rle).reshape(96, 128, 4)[..., 3] > 0 for rle in brushes]
    said.append([errors, len(prediction["result"]), [int(m[40:50].sum()) for m in masks]])
answer(said)
"""
    rows = found.masks[:, 40:50].sum((1, 2)).tolist()
    said = run_tool("label_studio_sdk", script, *outs)
    assert said == [[[], 4, rows], [[], 5, []], [[], 4, []], [[], 1, []]]


def test_the_file_of_cvat(tmp_path: Path) -> None:
    found = ragged_prediction()
    out = written(tmp_path, "cvat", found, SCHEMA)
    image = ElementTree.parse(out / "annotations.xml").getroot().find("image")
    assert image is not None
    assert image.attrib == {"id": "0", "name": "deep/a b.png", "width": "128", "height": "96"}
    mask, skeleton, other = image
    assert (mask.tag, mask.get("label"), mask.get("source"), mask.get("group_id")) == ("mask", "cat", "auto", "1")
    assert (skeleton.tag, skeleton.get("label"), skeleton.get("group_id")) == ("skeleton", "cat keypoints", "1")
    assert [(p.get("label"), p.get("points")) for p in skeleton] == [
        ("nose", "35.00,20.00"),
        ("left_paw", "20.00,60.00"),
    ]
    assert other.get("group_id") is None
    labels = json.loads((out / "labels.json").read_text())
    assert [(one["name"], one["type"]) for one in labels] == [
        ("cat", "any"),
        ("cat keypoints", "skeleton"),
        ("dog", "any"),  # which has no keypoint here
    ]
    assert [part["name"] for part in labels[1]["sublabels"]] == list(SCHEMA.keypoints.names if SCHEMA.keypoints else ())


def test_datumaro_reads_the_file_of_cvat(tmp_path: Path) -> None:
    found = replace(ragged_prediction(), keypoints_xyv=None, keypoint_scores=None)  # it knows no skeletons
    schema = replace(SCHEMA, keypoints=None)
    labels = torch.zeros(SIZE, dtype=torch.uint8)
    labels[:24] = 1
    pixels = SemanticPrediction(labels, torch.full(SIZE, 0.5), SIZE)
    outs = [
        written(tmp_path / "masks", "cvat", found, schema),
        written(tmp_path / "polygons", "cvat", found, schema, outlines="polygons"),
        written(tmp_path / "boxes", "cvat", replace(found, masks=None), schema),
        written(tmp_path / "pixels", "cvat", pixels, TWO),
    ]
    script = """
import shutil
from datumaro.plugins.data_formats.cvat.base import CvatBase
said = []
for folder in sys.argv[1:]:
    shutil.copytree(folder + "/../photos", folder + "/images")
    [item] = CvatBase(folder + "/annotations.xml")
    said.append([[a.type.name, int(a.label), int(a.group), float(a.get_area()), [float(v) for v in a.get_bbox()]]
                 for a in item.annotations])
answer(said)
"""
    masks, polygons, boxes, classes = run_tool("datumaro", script, *outs)
    areas = found.masks.sum((1, 2)).tolist()
    assert [one[:4] for one in masks] == [["mask", 0, 0, areas[0]], ["mask", 1, 0, areas[1]]]
    # The two parts of the second object are one group, the larger first.
    assert [one[:4] for one in polygons[1:]] == [["polygon", 1, 2, 400.0], ["polygon", 1, 2, 200.0]]
    assert [[one[0], one[4]] for one in boxes] == [["bbox", [10, 10, 50, 70]], ["bbox", [70, 30, 50, 60]]]
    assert [one[:4] for one in classes] == [["mask", 0, 0, 72.0 * 128], ["mask", 1, 0, 24.0 * 128]]


def test_what_people_make_of_predictions_is_data_again(tmp_path: Path) -> None:
    found = ragged_prediction()
    out = written(tmp_path / "studio", "label-studio", found, SCHEMA)
    [task] = json.loads((out / "tasks.json").read_text())
    exported = {**task, "id": 1, "annotations": [{"id": 2, "result": task["predictions"][0]["result"]}]}
    (tmp_path / "studio/photos/export.json").write_text(json.dumps([exported]))
    out = written(tmp_path / "cvat", "cvat", found, SCHEMA)
    (out / "annotations.xml").rename(tmp_path / "cvat/photos/annotations.xml")
    for name in ("studio", "cvat"):
        dataset = open_folder(tmp_path / name / "photos", "train")
        target: Any = dataset.target(0)
        assert dataset.schema.categories == ("cat", "dog")
        assert torch.equal(target.masks, found.masks)
        assert target.labels.tolist() == [0, 1]
        points = target.keypoints_xyv[0].round().tolist()
        assert sorted(points) == [[20, 60, 2], [35, 20, 2]]  # the third is a guess
        assert dataset[0].input.shape == (3, *SIZE)


def test_annotations_in_cocos_format_are_data_again(tmp_path: Path) -> None:
    found = ragged_prediction()
    out = written(tmp_path, "coco", found, SCHEMA)
    content = json.loads((out / "annotations.json").read_text())
    assert [one["score"] for one in content["annotations"]] == pytest.approx([0.9, 0.7])
    (tmp_path / "photos/annotations.json").write_text(json.dumps(content))
    dataset = open_folder(tmp_path / "photos", "train")
    target: Any = dataset.target(0)
    assert torch.equal(target.masks, found.masks)
    assert dataset.schema.category_ids == (3, 7)
    assert target.areas.tolist() == found.masks.sum((1, 2)).tolist()


def test_polygons_have_few_corners_and_nearly_the_same_pixels(tmp_path: Path) -> None:
    found = ragged_prediction()
    out = written(tmp_path, "labelme", found, SCHEMA, outlines="polygons")
    target = open_labelme(out / "labelme", "train").target(0)
    filled = found.masks.clone()
    filled[0] |= ((torch.arange(128) - 35) ** 2 + (torch.arange(96)[:, None] - 45) ** 2).sqrt() < 24  # no hole
    assert mask_iou(target.masks, filled).diag().min() > 0.95
    shapes = json.loads((out / "labelme/deep/a b.json").read_text())["shapes"]
    corners = [len(shape["points"]) for shape in shapes if shape["shape_type"] == "polygon"]
    assert 8 <= corners[0] <= 24
    assert corners[1:] == [4, 4]


def test_what_is_not_sure_or_not_annotated(tmp_path: Path) -> None:
    out = written(tmp_path / "sure", "coco", ragged_prediction(), SCHEMA, min_score=0.8)
    assert len(json.loads((out / "annotations.json").read_text())["annotations"]) == 1
    with pytest.raises(VisusError, match="no program annotates a EmbeddingPrediction"):
        written(tmp_path / "none", "labelme", EmbeddingPrediction(torch.zeros(2), SIZE), TWO)
    classes = ClassPrediction(torch.tensor([1, 0]), torch.tensor([0.7, 0.3]), SIZE)
    with pytest.raises(VisusError, match="no classes of whole images"):
        written(tmp_path / "coco", "coco", classes, TWO)
