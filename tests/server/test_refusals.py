"""What a server refuses, and how: bodies, limits, the queue, tokens, other sites; its pages, description, counts."""

from __future__ import annotations

import io
import re
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient
from PIL import Image

from server.tiny import files, image_bytes, line, serving
from visus.server.loaded import LoadedModel

# --- what is wrong ---


def test_wrong_bodies(client: TestClient) -> None:
    def post(content: bytes, kind: str) -> Any:
        return client.post("/api/predict", content=content, headers={"content-type": kind})

    assert "application/json" in line(post(b"{}", "application/json"), 415)
    assert "not an image" in line(post(b"GIF89a", "image/gif"), 422)
    assert "no file was sent" in line(post(b"", "image/png"), 422)
    assert "boundary" in line(post(b"abc", "multipart/form-data"), 400).lower()
    line(post(b"--x\r\nnonsense", "multipart/form-data; boundary=x"), 422)
    assert "at most 1 file" in line(client.post("/api/predict", files=files(image_bytes(), image_bytes())), 413)
    assert "empty" in line(client.post("/api/predict", files=files(b"")), 422)
    assert "did you mean boxes" in line(client.post("/api/predict?model=boxs", files=files(image_bytes())), 404)
    many = files(*[image_bytes()] * 20, field="images")
    assert "at most 16 files" in line(client.post("/api/predict/batch", files=many), 413)
    assert (
        "shapes" not in line(client.post("/api/predict", files={"image": ("a.off", b"OFF")}), 415).split("looks at")[0]
    )
    line(client.get("/api/predict"), 405)
    line(client.get("/nothing"), 404)
    line(client.get("/page/..%2f..%2fapp.py"), 404)


def test_too_many_bytes_declared_or_not(client: TestClient) -> None:
    assert "200,000 bytes" in line(client.post("/api/predict", content=b"x" * 200_001), 413)

    def endless() -> Iterator[bytes]:
        for _ in range(500):
            yield b"x" * 1000

    assert "200,000 bytes" in line(client.post("/api/predict", content=endless()), 413)
    assert "200,000 bytes" in line(client.post("/api/predict", files=files(b"x" * 300_000)), 413)


def test_decompression_bombs_are_refused_before_they_are_decoded(client: TestClient, served: Any) -> None:
    content = io.BytesIO()
    Image.new("1", (12_000, 12_000)).save(content, "PNG")
    began = time.perf_counter()
    assert "12,000 x 12,000 pixels" in line(client.post("/api/predict", files=files(content.getvalue())), 413)
    assert time.perf_counter() - began < 2
    sent = [("a", ("a.png", content.getvalue())), ("b", ("b.png", image_bytes()))]
    assert "pixels" in line(client.post("/api/teach", files=sent), 413)
    corrections = client.post("/api/corrections", files=files(content.getvalue()), data={"annotations": "[]"})
    assert "pixels" in line(corrections, 413)


