"""Requests and answers: each kind of system, equality with the bare predictor, and one line for all that is wrong."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import pytest
import torch
from fastapi.testclient import TestClient

import visus
from server.tiny import GENERATOR, RECIPE_OF, files, image_bytes, line, make_run, serving
from visus.galleries import Gallery
from visus.nn.fused.optimize import packed_layers
from visus.server.loaded import Models, Seen, Upload
from visus.server.state import State


def bare(run: Path, content: bytes) -> dict[str, Any]:
    """What the predictor says of an image without a server."""
    said = visus.load(run, device="cpu").predict(content)[0].to_dict()
    return {name: value for name, value in said.items() if name not in ("path", "file_name")}


def same(answer: dict[str, Any], expected: dict[str, Any]) -> None:
    assert {name: answer[name] for name in expected} == json.loads(json.dumps(expected))


# --- predictions ---


@pytest.mark.parametrize("name", RECIPE_OF)
def test_answers_of_each_kind_of_system_are_those_of_the_predictor(name: str, tmp_path: Path) -> None:
    run = make_run(tmp_path, name)
    with serving([run], raises=True) as (client, _):
        about = client.get("/api/models").json()["models"][0]
        example = client.get(f"/api/models/{name}/examples/0")
        file_name = "a.xyz" if about["takes"] == "shape" else "a.png"
        sent = {"image": (file_name, example.content)}
        answer = client.post("/api/predict?drawable=true", files=sent).json()
    file = tmp_path / file_name
    file.write_bytes(example.content)
    expected = visus.load(run, device="cpu").predict(file)[0].to_dict()
    expected = {key: value for key, value in expected.items() if key != "path"}
    same(answer, expected)
    kinds = {"boxes": "objects", "outlines": "objects", "graphs": "graph", "pixels": "pixels", "parts": "parts"}
    kinds["descriptor"] = "embedding"
    assert answer["kind"] == kinds.get(name, "classes")
    assert ("cloud" in answer) == (about["takes"] == "shape")
    assert about["teaches"] == (about["takes"] == "image")  # each of these stands on EfficientNet-Lite0
    assert ("labels_png" in answer) == (name == "pixels")


def test_forms_and_raw_bytes_are_the_same(client: TestClient, boxes: Path) -> None:
    content = image_bytes(kind="JPEG")
    by_form = client.post("/api/predict", files=files(content)).json()
    raw = client.post("/api/predict?model=boxes", content=content, headers={"content-type": "image/jpeg"}).json()
    expected = bare(boxes, content)
    assert expected["objects"]
    same(by_form, expected)
    same(raw, expected)


def test_what_waits_together_changes_nothing(boxes: Path, graphs: Path) -> None:
    """Images of several sizes at once, with the usual settings of a CPU: each answer is that of the image alone."""
    contents = [image_bytes(seed, size) for seed, size in enumerate([(60, 80), (60, 80), (80, 60), (64, 64), (60, 80)])]
    with serving([boxes, graphs]) as (client, _):
        for run in (boxes, graphs):
            answer = client.post(f"/api/predict/batch?model={run.name}", files=files(*contents, field="images")).json()
            for content, result in zip(contents, answer["results"], strict=True):
                same(result, bare(run, content))


def test_what_goes_through_a_network_together_differs_by_rounding_alone(tmp_path: Path) -> None:
    contents = [image_bytes(seed, size) for seed, size in enumerate([(60, 80), (60, 80), (80, 60), (64, 64), (60, 80)])]
    run = make_run(tmp_path, "things")
    with serving([run], batch_size=8) as (client, state):
        answer = client.post("/api/predict/batch", files=files(*contents, field="images")).json()
        assert state.jobs.batches == 1
    for content, result in zip(contents, answer["results"], strict=True):
        expected = bare(run, content)
        wanted = {one["name"]: one["score"] for one in expected["classes"]}
        assert {one["name"]: one["score"] for one in result["classes"]} == pytest.approx(wanted, abs=2e-6)
        assert result["box_xyxy"] == pytest.approx(expected["box_xyxy"], abs=0.02)


def test_one_bad_image_spoils_no_other(client: TestClient, boxes: Path) -> None:
    good = image_bytes()
    answer = client.post("/api/predict/batch", files=files(good, b"no image", good, field="images")).json()
    first, second, third = answer["results"]
    assert first["objects"] == third["objects"] == json.loads(json.dumps(bare(boxes, good)["objects"]))
    assert second == {"file_name": "1.png", "error": "1.png: not an image of a known format"}


def test_a_network_that_fails_on_one_image_does_the_others(
    client: TestClient, served: tuple[TestClient, State], monkeypatch: pytest.MonkeyPatch
) -> None:
    predictor = served[1].models.get("boxes").predictor
    stream = predictor.stream

    def failing(items: Any, **options: Any) -> Any:
        known = list(items)
        if any(item.read().shape[-1] == 33 for item in known):
            raise RuntimeError("inside of the network")
        return stream(known, **options)

    monkeypatch.setattr(predictor, "stream", failing)
    sent = files(image_bytes(), image_bytes(size=(40, 33)), field="images")
    fine, bad = client.post("/api/predict/batch", files=sent).json()["results"]
    assert fine["objects"]
    assert bad["error"] == "the model failed on this input (RuntimeError); the server's log says more"
    assert "RuntimeError" in line(client.post("/api/predict", files=files(image_bytes(size=(40, 33)))), 500)


# --- search, ask, teach, corrections ---


def test_search(boxes: Path, tmp_path: Path) -> None:
    for seed in range(3):
        (tmp_path / f"{seed}.png").write_bytes(image_bytes(seed))
    with Gallery.create(tmp_path / "one.gallery", device="cpu") as gallery:
        gallery.add([tmp_path / f"{seed}.png" for seed in range(3)])
        with serving([boxes], gallery) as (client, _):
            answer = client.post("/api/search?k=2", files=files(image_bytes(1))).json()
            assert "k: " in line(client.post("/api/search?k=0", files=files(image_bytes(1))), 422)
            line(client.post("/api/search", files=files(b"no")), 422)
    assert Path(answer["matches"][0]["paths"][0]).name == "1.png"
    assert answer["matches"][0]["score"] == pytest.approx(1, abs=1e-4)
    assert len(answer["matches"]) == 2
    assert answer["matches"][0]["thumbnail_jpg"]


def test_without_a_gallery_search_says_how_to_get_one(client: TestClient) -> None:
    assert "--gallery FOLDER" in line(client.post("/api/search", files=files(image_bytes())), 404)


def test_ask(client: TestClient) -> None:
    sent = files(image_bytes(0), image_bytes(1), field="images")
    ranked = client.post("/api/ask?model=graphs&phrase=person next to a table", files=sent).json()
    assert ranked["understood"] == "person next to table"
    told = client.post("/api/ask?model=graphs&phrase=how many dogs are there?", files=sent).json()
    assert [one["file_name"] for one in told["answers"]] == ["0.png", "1.png"]
    assert "unicorn" in line(client.post("/api/ask?model=graphs&phrase=a unicorn", files=sent), 422)
    assert "scene-graph" in line(client.post("/api/ask?model=boxes&phrase=a dog", files=sent), 422)
    line(client.post("/api/ask?model=graphs", files=sent), 422)


def test_generate(tmp_path: Path) -> None:
    from visus.predict.generate import generate
    from visus.server.answers import png_of

    run = make_run(tmp_path, GENERATOR)
    with serving([run]) as (client, _):
        path = "/api/generate?phrase=a red ball on top of a table&samples=2&seed=5"
        answer = client.post(path).json()
        images = [base64.b64decode(one["image_png"]) for one in answer["images"]]
        results = generate(visus.load(run, device="cpu"), "a red ball on top of a table", samples=2, seed=5)
        made: Any = [one.prediction for one in results]
        assert images == [png_of(one.pixels) for one in made]
        assert "unicorn" in line(client.post("/api/generate?phrase=a unicorn"), 422)
        assert "name of a file" in line(client.post("/api/generate?phrase=/etc/graph.json"), 422)
        assert line(client.post("/api/generate?phrase=a ball&samples=99"), 422).startswith("samples")
        assert "/api/generate" in line(client.post("/api/predict", files=files(image_bytes())), 415)


def test_a_model_that_only_looks_makes_no_images(client: TestClient) -> None:
    assert "makes no images" in line(client.post("/api/generate?phrase=a ball"), 422)


def test_teach(boxes: Path, tmp_path: Path) -> None:
    with serving([boxes], work=tmp_path) as (client, _):
        sent = [("mug", ("a.png", image_bytes(0))), ("mug", ("b.png", image_bytes(1)))]
        sent += [("bowl", ("c.png", image_bytes(2)))]
        answer = client.post("/api/teach?name=things", files=sent).json()
        assert answer["model"] == "things"
        assert answer["classes"] == {"mug": 2, "bowl": 1}
        assert Path(answer["run"]) == tmp_path / "things"
        seen = client.post("/api/predict?model=things", files=files(image_bytes(2))).json()
        assert seen["classes"][0]["name"] == "bowl"
        again = client.post("/api/teach?name=things", files=sent).json()
        assert again["model"] == "things-2"
        assert "one class alone" in line(client.post("/api/teach", files=sent[:2]), 422)
        assert line(client.post("/api/teach?name=../../etc", files=sent), 422).startswith("name:")
        bad = line(client.post("/api/teach", files=[*sent, ("bowl", ("d.png", b"no"))]), 422)
        assert bad.startswith("d.png")


def test_corrections_are_a_data_set_that_is_read(boxes: Path, tmp_path: Path) -> None:
    run = make_run(tmp_path, "boxes")
    content, other = image_bytes(0), image_bytes(1)
    before = {path: path.read_bytes() for path in run.iterdir()}
    with serving([run]) as (client, _):

        def save(image: bytes, objects: Any) -> Any:
            return client.post("/api/corrections", files=files(image), data={"annotations": json.dumps(objects)})

        one = {"category_id": 1, "bbox": [5, 5, 20, 30]}
        assert save(content, [one, {"name": "dog", "bbox": [-4, 0, 30, 30]}]).json()["objects"] == 2
        assert save(other, [one]).json()["images"] == 2
        told = save(content, [one]).json()
        assert (told["images"], told["objects"]) == (2, 2)
        assert "unicorn" in line(save(content, [{"name": "unicorn", "bbox": [0, 0, 5, 5]}]), 422)
        assert "covers no pixel" in line(save(content, [{"category_id": 1, "bbox": [500, 0, 5, 5]}]), 422)
        assert "bbox must be" in line(save(content, [{"category_id": 1, "bbox": [0, 0, "NaN", 5]}]), 422)
        line(client.post("/api/corrections", files=files(content)), 422)
        line(client.post("/api/corrections", files=files(content), data={"annotations": "{"}), 422)
        place = run / "corrections" / "annotations.json"
        kept = place.read_text()
        place.write_text("mine")
        assert "left as it is" in line(save(content, [one]), 409)
        assert place.read_text() == "mine"
        place.write_text(kept)
    assert {path: path.read_bytes() for path in before} == before
    dataset = visus.open_dataset(run / "corrections", "train")
    targets = [dataset[i].target for i in range(len(dataset))] + [
        one.target for one in map(visus.open_dataset(run / "corrections", "val").__getitem__, [])
    ]
    assert all(len(target) == 1 for target in targets)
    assert sorted(path.read_bytes() for path in (run / "corrections" / "images").iterdir()) == sorted([content, other])


# --- models ---


def test_models_say_what_they_are(client: TestClient) -> None:
    told = client.get("/api/models").json()
    first = told["models"][0]
    assert [model["name"] for model in told["models"]] == ["boxes", "graphs"]
    assert (first["takes"], first["device"], first["problem"]) == ("image", "cpu", "detection")
    assert {"id", "name", "colour"} == first["categories"][0].keys()
    assert told["limits"]["max_pixels"] == 1_000_000


def test_reload_without_a_gap(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = make_run(tmp_path, "boxes")
    content = image_bytes()
    with serving([run]) as (client, _):
        old = client.post("/api/predict", files=files(content)).json()["objects"]
        weights = (run / "weights.safetensors").read_bytes()
        (run / "weights.safetensors").write_bytes(weights[:1000])
        line(client.post("/api/models/boxes/reload"), 422)
        assert client.post("/api/predict", files=files(content)).json()["objects"] == old
        make_run(tmp_path / "new", "boxes", seed=1)
        (run / "weights.safetensors").write_bytes((tmp_path / "new/boxes/weights.safetensors").read_bytes())
        assert client.post("/api/models/boxes/reload").json()["name"] == "boxes"
        assert client.post("/api/predict", files=files(content)).json()["objects"] != old
        line(client.post("/api/models/nothing/reload"), 404)


def test_models_take_the_form_that_is_asked_for(boxes: Path) -> None:
    plain, fused = (Models([str(boxes)], device="cpu", max_pixels=10**6, precision=form) for form in ("plain", "fp32"))
    assert plain.get().about["precision"] == "plain"
    assert packed_layers(fused.get().predictor.model)
    assert fused.reload(fused.get().name).about == fused.get().about
    found, same = (models.get().look([Upload("a.png", image_bytes())])[0] for models in (fused, plain))
    assert isinstance(found, Seen)
    assert isinstance(same, Seen)
    torch.testing.assert_close(
        found.result.prediction.scores[:20], same.result.prediction.scores[:20], rtol=0, atol=1e-4
    )
