"""`visus teach`: new classes, none of these, more images, boxes with new names, and bad input."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from PIL import Image, ImageDraw

import visus
from visus import catalog
from visus.cli import main
from visus.errors import VisusError
from visus.nn.transform import ImageTransform
from visus.predict.renamed import RenamedDetector, renamed_schema
from visus.systems.classification.taught import NONE, leave_one_out, suggested_threshold
from visus.training.recipe import Recipe
from visus.training.run import RunFolder
from visus.types import ImageBatch, InstancePrediction, Schema

COLOURS = {"apple": (210, 30, 30), "leaf": (30, 160, 40), "sky": (70, 120, 230)}


def picture(path: Path, name: str, number: int) -> Path:
    """A thing of the class's colour and shape, somewhere else in each image."""
    image = Image.new("RGB", (96, 96), (235, 230, 220))
    left, top = 8 + 9 * number, 30 - 5 * number
    pen, box = ImageDraw.Draw(image), (left, top, left + 44, top + 44)
    (pen.ellipse if name == "apple" else pen.rectangle)(box, fill=COLOURS[name])
    path.parent.mkdir(parents=True, exist_ok=True)
    image.save(path)
    return path


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("pictures")
    for name in COLOURS:
        for number in range(4):
            picture(root / name / f"{number}.png", name, number)
    return root


