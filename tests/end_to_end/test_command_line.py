"""The command line from a folder of annotated images to drawn predictions, on data that write_fake wrote."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from PIL import Image

from visus.catalog import DATASETS
from visus.cli import main

SHORT = ["--fit.epochs", "2", "--fit.max-steps", "4", "--data.batch-size", "4", "--data.workers", "0"]
SMALL = ["--data.augment.size", "96", "96", "--fit.val-every-epochs", "2"]


def train(name: str, root: Path, run: Path, *more: str) -> int:
    return main(["train", name, "--run", str(run), "--data.root", str(root), *SHORT, *SMALL, *more])


@pytest.fixture(scope="module")
def coco(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("data") / "coco"
    DATASETS["coco"].write_fake(root)
    return root


@pytest.fixture(scope="module")
def run(coco: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs") / "first"
    assert train("maskrcnn_lite0", coco, folder) == 0
    return folder


def test_a_healthy_folder_passes_the_check(coco: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["data", "check", str(coco)]) == 0
    assert "no problems" in capsys.readouterr().out


def test_a_broken_folder_fails_the_check_and_names_the_annotation(tmp_path: Path, capsys) -> None:
    DATASETS["coco"].write_fake(tmp_path)
    file = tmp_path / "annotations" / "instances_train.json"
    content = json.loads(file.read_text())
    content["annotations"][0]["bbox"] = [10, 10, -5, 20]
    content["annotations"][1]["category_id"] = 4711
    file.write_text(json.dumps(content))
    assert main(["data", "check", str(tmp_path)]) != 0
    printed = capsys.readouterr().out
    assert "4711" in printed
    assert "2 errors" in printed


def test_a_run_holds_all_that_is_needed_later(run: Path) -> None:
    names = {file.name for file in run.iterdir()}
    assert {"recipe.json", "weights.safetensors", "metrics.csv", "metrics.json", "report.html"} <= names
    numbers = json.loads((run / "metrics.json").read_text())
    assert {"box AP", "mask AP"} <= set(numbers)
    page = (run / "report.html").read_text()
    assert "<html" in page
    assert "http://" not in page.replace("http://www.w3.org", "")


def test_a_folder_alone_is_enough(coco: Path, tmp_path: Path) -> None:
    words = ["train", str(coco), "--run", str(tmp_path / "run"), *SHORT, *SMALL]
    assert main(words) == 0
    metadata_of = json.loads((tmp_path / "run" / "recipe.json").read_text())
    assert metadata_of["model"] == "maskrcnn_lite0_fpn"


def test_evaluate_repeats_the_numbers_of_the_training(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = json.loads((run / "metrics.json").read_text())
    assert main(["evaluate", str(run)]) == 0
    assert "box AP" in capsys.readouterr().out
    assert json.loads((run / "metrics.json").read_text()) == before


def test_predict_draws_every_kind_of_source(run: Path, coco: Path, tmp_path: Path) -> None:
    images = sorted((coco / "val").glob("*"))
    listed = tmp_path / "some.txt"
    listed.write_text("\n".join(str(image) for image in images[:2]))
    sources = {
        str(images[0]): 1,
        str(coco / "val"): len(images),
        str(coco / "val" / "*"): len(images),
        str(listed): 2,
    }
    for number, (source, count) in enumerate(sources.items()):
        out = tmp_path / f"out{number}"
        assert main(["predict", str(run), source, "--out", str(out), "--min-score", "0"]) == 0
        drawn = [file for file in out.rglob("*") if file.suffix in (".png", ".jpg")]
        assert len(drawn) == count
        assert Image.open(drawn[0]).size[0] >= 96
        assert isinstance(json.loads((out / "predictions.json").read_text()), list)


def test_predict_names_the_broken_image_and_does_the_others(run: Path, coco: Path, tmp_path: Path, capsys) -> None:
    folder = tmp_path / "mixed"
    folder.mkdir()
    good = next((coco / "val").glob("*"))
    (folder / good.name).write_bytes(good.read_bytes())
    (folder / "broken.jpg").write_bytes(b"")
    assert main(["predict", str(run), str(folder), "--out", str(tmp_path / "out")]) == 1
    shown = capsys.readouterr()
    assert "broken.jpg" in shown.out + shown.err
    assert (tmp_path / "out" / "predictions.json").exists()


def test_a_second_training_never_writes_over_the_first(coco: Path, run: Path, capsys) -> None:
    before = (run / "weights.safetensors").read_bytes()
    assert train("fasterrcnn_lite0", coco, run) == 0
    assert "first-2" in capsys.readouterr().out
    assert (run / "weights.safetensors").read_bytes() == before
    assert (run.parent / "first-2" / "weights.safetensors").exists()


def test_keypoints_are_learned_where_the_annotations_have_them(coco: Path, tmp_path: Path) -> None:
    assert train("maskrcnn_lite0", coco, tmp_path / "run", "--data.dataset", "coco_keypoints") == 0
    assert "keypoint AP" in json.loads((tmp_path / "run" / "metrics.json").read_text())


def test_penn_fudan_trains(tmp_path: Path) -> None:
    root = tmp_path / "pennfudan"
    DATASETS["pennfudan"].write_fake(root)
    assert train("maskrcnn_pennfudan", root, tmp_path / "run", "--data.batch-size", "2") == 0


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["train", "maskrcnn_lite1"], "maskrcnn_lite0"),
        (["predict", "no_such_model", "photo.jpg"], "no_such_model"),
        (["trian", "maskrcnn_lite0"], "train"),
        (["evaluate", "nowhere"], "nowhere"),
    ],
)
def test_mistakes_get_one_line_that_helps(words: list[str], message: str, capsys) -> None:
    assert main(words) == 2
    shown = capsys.readouterr()
    assert message in shown.err + shown.out
    assert "Traceback" not in shown.err
