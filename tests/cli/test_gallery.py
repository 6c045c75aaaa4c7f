"""``visus gallery`` on painted pictures, with the describer that needs no training."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from galleries.painted import paint, painted
from visus.cli import main


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder with pictures in images/cups and images/bowls."""
    monkeypatch.chdir(tmp_path)
    painted(tmp_path / "images" / "cups", 12, 2)
    for thing in range(50, 60):
        paint(tmp_path / "images" / "bowls" / f"{thing}.png", thing)
    return tmp_path


def told(capsys: pytest.CaptureFixture[str], *words: str) -> Any:
    """What a command prints as JSON."""
    assert main(["gallery", *words, "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def test_a_gallery_from_beginning_to_end(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["gallery", "create", "things", "--root", "images"]) == 0
    assert "things: an empty gallery of vectors of 2288 dimensions" in capsys.readouterr().err
    report = told(capsys, "add", "things", "images", "--set", "camera=2", "--folder-as", "kind")
    assert (report["images"], report["added"], report["failures"]) == (34, 34, [])
    assert told(capsys, "add", "things", "images/cups")["unchanged"] == 24
    stats = told(capsys, "stats", "things")
    assert (stats["entries"], stats["fields"]) == (34, {"camera": 1, "kind": 2})

    answer = told(capsys, "search", "things", "images/cups/003_0.png", "--k", "3", "--out", "found")
    first = answer["matches"][0]
    assert (first["paths"], first["metadata"]) == (["cups/003_0.png"], {"camera": 2, "kind": "cups"})
    assert answer["matches"][1]["paths"] == ["cups/003_1.png"]
    assert Image.open("found/sheet.png").size[0] > 200
    page = Path("found/answer.html").read_text()
    assert page.count("<figure") == 4
    assert "cups/003_0.png" in page
    query = ["search", "things", f"id:{first['id']}", "--no-pictures"]
    bowls = told(capsys, *query, "--where", "kind=bowls", "--where", "camera<3")["matches"]
    assert {match["metadata"]["kind"] for match in bowls} == {"bowls"}
    assert len(bowls) == 10

    (place / "images/cups/003_1.png").unlink()
    assert told(capsys, "sync", "things", "images")["gone"] == 1
    assert told(capsys, "remove", "things", "--gone") == {"removed": 1}
    assert told(capsys, "verify", "things", "id:1", "id:1")["score"] == 1
    assert len(told(capsys, "recommend", "things", "id:1", "id:2", "--k", "4", "--no-pictures")["matches"]) == 4
    assert len(told(capsys, "cluster", "things", "--count", "3", "--out", "groups")) == 3
    assert len(list(Path("groups").glob("*.png"))) == 3
    page = Path("groups/answer.html").read_text()
    assert (page.count("<h3>Group "), page.count("<figure")) == (3, 33)
    assert "24 × 24" in page
    assert isinstance(told(capsys, "duplicates", "things"), list)
    assert main(["gallery", "create", "things", "--rebuild"]) == 0
    stats = told(capsys, "stats", "things")
    assert (stats["entries"], stats["fields"]) == (33, {"camera": 1, "kind": 2})


def test_people_read_tables(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(["gallery", "create", "things"])
    Path("images/broken.png").write_bytes(b"none")
    assert main(["gallery", "add", "things", "images"]) == 1
    err = capsys.readouterr().err
    assert "35 images: 34 added; in things" in err
    assert "broken.png" in err
    assert main(["gallery", "search", "things", "images/bowls/50.png", "--k", "2"]) == 0
    shown = capsys.readouterr()
    assert "bowls/50.png" in shown.out
    assert "cosine" in shown.out
    assert "pictures in runs/gallery/50/sheet.png and runs/gallery/50/answer.html" in shown.err
    assert main(["gallery", "stats", "things"]) == 0
    assert "entries      34" in capsys.readouterr().out
    assert main(["gallery", "verify", "things", "id:1", "id:2"]) == 0
    assert capsys.readouterr().out.startswith("cosine ")


def test_fields_come_from_a_table(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Path("about.csv").write_text("file,year,maker\nimages/bowls/50.png,2019,A\n51.png,2021,\n")
    main(["gallery", "create", "things"])
    told(capsys, "add", "things", "images/bowls", "--table", "about.csv")
    found = told(capsys, "search", "things", "id:1", "--where", "year>=2020", "--no-pictures")["matches"]
    assert [match["metadata"] for match in found] == [{"year": 2021}]
    Path("about.csv").write_text("file,year\na.png,2019,A\n")
    assert main(["gallery", "add", "things", "images/bowls", "--table", "about.csv"]) == 2
    assert "about.csv: line 2 has 3 columns, and the head has 2" in capsys.readouterr().err


def test_several_processes_add_what_one_does(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(["gallery", "create", "things", "--root", "images"])
    report = told(capsys, "add", "things", "images", "--processes", "2", "--folder-as", "kind")
    assert (report["images"], report["added"]) == (34, 34)
    assert told(capsys, "add", "things", "images", "--processes", "2")["unchanged"] == 34
    assert told(capsys, "stats", "things")["fields"] == {"kind": 2}


def test_shards_add_every_image_once(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """In any order, one twice, and with a file that came in between, which changes the shard of no other one."""
    main(["gallery", "create", "things", "--root", "images"])
    reports = [told(capsys, "add", "things", "images", "--shard", f"{number}/3") for number in (2, 0)]
    paint(place / "images" / "aaa.png", 90)
    reports += [told(capsys, "add", "things", "images", "--shard", f"{number}/3") for number in (1, 1)]
    assert all(report["added"] for report in reports[:3])
    assert (reports[3]["added"], reports[3]["unchanged"]) == (0, reports[2]["images"])
    assert 34 <= told(capsys, "stats", "things")["entries"] <= 35
    told(capsys, "add", "things", "images")
    assert told(capsys, "stats", "things")["entries"] == 35


def test_without_ray_one_line_says_what_helps(
    place: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    main(["gallery", "create", "things"])
    capsys.readouterr()
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    assert main(["gallery", "add", "things", "images", "--engine", "ray", "--shards", "2"]) == 2
    assert 'pip install "visus[ray]"' in capsys.readouterr().err


@pytest.mark.skipif(importlib.util.find_spec("ray") is None, reason="Ray is not installed (extra ray)")
def test_a_ray_cluster_of_two_workers_adds_what_one_process_does(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    main(["gallery", "create", "things", "--root", "images"])
    Path("images/broken.png").write_bytes(b"none")
    words = ["gallery", "add", "things", "images", "--folder-as", "kind", "--engine", "ray", "--shards", "3"]
    capsys.readouterr()
    assert main([*words, "--workers", "2", "--json"]) == 1
    report = json.loads(capsys.readouterr().out)
    assert (report["images"], report["added"]) == (35, 34)
    assert [one["name"] for one in report["failures"]] == ["broken.png"]
    assert told(capsys, "stats", "things")["fields"] == {"kind": 2}


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["search", "nothing", "images/bowls/50.png"], "nothing: no gallery here"),
        (["search", "things", "images/bowls/50.png"], "this gallery is empty"),
        (["search", "things", "id:five"], "an entry is named by its number, such as id:12"),
        (["create", "images"], "images: this folder holds something already"),
        (["create", "other", "--root", "nowhere"], "nowhere: no such folder"),
        (["create", "other", "--model", "nothing"], "nothing"),
        (["add", "things", "nowhere.png"], "nowhere.png: no such file or folder"),
        (["add", "things", "images", "--set", "camera"], "'camera': no field and value"),
        (["add", "things", "images", "--processes", "0"], "--processes, --devices and --nodes must be at least 1"),
        (["sync", "things", "nowhere"], "nowhere: no such folder"),
        (["remove", "things"], "name what to remove"),
        (["duplicates", "nothing"], "no gallery here"),
    ],
)
def test_errors_are_one_line(place: Path, words: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    main(["gallery", "create", "things"])
    capsys.readouterr()
    assert main(["gallery", *words]) == 2
    err = capsys.readouterr().err
    assert message in err
    assert len(err.strip().splitlines()) == 1
