import json

import pytest
import torch
from PIL import Image

from drawing_scenes import SCHEMA, make_prediction, make_target
from visus.draw.palette import category_colour
from visus.predict.result import Result
from visus.predict.results import ResultFolder, image_ids
from visus.types import ClassPrediction, EmbeddingPrediction, NoRowError, SemanticPrediction


def test_images_named_by_numbers_keep_them():
    assert image_ids(["000000000139.jpg", "val/000000000285.jpg"]) == [139, 285]
    assert image_ids(["000000000139.jpg", "cat.jpg"]) == [1, 2]
    assert image_ids(["a/1.jpg", "b/1.jpg"]) == [1, 2]


def of(name, prediction, **details):
    """The result of an image of that name."""
    return Result(torch.zeros(3, *prediction.size, dtype=torch.uint8), prediction, SCHEMA, name=name, details=details)


def test_json_is_a_coco_results_file(tmp_path):
    folder = ResultFolder(tmp_path / "out", SCHEMA)
    folder.add(of("deep/cat.jpg", make_prediction(), seconds=1.5), 5)
    folder.fail("broken.jpg", ValueError("broken.jpg: empty"))
    folder.write_json()
    results = json.loads((tmp_path / "out" / "predictions.json").read_text())
    assert [r["category_id"] for r in results] == [3, 7]
    assert all(r["image_id"] == 5 and "segmentation" in r and "keypoints" in r for r in results)
    assert results[0]["bbox"] == pytest.approx([10, 10, 50, 70])
    about = json.loads((tmp_path / "out" / "images.json").read_text())
    assert about["images"] == [{"id": 5, "file_name": "deep/cat.jpg", "width": 128, "height": 96, "seconds": 1.5}]
    assert [c["name"] for c in about["categories"]] == ["cat", "dog"]
    assert about["failures"] == [{"file_name": "broken.jpg", "cause": "broken.jpg: empty"}]


@pytest.mark.parametrize(
    ("name", "written"),
    [("a.jpg", "a.jpg"), ("deep/a.PNG", "deep/a.PNG"), ("a.tif", "a.tif.jpg"), ("f_1", "f_1.jpg")],
)
def test_pictures_keep_their_names(tmp_path, name, written):
    path = ResultFolder(tmp_path, SCHEMA).save_picture(name, Image.new("RGB", (8, 6)))
    assert path == tmp_path / written
    assert Image.open(path).size == (8, 6)


def written(folder):
    folder.write_json()
    return json.loads((folder.path / "predictions.json").read_text())


def test_classes_and_their_box(tmp_path):
    folder = ResultFolder(tmp_path, SCHEMA)
    labels, scores = torch.tensor([1, 0]), torch.tensor([0.75, 0.25])
    folder.add(of("a.jpg", ClassPrediction(labels, scores, (96, 128))), 1)
    folder.add(of("b.jpg", ClassPrediction(labels, scores, (96, 128), torch.tensor([1.0, 2.0, 30.5, 40.0]))), 2)
    classes = [{"category_id": 7, "name": "dog", "score": 0.75}, {"category_id": 3, "name": "cat", "score": 0.25}]
    assert written(folder) == [
        {"image_id": 1, "file_name": "a.jpg", "classes": classes},
        {"image_id": 2, "file_name": "b.jpg", "classes": classes, "box_xyxy": [1.0, 2.0, 30.5, 40.0]},
    ]


def test_pixels_become_a_mask_and_shares(tmp_path):
    folder = ResultFolder(tmp_path, SCHEMA)
    labels = torch.ones(4, 6, dtype=torch.uint8)
    labels[0] = 0
    scores = torch.where(labels == 0, 0.5, 0.75)
    for name in ("deep/a.jpg", "deep/a.png"):
        folder.add(of(name, SemanticPrediction(labels, scores, (4, 6))), 1)
    first, second = written(folder)
    assert first["classes"] == [
        {"category_id": 7, "name": "dog", "label": 1, "share": 0.75, "score": 0.75},
        {"category_id": 3, "name": "cat", "label": 0, "share": 0.25, "score": 0.5},
    ]
    assert (first["mask"], second["mask"]) == ("masks/deep/a.png", "masks/deep/a.png.png")
    mask = Image.open(tmp_path / first["mask"])
    assert mask.mode == "P"
    assert list(mask.tobytes()) == labels.flatten().tolist()
    assert mask.convert("RGB").getpixel((3, 3)) == category_colour(1)


def test_an_embedding(tmp_path):
    folder = ResultFolder(tmp_path, SCHEMA)
    folder.add(of("a.jpg", EmbeddingPrediction(torch.tensor([0.6, -0.8]), (4, 6))), 1)
    assert written(folder) == [{"image_id": 1, "file_name": "a.jpg", "embedding": [0.6, -0.8]}]


def test_an_unknown_kind_is_named_and_leaves_nothing(tmp_path):
    folder = ResultFolder(tmp_path / "out", SCHEMA)
    with pytest.raises(NoRowError, match="knows no InstanceTarget; it knows InstancePrediction, ClassPrediction"):
        folder.add(of("a.jpg", make_target()), 1)
    folder.write_json()
    assert json.loads((tmp_path / "out" / "images.json").read_text())["images"] == []
    assert json.loads((tmp_path / "out" / "predictions.json").read_text()) == []
