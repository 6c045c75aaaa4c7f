"""`visus serve` as a process: its one line, real sockets, cut uploads, many clients, and an end that finishes."""

from __future__ import annotations

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from server.tiny import image_bytes
from visus.cli import main

# A server whose network is as slow as the test needs it: no prediction takes less than a second.
SLOW = """
import sys, time
from visus.server.loaded import LoadedModel
look = LoadedModel.look
def slow(self, uploads):
    time.sleep(1.0)
    return look(self, uploads)
LoadedModel.look = slow
from visus.cli import main
sys.argv = ["visus", *sys.argv[1:]]
sys.exit(main())
"""


@contextmanager
def server(run: Path, *words: str, slow: bool = False) -> Iterator[tuple[subprocess.Popen[str], int]]:
    """A process that serves a run at a free port."""
    start = [sys.executable, "-c", SLOW] if slow else [sys.executable, "-m", "visus"]
    process = subprocess.Popen(
        [*start, "serve", str(run), "--port", "0", "--device", "cpu", *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        assert line.startswith("http://127.0.0.1:"), process.stderr.read() if process.stderr else ""
        yield process, int(line.rsplit(":", 1)[1].strip().rstrip("/"))
    finally:
        process.kill()
        process.wait()


def post(port: int, content: bytes, path: str = "/api/predict") -> tuple[int, dict[str, object]]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    connection.request("POST", path, content, {"content-type": "image/png"})
    answer = connection.getresponse()
    return answer.status, json.loads(answer.read())


def test_a_process_survives_what_clients_do_and_ends_by_sigterm(boxes: Path) -> None:
    with server(boxes, "--max-mb", "0.2") as (process, port):
        good = image_bytes()
        for cut in (10, 1000):  # uploads that end in the middle, and sockets that say nothing
            raw = socket.create_connection(("127.0.0.1", port))
            raw.sendall(b"POST /api/predict HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-length: 5000\r\n\r\n" + b"x" * cut)
            raw.close()
        assert post(port, b"x" * 300_000)[0] == 413
        assert post(port, b"no image")[0] == 422
        statuses: list[int] = []
        threads = [threading.Thread(target=lambda: statuses.append(post(port, good)[0])) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        assert statuses == [200] * 8
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0
        assert process.stderr is not None
        assert "Traceback" not in process.stderr.read()


def test_sigterm_finishes_what_has_begun(boxes: Path) -> None:
    with server(boxes, slow=True) as (process, port):
        answers: list[int] = []
        threads = [threading.Thread(target=lambda: answers.append(post(port, image_bytes())[0])) for _ in range(2)]
        for thread in threads:
            thread.start()
        time.sleep(0.5)
        process.send_signal(signal.SIGTERM)
        for thread in threads:
            thread.join(30)
        assert answers == [200, 200]
        assert process.wait(20) == 0
        with pytest.raises(OSError, match=r"refused|reset"):
            post(port, image_bytes())


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ([], "name at least one"),
        (["no/such/run"], "no such run folder"),
        (["RUN", "--queue", "0"], "--queue must be from 1"),
        (["RUN", "--max-mb", "0"], "--max-mb must be above 0"),
        (["RUN", "--port", "70000"], "--port must be from 0"),
        (["RUN", "--host", "no.such.host.example"], "no such address"),
        (["RUN", "--gallery", "no/such/gallery"], "no/such/gallery"),
        (["RUN", "--device", "cuda:99"], "device"),
    ],
)
def test_what_cannot_be_served_is_said_in_one_line(
    boxes: Path, capsys: pytest.CaptureFixture[str], words: list[str], expected: str
) -> None:
    assert main(["serve", *[str(boxes) if word == "RUN" else word for word in words]]) == 2
    said = capsys.readouterr().err.strip()
    assert expected in said
    assert len(said.splitlines()) == 1


def test_a_port_that_is_taken(boxes: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        assert main(["serve", str(boxes), "--port", port]) == 2
    assert f"127.0.0.1:{port} cannot be used" in capsys.readouterr().err


def test_a_learner_of_tasks_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from visus import catalog
    from visus.recipes import RECIPES
    from visus.training.run import RunFolder
    from visus.types import Schema

    name = next(name for name in RECIPES if RECIPES[name]().data.batches == "episodes")
    recipe, run, schema = RECIPES[name](), RunFolder(tmp_path / "tasks"), Schema((), ())
    run.create(recipe)
    run.save_weights(catalog.build_model(recipe.model, schema, recipe.model_options).state_dict(), recipe, schema)
    assert main(["serve", str(run.path), "--port", "0"]) == 2
    assert "tasks of several images" in capsys.readouterr().err


def test_browse_needs_a_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["browse", str(tmp_path)]) == 2
    assert "no run folder" in capsys.readouterr().err


def test_without_the_extra_the_line_that_installs_it_is_printed(
    boxes: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    import importlib.util

    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "fastapi" else find(name))
    assert main(["serve", str(boxes)]) == 2
    assert 'pip install "visus[serve]"' in capsys.readouterr().err


def test_the_token_comes_from_the_environment(boxes: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from visus.cli.serve import ServeArguments, _settings

    monkeypatch.setitem(os.environ, "VISUS_TOKEN", "from outside")
    assert _settings(ServeArguments(models=("a",))).token == "from outside"
    assert _settings(ServeArguments(models=("a",), token="given")).token == "given"
    assert "given" not in repr(_settings(ServeArguments(models=("a",), token="given")))