@pytest.fixture(scope="module")
def run(pictures: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs") / "taught"
    words = ["--size", "64", "--run", str(folder)]
    for name in ("apple", "leaf"):
        words += ["--class", name, *(str(pictures / name / f"{number}.png") for number in range(2))]
    assert main(["teach", *words]) == 0
    return folder


def best(run: Path, image: Path) -> str:
    result = visus.predict(run, str(image))[0]
    found: Any = result.prediction
    return result.names[int(found.labels[0])]


def test_new_classes_are_known_in_other_images(run: Path, pictures: Path) -> None:
    for name in ("apple", "leaf"):
        for number in (2, 3):
            assert best(run, pictures / name / f"{number}.png") == name


def test_what_is_like_none_of_the_classes_is_called_so(pictures: Path, tmp_path: Path) -> None:
    classes = {name: [pictures / name / "0.png", pictures / name / "1.png"] for name in ("apple", "leaf")}
    strict = visus.teach(classes, run=tmp_path / "strict", threshold=0.9999, size=64)
    assert best(strict.run, pictures / "sky" / "0.png") == NONE
    always = visus.teach(classes, run=tmp_path / "always", rejects=False, size=64)
    assert always.threshold is None
    assert best(always.run, pictures / "sky" / "0.png") in classes


def test_a_folder_for_each_class_and_more_images(pictures: Path, tmp_path: Path) -> None:
    lesson = visus.teach(pictures, run=tmp_path / "run", size=64)
    assert lesson.classes == {"apple": 4, "leaf": 4, "sky": 4}
    assert lesson.leave_one_out == 1.0
    before = best(lesson.run, pictures / "sky" / "3.png")
    assert before == "sky"
    grown = visus.teach(
        {"sky": [pictures / "sky" / "1.png"], "new": [pictures / "leaf" / "0.png"]}, model=lesson.run, more=True
    )
    assert grown.run == lesson.run
    assert grown.classes == {"apple": 4, "leaf": 4, "sky": 5, "new": 1}
    assert grown.threshold == pytest.approx(lesson.threshold)
    assert visus.load(grown.run).names == ("apple", "leaf", "sky", "new", NONE)


def test_adding_gives_what_teaching_at_once_gives(pictures: Path, tmp_path: Path) -> None:
    def of(numbers: range) -> dict[str, list[Path]]:
        return {name: [pictures / name / f"{number}.png" for number in numbers] for name in ("apple", "leaf")}

    whole = visus.teach(of(range(4)), run=tmp_path / "whole", size=64)
    first = visus.teach(of(range(2)), run=tmp_path / "parts", size=64)
    visus.teach(of(range(2, 4)), model=first.run, more=True)
    ours, theirs = (visus.load(one).model.state_dict() for one in (first.run, whole.run))
    torch.testing.assert_close(ours["centroids"], theirs["centroids"])
    assert torch.equal(ours["counts"], theirs["counts"])


def test_a_taught_run_is_measured(
    run: Path, pictures: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = tmp_path / "data"
    for name in ("apple", "leaf"):
        for split in ("train", "test"):
            for number in range(2):
                picture(data / split / name / f"{number}.png", name, number + 1)
    words = ["evaluate", str(run), "--data.root", str(data), "--split", "test"]
    assert main(words) == 0
    assert json.loads((run / "metrics-test.json").read_text())["top-1"] == 1.0
    assert (run / "report-test.html").is_file()


def test_a_descriptor_run_teaches_with_its_own_head(pictures: Path, tmp_path: Path) -> None:
    options: dict[str, Any] = {"size": 64, "embedding_dim": 16, "pretrained": False}
    schema = Schema(("a", "b"), (0, 1))
    torch.manual_seed(3)
    model = catalog.build_model("descriptor_lite0", schema, options)
    source = RunFolder(tmp_path / "descriptor")
    recipe = Recipe(name="d", model="descriptor_lite0", model_options=options)
    source.create(recipe)
    source.save_weights(model.state_dict(), recipe, schema)
    lesson = visus.teach({n: [pictures / n / "0.png"] for n in COLOURS}, model=source.path, run=tmp_path / "run")
    taught: Any = visus.load(lesson.run, device="cpu").model
    network: Any = model.eval()
    pixels = [torch.randint(0, 255, (3, 64, 64), dtype=torch.uint8)]
    with torch.no_grad():
        ours = taught.features(taught.transform.batch(pixels))
        theirs = network(network.transform.batch(pixels)).embeddings
    torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-5)


# --- detectors ---


class Finder(torch.nn.Module):
    """Finds two boxes, wherever it looks, and calls them "thing"."""

    channels_last, adapts = True, False

    def __init__(self) -> None:
        super().__init__()
        self.transform = ImageTransform(min_size=None)

    def forward(self, images: ImageBatch, targets: Any = None) -> Any:
        return SimpleNamespace(count=len(images))

    def postprocess(self, outputs: Any, sizes: Any) -> list[InstancePrediction]:
        boxes = torch.tensor([[0.0, 0, 20, 20], [40, 0, 60, 20]])
        return [
            InstancePrediction(boxes, torch.zeros(2, dtype=torch.int64), torch.tensor([0.9, 0.8]), size)
            for size in sizes
        ]


class RedOrNone(torch.nn.Module):
    """Calls what is red the first class, and everything else none of these."""

    def __init__(self) -> None:
        super().__init__()
        self.transform = ImageTransform(min_size=None, divisor=1)

    def forward(self, images: ImageBatch) -> Any:
        red = images.pixels.float().mean((2, 3))[:, 0] - images.pixels.float().mean((2, 3))[:, 1] > 50
        return SimpleNamespace(logits=torch.stack([red.float(), 0.5 + 0 * red.float()], 1))


def test_boxes_get_the_name_of_what_is_in_them_and_keep_theirs_otherwise() -> None:
    model = RenamedDetector(detector=Finder(), classifier=RedOrNone(), old=1, rejects=True)
    image = torch.full((3, 40, 80), 90, dtype=torch.uint8)
    image[0, :20, 40:60] = 250
    inputs = model.transform.batch([image])
    found = model.postprocess(model(inputs), [(40, 80)])[0]
    assert found.labels.tolist() == [0, 1]
    schema = renamed_schema(Schema(("thing",), (7,)), Schema(("red", NONE), (0, 1)), rejects=True)
    assert schema.categories == ("thing", "red")
    assert schema.category_ids == (7, 8)


def test_a_detector_run_is_taught_from_crops(pictures: Path, tmp_path: Path) -> None:
    options: dict[str, Any] = {"size": 64, "pretrained": False}
    schema = Schema(("thing", "other"), (1, 2))
    recipe = Recipe(name="d", model="ssd_lite0", model_options=options)
    source = RunFolder(tmp_path / "detector")
    source.create(recipe)
    source.save_weights(catalog.build_model("ssd_lite0", schema, options).state_dict(), recipe, schema)
    classes = {name: [pictures / name / "0.png"] for name in ("apple", "leaf")}
    lesson = visus.teach(classes, model=source.path, run=tmp_path / "run", size=64)
    predictor = visus.load(lesson.run, device="cpu")
    assert predictor.names == ("thing", "other", "apple", "leaf")
    found: Any = predictor.predict(str(pictures / "apple" / "1.png"))[0].prediction
    assert isinstance(found, InstancePrediction)
    with pytest.raises(VisusError, match="have been given names before"):
        visus.teach(classes, model=lesson.run, run=tmp_path / "again", size=64)


# --- what cannot be taught ---


def said(words: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    assert main(["teach", *words]) == 2
    text = capsys.readouterr().err
    assert "Traceback" not in text
    assert len(text.strip().splitlines()) == 1, text
    return text


def test_bad_input_gets_one_line(run: Path, pictures: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    apple, leaf = str(pictures / "apple" / "0.png"), str(pictures / "leaf" / "0.png")
    (tmp_path / "empty" / "a").mkdir(parents=True)
    (tmp_path / "broken.png").write_bytes(b"no image")
    copy = tmp_path / "copy.png"
    copy.write_bytes(Path(apple).read_bytes())
    out = ["--run", str(tmp_path / "out")]
    cases = {
        "one class alone (apple) is nothing to tell apart": ["--class", "apple", apple],
        "is the same image as": ["--class", "apple", apple, "--class", "leaf", str(copy)],
        "class a: no image": [str(tmp_path / "empty")],
        "no such folder": [str(tmp_path / "nowhere")],
        "broken.png": ["--class", "apple", str(tmp_path / "broken.png"), "--class", "leaf", leaf],
        "missing.png": ["--class", "apple", str(tmp_path / "missing.png"), "--class", "leaf", leaf],
        "need a name and images": ["--class", "apple", apple, "--class", "leaf"],
        "there is no option --clas;": ["--clas", "apple", apple],
        "needs a number, not 'high'": ["--class", "a", apple, "--class", "b", leaf, "--threshold", "high"],
        "must be a cosine from -1 to 1": ["--class", "a", apple, "--class", "b", leaf, "--threshold", "7"],
        "no class can be called": ["--class", NONE, apple, "--class", "b", leaf],
        "--more adds to a run that": ["--more", "a", apple],
        "give one of them": [str(run), "--more", "a", apple, "--class", "b", leaf],
        "what is to be taught?": [str(run)],
        "one word too many": [apple, leaf, "--class", "b", leaf],
        "no_such_run": ["no_such_run", "--class", "a", apple, "--class", "b", leaf],
    }
    for message, words in cases.items():
        assert message in said([*words, *out], capsys), message
    assert not (tmp_path / "out").exists()


def test_help_fits_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["teach", "--help"]) == 0
    assert max(map(len, capsys.readouterr().out.splitlines())) <= 80


def test_the_threshold_lies_between_own_and_other_classes() -> None:
    features = torch.nn.functional.normalize(torch.tensor([[1.0, 0.1], [1, -0.1], [0.1, 1], [-0.1, 1]]), dim=1)
    labels = torch.tensor([0, 0, 1, 1])
    assert 0.3 < suggested_threshold(features, labels) < 0.9
    assert leave_one_out(features, labels) == 1.0
    assert leave_one_out(features[::2], labels[::2]) is None
    assert suggested_threshold(features[::2], labels[::2]) > 0.5
