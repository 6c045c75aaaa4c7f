"""What is right, wrong and missed in validation images, by hand and over HTTP; the list of label noise."""

from __future__ import annotations

import io
import json
import time
from pathlib import Path
from typing import Any

import pytest
import torch
from fastapi.testclient import TestClient
from PIL import Image

from server.tiny import make_run
from visus.errors import VisusError
from visus.server.app import create_app
from visus.server.browsing import Browser, judged_class, judged_objects, size_of
from visus.server.loaded import Models
from visus.server.settings import Settings
from visus.server.state import State
from visus.types import ClassPrediction, ClassTarget, InstancePrediction, InstanceTarget, Schema

SCHEMA = Schema(("cat", "dog"), (1, 2))


def target(boxes: list[list[float]], labels: list[int], crowd: tuple[int, ...] = ()) -> InstanceTarget:
    places = torch.zeros(len(boxes), dtype=torch.bool)
    places[list(crowd)] = True
    found = torch.tensor(boxes).float()
    return InstanceTarget(found, torch.tensor(labels), torch.ones(len(boxes)), places, (200, 200))


def prediction(boxes: list[list[float]], labels: list[int], scores: list[float]) -> InstancePrediction:
    return InstancePrediction(torch.tensor(boxes).float(), torch.tensor(labels), torch.tensor(scores), (200, 200))


def test_each_kind_of_error() -> None:
    """A cat that is found twice, a dog taken for a cat, one badly placed, one where nothing is, and one missed."""
    truth = target([[0, 0, 40, 40], [100, 0, 140, 40], [0, 100, 40, 140], [150, 150, 160, 160]], [0, 1, 1, 0])
    found = prediction(
        [[0, 0, 40, 38], [0, 2, 40, 40], [100, 0, 140, 40], [25, 100, 65, 140], [60, 60, 90, 90], [0, 0, 5, 5]],
        [0, 0, 0, 1, 0, 0],
        [0.9, 0.8, 0.7, 0.6, 0.5, 0.01],
    )
    told = judged_objects(found, truth, SCHEMA)
    causes = [one.get("cause", "right") for one in told["detections"]]
    assert causes == ["right", "twice", "class", "place", "background"]  # that of score .01 is not shown
    assert told["detections"][2]["taken_for"] == "dog"
    assert (told["detections"][0]["found"], told["detections"][0]["iou"]) == (0, 0.95)
    assert [one["found_score"] for one in told["objects"]] == [0.9, None, None, None]
    assert [one["size"] for one in told["objects"]] == ["medium", "medium", "medium", "small"]


def test_another_least_overlap_is_another_matching() -> None:
    truth, found = target([[0, 0, 40, 40]], [0]), prediction([[0, 0, 40, 30]], [0], [0.9])  # an IoU of .75
    for iou, cause in ((0.5, None), (0.75, None), (0.8, "place")):
        told = judged_objects(found, truth, SCHEMA, iou)
        assert told["detections"][0].get("cause") == cause
        assert told["objects"][0]["found_score"] == (0.9 if cause is None else None)


def test_what_lies_on_a_crowd_is_neither_right_nor_wrong() -> None:
    told = judged_objects(
        prediction([[10, 10, 30, 30]], [0], [0.9]), target([[0, 0, 100, 100]], [0], crowd=(0,)), SCHEMA
    )
    assert told["detections"][0]["cause"] == "crowd"
    assert told["objects"] == []


def test_without_anything() -> None:
    nothing = prediction([[0, 0, 1, 1]], [0], [0.0])
    assert judged_objects(nothing, target([[0, 0, 9, 9]], [0])[torch.zeros(1, dtype=torch.bool)], SCHEMA) == {
        "detections": [],
        "objects": [],
    }


@pytest.mark.parametrize(("label", "cause"), [(1, None), (0, "class")])
def test_the_class_of_an_image(label: int, cause: str | None) -> None:
    found = ClassPrediction(torch.tensor([1, 0]), torch.tensor([0.75, 0.25]), (8, 8))
    told = judged_class(found, ClassTarget(torch.tensor(label), (8, 8)), SCHEMA)
    assert told["detections"][0].get("cause") == cause
    assert told["objects"][0]["found_score"] == (0.75 if cause is None else None)


