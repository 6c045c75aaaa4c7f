"""Where ``visus predict`` writes: never over an image or an earlier result, whole files also on a full disk."""

from __future__ import annotations

import hashlib
import io
import json
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image

from brightness import offer, write_run
from visus.cli import main
from visus.types import EmbeddingPrediction


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A working directory with a run and a few images."""
    offer(monkeypatch)
    monkeypatch.chdir(tmp_path)
    write_run(Path("run"))
    for name in ("photo.jpg", "src/a.jpg", "src/b.png"):
        save(Path(name))


def save(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.zeros((60, 80, 3), np.uint8)
    pixels[20:40, 20:60] = 255
    Image.fromarray(pixels).save(path)


def content() -> dict[str, str]:
    """What every file holds."""
    files = (path for path in Path().rglob("*") if path.is_file())
    return {str(path): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


@pytest.mark.parametrize(
    ("source", "out"),
    [
        ("photo.jpg", "."),
        ("src", "src"),
        ("src", "./src/"),
        ("src", "src/../src"),
        ("src/a.jpg", "link"),
        ("link", "src"),
        ("src/*.jpg", "."),
        ("photo.jpg", "photo.jpg"),
        ("list.txt", "src"),
    ],
)
def test_no_image_is_ever_written_over(source: str, out: str, capsys: pytest.CaptureFixture[str]) -> None:
    os.symlink("src", "link")
    Path("list.txt").write_text("src/a.jpg\n")
    before = content()
    assert main(["predict", "run", source, "--out", out]) == 2
    assert content() == before
    told = capsys.readouterr().err
    assert "written over" in told
    assert len(told.strip().splitlines()) == 1


def test_no_earlier_result_is_written_over() -> None:
    assert main(["predict", "run", "photo.jpg", "--out", "out"]) == 0
    before = content()
    assert main(["predict", "run", "src", "--out", "out"]) == 2
    assert content() == before
    for _ in range(2):
        assert main(["predict", "run", "photo.jpg"]) == 0
    assert sorted(path.name for path in Path("runs/predict").iterdir()) == ["photo", "photo-2"]


def test_an_empty_folder_and_one_inside_of_the_source_are_free() -> None:
    Path("empty").mkdir()
    before = content()
    for out in ("empty", "src/out", "~/out"):
        assert main(["predict", "run", "src", "--out", out]) == 0
    assert {name: value for name, value in content().items() if name in before} == before
    assert not list(Path().rglob(".taken"))
    shutil.rmtree(Path("~/out").expanduser())


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "home").mkdir()
    monkeypatch.setenv("HOME", str(tmp_path / "home"))


@pytest.mark.parametrize(
    "words",
    [
        ["run", "nowhere.jpg"],
        ["nowhere", "photo.jpg"],
        ["run", "photo.jpg", "--device", "banana"],
        ["run", "photo.jpg", "--flip"],
        ["run"],
        ["run", ""],
        ["", "photo.jpg"],
        ["run", "photo.jpg", "--out="],
    ],
)
def test_a_failed_start_leaves_nothing(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    before = sorted(Path().rglob("*"))
    assert main(["predict", *words]) == 2
    assert sorted(Path().rglob("*")) == before
    if "--out=" not in words:
        assert main(["predict", *words, "--out", "deep/out"]) == 2
        assert sorted(Path().rglob("*")) == before
    assert "Traceback" not in capsys.readouterr().err


def test_drawings_whose_names_meet_are_all_there() -> None:
    Image.new("RGB", (8, 6)).save("src/a.tif")
    save(Path("src/a.tif.jpg"))
    save(Path("src/masks/a.png"))
    assert main(["predict", "run", "src", "--out", "out"]) == 0
    drawn = {path.relative_to("out").as_posix() for path in Path("out").rglob("*.[jp][pn]g")}
    assert drawn == {"a.jpg", "a.tif.jpg", "a.tif-2.jpg", "b.png", "masks/a.png"}


def test_several_sources(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["predict", "run", "photo.jpg", "src", "src/*.png", "--out", "out", "--batch-size", "4"]) == 0
    about = json.loads(Path("out/images.json").read_text())
    assert [image["file_name"] for image in about["images"]] == ["photo.jpg", "a.jpg", "b.png"]
    assert [image["id"] for image in about["images"]] == [1, 2, 3]
    assert "3 images" in capsys.readouterr().err


def test_standard_input(monkeypatch: pytest.MonkeyPatch) -> None:
    data = Path("photo.jpg").read_bytes()
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(isatty=lambda: False, buffer=io.BytesIO(data)))
    assert main(["predict", "run", "-"]) == 0
    assert {path.name for path in Path("runs/predict/stdin").iterdir()} == {
        "stdin.jpg",
        "predictions.json",
        "images.json",
    }


def test_an_address(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.setattr(SimpleHTTPRequestHandler, "log_message", lambda *_: None)
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(SimpleHTTPRequestHandler, directory="src")) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        address = f"http://127.0.0.1:{server.server_port}"
        assert main(["predict", "run", f"{address}/a.jpg", f"{address}/missing.jpg", "--out", "out"]) == 1
        server.shutdown()
    about = json.loads(Path("out/images.json").read_text())
    assert [image["file_name"] for image in about["images"]] == ["a.jpg"]
    assert "missing.jpg: the server answers 404" in capsys.readouterr().err


def test_pages(capsys: pytest.CaptureFixture[str]) -> None:
    pages = [Image.new("RGB", (80, 60), (i, 0, 0)) for i in range(3)]
    pages[0].save("stack.tif", save_all=True, append_images=pages[1:])
    assert main(["predict", "run", "stack.tif", "--out", "first"]) == 0
    assert "stack.tif: 3 pages, and only the first is looked at; --pages" in capsys.readouterr().err
    assert main(["predict", "run", "stack.tif", "--pages", "--out", "all"]) == 0
    about = json.loads(Path("all/images.json").read_text())
    assert [(image["file_name"], image["page"]) for image in about["images"]] == [
        (f"stack_page00{i}.tif", i) for i in range(3)
    ]
    assert (Path("all") / "stack_page002.tif.jpg").is_file()


def test_embeddings_draw_no_copies(monkeypatch: pytest.MonkeyPatch) -> None:
    found = EmbeddingPrediction(torch.ones(3), (60, 80))
    monkeypatch.setattr("brightness.Brightness.postprocess", lambda self, outputs, sizes: [found] * len(sizes))
    assert main(["predict", "run", "src", "--out", "out"]) == 0
    assert {path.name for path in Path("out").iterdir()} == {"predictions.json", "images.json"}


def test_names_that_look_like_markup(capsys: pytest.CaptureFixture[str]) -> None:
    run, photo, out = "runs/my[v2]:smile:", "[red]ph[/]oto.jpg", "out[bold]"
    shutil.copytree("run", run)
    save(Path(photo))
    assert main(["predict", run, photo, "[nowhere]*", "--out", out]) == 2
    assert "[nowhere]*: this pattern matches no image" in capsys.readouterr().err
    Path("src/[bold]broken.jpg").write_bytes(b"")
    assert main(["predict", run, photo, "src", "--out", out]) == 1
    told = capsys.readouterr().err
    assert f"results in {out}\n" in told
    assert "src/[bold]broken.jpg: the file is empty" in told


@pytest.fixture
def small_disk() -> Iterator[Path]:
    """A disk of one megabyte."""
    place = Path("disk")
    place.mkdir()
    mount = shutil.which("mount")
    command = [str(mount), "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(place)]
    if mount is None or subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("needs the right to mount a small disk")
    yield place
    subprocess.run(["umount", str(place)], check=True)


@pytest.mark.parametrize("free", [0, 30_000])
def test_a_full_disk_is_named_and_holds_no_part_of_a_file(
    small_disk: Path, free: int, capsys: pytest.CaptureFixture[str]
) -> None:
    (small_disk / "filler").write_bytes(bytes(shutil.disk_usage(small_disk).free - free))
    for number in range(20):
        save(Path(f"many/{number}.png"))
    assert main(["predict", "run", "many", "--out", "disk/out", "--precision", "plain"]) == 2
    told = capsys.readouterr().err
    assert "the disk is full" in told
    assert "disk/out/" in told
    assert len(told.strip().splitlines()) == 1
    for path in (small_disk / "out").rglob("*.png"):
        Image.open(path).load()
    assert not list(small_disk.rglob("*.part"))