@pytest.mark.parametrize("cut", [1, 30, 200, 400])
def test_cut_images(client: TestClient, cut: int) -> None:
    content = image_bytes(size=(300, 300), kind="JPEG")[:-cut]
    answer = client.post("/api/predict", files=files(content))
    assert answer.status_code in (200, 422)
    whole = image_bytes()
    line(client.post("/api/predict", files=files(whole[: len(whole) // 2])), 422)


# --- the queue and the door ---


def test_a_full_queue_answers_503_and_recovers(boxes: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    gate, reached = threading.Event(), threading.Event()
    look = LoadedModel.look

    def slow(self: LoadedModel, uploads: Any) -> Any:
        reached.set()
        assert gate.wait(20)
        return look(self, uploads)

    monkeypatch.setattr(LoadedModel, "look", slow)
    with serving([boxes], queue=3) as (client, _):
        answers: list[Any] = []

        def ask() -> None:
            answers.append(client.post("/api/predict", files=files(image_bytes())))

        threads = [threading.Thread(target=ask) for _ in range(4)]  # one more than there is room for
        for thread in threads:
            thread.start()
        assert reached.wait(10)
        deadline = time.monotonic() + 10
        while not answers and time.monotonic() < deadline:
            time.sleep(0.01)
        [refused] = answers
        assert "busy" in line(refused, 503)
        assert int(refused.headers["retry-after"]) >= 1
        assert client.get("/health/live").status_code == 200
        gate.set()
        for thread in threads:
            thread.join(20)
        assert [answer.status_code for answer in answers] == [503, 200, 200, 200]
        assert client.post("/api/predict", files=files(image_bytes())).status_code == 200


def test_what_takes_too_long_is_given_up(boxes: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    gate = threading.Event()
    monkeypatch.setattr(LoadedModel, "look", lambda self, uploads: gate.wait(20) and [])
    with serving([boxes], seconds=0.2) as (client, _):
        assert "0.2 seconds" in line(client.post("/api/predict", files=files(image_bytes())), 504)
        waiting = client.post("/api/predict", files=files(image_bytes()))
        line(waiting, 503)
        assert "retry-after" in waiting.headers
        gate.set()


def test_a_token_is_needed_for_all_but_health_and_pages(boxes: Path) -> None:
    with serving([boxes], token="secret") as (client, _):
        for path in ("/api/models", "/metrics", "/api/models/boxes/examples/0"):
            answer = client.get(path)
            assert "token" in line(answer, 401)
            assert answer.headers["www-authenticate"] == "Bearer"
        wrong = client.get("/api/models", headers={"authorization": "Bearer secre"})
        line(wrong, 401)
        assert client.get("/api/models", headers={"authorization": "Bearer secret"}).status_code == 200
        for path in ("/", "/docs", "/openapi.json", "/health/live", "/health/ready", "/page/app.js"):
            assert client.get(path).status_code == 200


def test_other_sites_and_hosts_are_refused(client: TestClient, boxes: Path) -> None:
    def post(**headers: str) -> Any:
        return client.post("/api/predict", files=files(image_bytes()), headers=headers)

    assert post(origin="http://localhost").status_code == 200
    line(post(origin="http://elsewhere.example"), 403)
    assert "no host" in line(client.get("/", headers={"host": "elsewhere.example:8000"}), 403)
    assert "access-control-allow-origin" not in client.get("/api/models", headers={"origin": "http://a.b"}).headers
    with serving([boxes], host="0.0.0.0") as (open_client, _):
        assert open_client.get("/", headers={"host": "elsewhere.example"}).status_code == 200


# --- pages, health, metrics ---


def test_pages_ask_nothing_of_another_host(client: TestClient) -> None:
    for path in ("/", "/docs"):
        answer = client.get(path)
        assert answer.headers["content-type"].startswith("text/html")
        assert "connect-src 'self'" in answer.headers["content-security-policy"]
        for target in re.findall(r'(?:src|href)="([^"#]+)"', answer.text):
            assert target.startswith("/"), target
            assert client.get(target).status_code == 200
    for name in ("app.js", "drawing.js", "page.css"):
        assert "://" not in client.get(f"/page/{name}").text.replace("http://www.w3.org/2000/svg", "")


def test_the_description_names_every_request(client: TestClient) -> None:
    said = client.get("/openapi.json").json()
    wanted = {"/api/predict", "/api/predict/batch", "/api/search", "/api/ask", "/api/teach", "/api/corrections"}
    assert wanted <= said["paths"].keys()
    assert {"/api/models", "/health/live", "/health/ready", "/metrics"} <= said["paths"].keys()
    assert "multipart/form-data" in said["paths"]["/api/predict"]["post"]["requestBody"]["content"]


def test_metrics_count(client: TestClient) -> None:
    client.post("/api/predict", files=files(image_bytes()))
    client.get("/no/such/page")
    lines = client.get("/metrics").text.splitlines()
    counted = [one for one in lines if one.startswith('visus_requests_total{path="/api/predict",status="200"}')]
    assert int(counted[0].split()[-1]) >= 1
    assert any(one.startswith('visus_request_seconds_bucket{path="/api/predict",le="+Inf"}') for one in lines)
    assert "visus_models 2" in lines
    assert not any("no/such" in one for one in lines)