def test_sizes_are_cocos() -> None:
    assert [size_of(area) for area in (1023, 1024, 9215, 9216)] == ["small", "medium", "medium", "large"]


def browsed(run: Path) -> tuple[TestClient, State, Browser]:
    settings = Settings()
    state = State(settings, Models([str(run)], device="cpu", max_pixels=settings.max_pixels))
    browser = Browser(state.models.get(), state.jobs)
    return TestClient(create_app(state, browser), base_url="http://localhost"), state, browser


def all_images(client: TestClient) -> dict[str, Any]:
    deadline = time.monotonic() + 60
    while True:
        told: dict[str, Any] = client.get("/api/browse").json()
        assert not told["failure"]
        if len(told["images"]) == told["total"]:
            return told
        assert time.monotonic() < deadline
        time.sleep(0.1)


def test_browsing_over_http(tmp_path: Path) -> None:
    run = make_run(tmp_path, "boxes")
    client, state, browser = browsed(run)
    with client:
        told = all_images(client)
        assert told["total"] == 6
        for image in told["images"]:
            sample = browser.dataset[image["index"]]
            assert len(image["objects"]) == len(sample.target)
            alone: Any = state.models.get().predictor.predict(sample.input)[0].prediction
            found = judged_objects(alone, sample.target, browser.dataset.schema)["detections"]
            assert len(image["detections"]) == pytest.approx(len(found), abs=2)  # in batches sums round otherwise
        assert len(client.get("/api/browse?since=4").json()["images"]) == 2
        strict = client.get("/api/browse?iou=0.95").json()["images"]
        assert [image["index"] for image in strict] == [image["index"] for image in told["images"]]
        for image, before in zip(strict, told["images"], strict=True):
            right = [one["iou"] for one in image["detections"] if "found" in one]
            assert all(iou >= 0.95 for iou in right)
            assert len(right) <= sum("found" in one for one in before["detections"])
            assert len(image["detections"]) == len(before["detections"])
        assert client.get("/api/browse?iou=7").status_code == 422
        picture = client.get("/api/browse/images/3?side=50")
        assert picture.headers["content-type"] == "image/jpeg"
        assert max(Image.open(io.BytesIO(picture.content)).size) == 50
        assert client.get("/api/browse/images/99").json()["error"].startswith("there are 6 images")
        assert client.get("/browse").status_code == 200

        marked = [{"image": "a.png", "index": 0, "box_xyxy": [0, 0, 5, 5], "label": None, "found": "cat", "score": 0.9}]
        saved = client.post("/api/browse/noise", content=json.dumps(marked)).json()
        assert Path(saved["file"]) == run / "label_noise.json"
        assert json.loads((run / "label_noise.json").read_text()) == marked
        assert client.get("/api/browse").json()["noise"] == marked
        assert "JSON" in client.post("/api/browse/noise", content=b"{").json()["error"]
        assert client.post("/api/browse/noise", content=b"{}").status_code == 422
        (run / "label_noise.json").write_text("mine")
        assert client.post("/api/browse/noise", content=json.dumps(marked)).status_code == 409
        assert (run / "label_noise.json").read_text() == "mine"
    state.jobs.stop(5)


def test_a_classifier_is_browsed_too_and_others_say_why_not(tmp_path: Path) -> None:
    client, state, _ = browsed(make_run(tmp_path, "things"))
    with client:
        assert all(len(image["objects"]) == 1 for image in all_images(client)["images"])
    state.jobs.stop(5)
    client, state, browser = browsed(make_run(tmp_path, "pixels"))
    deadline = time.monotonic() + 60
    while not browser.failure and time.monotonic() < deadline:
        time.sleep(0.1)
    assert "browsing knows no SemanticPrediction" in browser.failure
    state.jobs.stop(5)


def test_published_weights_have_nothing_to_browse(tmp_path: Path) -> None:
    run = make_run(tmp_path, "boxes")
    (run / "recipe.json").unlink()
    with pytest.raises(VisusError, match="no run folder"):
        browsed(run)
