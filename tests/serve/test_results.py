import json

import pytest
from PIL import Image
from serve_scenes import SCHEMA, make_prediction

from visus.serve.results import ResultFolder, image_ids


def test_images_named_by_numbers_keep_them():
    assert image_ids(["000000000139.jpg", "val/000000000285.jpg"]) == [139, 285]
    assert image_ids(["000000000139.jpg", "cat.jpg"]) == [1, 2]
    assert image_ids(["a/1.jpg", "b/1.jpg"]) == [1, 2]


def test_json_is_a_coco_results_file(tmp_path):
    folder = ResultFolder(tmp_path / "out", SCHEMA)
    folder.add("deep/cat.jpg", 5, make_prediction(), seconds=1.5)
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
