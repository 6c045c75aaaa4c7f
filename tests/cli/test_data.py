from __future__ import annotations

import json
from pathlib import Path

import pytest
from PIL import Image

from visus.cli.data import main
from visus.data.errors import DatasetNotFoundError
from visus.data.readers import class_folder, coco, pennfudan
from visus.errors import VisusError


@pytest.fixture(scope="module")
def fake_coco(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("coco")
    coco.write_fake(root)
    return root


def test_check_of_good_data(fake_coco: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", str(fake_coco)]) == 0
    assert "48 images, 109 objects: no problems" in " ".join(capsys.readouterr().out.split())


def test_check_counts_problems_and_fails(fake_coco: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    content = json.loads((fake_coco / "annotations" / "instances_val.json").read_text())
    for annotation in content["annotations"][:5]:
        annotation["bbox"][2] = -1
    del content["annotations"][6]["area"]
    file = tmp_path / "a.json"
    file.write_text(json.dumps(content))
    assert main(["check", str(file), "--images", str(fake_coco / "val")]) == 1
    text = " ".join(capsys.readouterr().out.split())
    assert "negative box side" in text
    assert "and 2 more" in text
    assert "5 errors, 1 warning" in text
    assert main(["check", str(file), "--images", str(fake_coco / "val"), "--all"]) == 1
    assert "more (--all" not in capsys.readouterr().out


def test_show_draws_pictures_and_a_sheet(fake_coco: Path, tmp_path: Path) -> None:
    assert main(["show", str(fake_coco), "--out", str(tmp_path / "a"), "--count", "3", "--keypoints"]) == 0
    drawn = sorted(path.name for path in (tmp_path / "a").iterdir())
    assert drawn == ["000000_000000.png", "000002_000014.png", "000005_000035.png", "sheet.png"]
    with Image.open(tmp_path / "a" / "sheet.png") as sheet:
        assert sheet.width > 300
    pennfudan.write_fake(tmp_path / "p")
    assert main(["show", str(tmp_path / "p"), "--out", str(tmp_path / "b"), "--split", "test"]) == 0
    assert len(list((tmp_path / "b").iterdir())) == 3


def test_a_folder_is_read_as_the_data_set_that_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    class_folder.write_fake(tmp_path / "f", classes=4, views=1)
    named = ["--dataset", "class_folder"]
    assert main(["check", str(tmp_path / "f")]) == 0
    assert "small class" in capsys.readouterr().out
    assert main(["check", str(tmp_path / "f"), *named]) == 0
    assert "class with one image" in capsys.readouterr().out
    assert main(["show", str(tmp_path / "f"), "--out", str(tmp_path / "a"), *named]) == 0
    assert len(list((tmp_path / "a").iterdir())) == 3  # half of the classes, and the sheet
    with pytest.raises(ValueError, match=r"no data set called 'class_fodler'; did you mean class_folder\?"):
        main(["check", str(tmp_path / "f"), "--dataset", "class_fodler"])
    with pytest.raises(ValueError, match="vignettes is generated"):
        main(["check", str(tmp_path / "f"), "--dataset", "vignettes"])


def test_show_writes_over_nothing(fake_coco: Path, tmp_path: Path) -> None:
    with pytest.raises(VisusError, match="written over"):
        main(["show", str(fake_coco), "--out", str(fake_coco / "val")])
    with pytest.raises(DatasetNotFoundError):
        main(["show", str(tmp_path / "nowhere"), "--out", str(tmp_path / "deep" / "out")])
    assert not (tmp_path / "deep").exists()


def test_names_are_whole_in_a_pipe_and_no_markup(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    root = tmp_path / "my[v2] :smile:" / ("long" * 30)
    coco.write_fake(root)
    file = root / "annotations" / "instances_val.json"
    content = json.loads(file.read_text())
    name = f"[red]{'n' * 60}.jpg"
    (root / "val" / content["images"][0]["file_name"]).unlink()
    content["images"][0]["file_name"] = name
    file.write_text(json.dumps(content))
    (root / "val" / name).write_bytes(b"")
    monkeypatch.chdir(tmp_path)
    assert main(["check", "my[v2] :smile:/" + "long" * 30]) == 1
    assert f"val/{name}" in capsys.readouterr().out
    assert main(["show", str(root), "--out", "out[v2]", "--count", "1"]) == 0
    assert f"all at a glance: {Path('out[v2]') / 'sheet.png'}" in capsys.readouterr().out
    with pytest.raises(VisusError, match="written over"):
        main(["show", str(root), "--out", "out[v2]", "--count", "1"])


@pytest.mark.parametrize("verb", [["check"], ["convert", "--to", "coco"]])
def test_a_path_that_does_not_exist_names_the_nearest(verb: list[str], tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    words = [verb[0], str(tmp_path / "fotos"), *([str(tmp_path / "out")] if verb[0] == "convert" else []), *verb[1:]]
    with pytest.raises(DatasetNotFoundError, match=r"fotos: no such file or folder; did you mean .*photos\?"):
        main(words)


def test_unknown_verbs_are_refused() -> None:
    with pytest.raises(SystemExit):
        main(["chekc", "."])


def test_show_names_what_it_could_not_draw_and_fails(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Also where keypoints without pairs are drawn on the object with the most of them."""
    coco.write_fake(tmp_path / "data")
    bad = sorted((tmp_path / "data" / "train").rglob("*.jpg"))[0]
    bad.write_bytes(b"no image")
    assert main(["show", str(tmp_path / "data"), "--out", str(tmp_path / "out"), "--keypoints"]) == 1
    told = capsys.readouterr().out.splitlines()
    assert told[-2].startswith("7 of 8 ")
    assert "images drawn; all at a glance: " in told[-2]
    assert bad.name in told[-1]
    assert len(list((tmp_path / "out").glob("0*.png"))) == 7


def test_show_writes_names_beside_objects_as_it_is_told(fake_coco: Path, tmp_path: Path) -> None:
    for labels in ("all", "none"):
        words = ["show", str(fake_coco), "--out", str(tmp_path / labels), "--count", "1", "--labels", labels]
        assert main(words) == 0
    named, bare = (next((tmp_path / labels).glob("0*.png")).read_bytes() for labels in ("all", "none"))
    assert named != bare
