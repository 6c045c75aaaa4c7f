import json
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image

from brightness import SCHEMA, Brightness
from visus.cli import main
from visus.nn.transform import ImageTransform
from visus.predict.predictor import Predictor, threshold_of
from visus.types import InstancePrediction, Schema, SemanticPrediction


class Fake(Predictor):
    """Stands for a predictor: batches and reads as it does, and finds what its ``find`` says."""

    schema = Schema(categories=("cat", "dog"), category_ids=(3, 7))

    def __init__(self, threshold=0.5):
        self.device = torch.device("cpu")
        self.threshold = threshold
        self.model = SimpleNamespace(transform=ImageTransform(min_size=None))

    def _look(self, group):
        return [self.find(*size) for inputs in group for size in inputs.originals]


class Frames(Fake):
    """One sure and one doubtful object in the middle of every image."""

    def find(self, height, width):
        box = torch.tensor([[0.25, 0.25, 0.75, 0.75]]) * torch.tensor([width, height, width, height])
        return InstancePrediction(box.repeat(2, 1), torch.tensor([0, 1]), torch.tensor([0.9, 0.1]), (height, width))


@pytest.fixture(autouse=True)
def predictor(monkeypatch, tmp_path):
    monkeypatch.setattr(
        "visus.predict.predictor.load", lambda name, device=None, backbone=None: Frames(threshold_of(name))
    )
    monkeypatch.setattr("visus.cli.predict._check_model", lambda name: None)
    monkeypatch.chdir(tmp_path)


def save(path, value=100):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.full((480, 640, 3), value, np.uint8)).save(path)
    return path


def read(folder):
    return [json.loads((folder / name).read_text()) for name in ("predictions.json", "images.json")]


def test_one_image(tmp_path, capsys):
    save(tmp_path / "photo.jpg")
    assert main(["predict", "some_model", "photo.jpg"]) == 0
    told = capsys.readouterr().err
    assert "cat" in told
    assert "0.90" in told
    assert "dog" not in told
    results, about = read(tmp_path / "runs" / "predict" / "photo")
    assert [(r["category_id"], r["score"]) for r in results] == [(3, pytest.approx(0.9)), (7, pytest.approx(0.1))]
    assert about["images"][0]["file_name"] == "photo.jpg"
    drawn = np.asarray(Image.open(tmp_path / "runs" / "predict" / "photo" / "photo.jpg")).astype(int)
    assert drawn.shape == (480, 640, 3)
    assert abs(drawn[240, 160] - 100).max() > 30


def test_a_second_time_makes_a_second_folder(tmp_path):
    save(tmp_path / "photo.jpg")
    assert [main(["predict", "m", "photo.jpg"]) for _ in range(2)] == [0, 0]
    assert {p.name for p in (tmp_path / "runs" / "predict").iterdir()} == {"photo", "photo-2"}


def test_a_broken_image_is_named_and_the_others_are_done(tmp_path, capsys):
    save(tmp_path / "in" / "000000000007.png")
    save(tmp_path / "in" / "deep" / "000000000139.jpg")
    (tmp_path / "in" / "000000000008.jpg").write_bytes(b"")
    assert main(["predict", "m", "in", "--out", "out", "--batch-size", "2"]) == 1
    told = capsys.readouterr().err
    assert "1 could not be read" in told
    assert "000000000008.jpg" in told
    results, about = read(tmp_path / "out")
    assert {r["image_id"] for r in results} == {7, 139}
    assert [f["file_name"] for f in about["failures"]] == ["000000000008.jpg"]
    assert (tmp_path / "out" / "deep" / "000000000139.jpg").is_file()


def test_json_only(tmp_path):
    save(tmp_path / "photo.jpg")
    assert main(["predict", "m", "photo.jpg", "--out", "out", "--no-pictures"]) == 0
    assert {p.name for p in (tmp_path / "out").iterdir()} == {"predictions.json", "images.json"}


def test_an_interrupt_keeps_what_was_done(tmp_path, monkeypatch, capsys):
    for name in "abc":
        save(tmp_path / "in" / f"{name}.png")

    class Interrupted(Frames):
        seen = 0

        def find(self, height, width):
            self.seen += 1
            if self.seen == 3:
                raise KeyboardInterrupt
            return super().find(height, width)

    monkeypatch.setattr("visus.predict.predictor.load", lambda name, device=None, backbone=None: Interrupted())
    assert main(["predict", "m", "in", "--out", "out"]) == 130
    assert len(read(tmp_path / "out")[1]["images"]) == 2


def test_a_wrong_source_or_number_is_one_line(tmp_path, capsys):
    for argv, message in (
        (["nowhere.jpg"], "nowhere.jpg: no such file"),
        ([str(save(tmp_path / "a.png")), "--min-score", "2"], "--min-score must lie between 0 and 1"),
    ):
        assert main(["predict", "m", *argv]) == 2
        told = capsys.readouterr().err
        assert message in told
        assert "Traceback" not in told
    assert not (tmp_path / "runs").exists()


@pytest.fixture
def clip(tmp_path):
    pytest.importorskip("av")
    from fractions import Fraction

    from visus.predict.video import VideoWriter

    with VideoWriter(tmp_path / "clip.mp4", frame_rate=Fraction(10)) as video:
        for value in range(6):
            video.write(Image.new("RGB", (640, 480), (40 * value,) * 3))
    return tmp_path / "clip.mp4"


def test_a_video_becomes_a_video_and_json_by_frame(tmp_path, clip):
    from visus.predict.video import read_frames, video_info

    assert main(["predict", "m", str(clip), "--out", "out", "--every", "2"]) == 0
    results, about = read(tmp_path / "out")
    assert [(i["frame"], i["seconds"]) for i in about["images"]] == [(0, 0.0), (2, 0.2), (4, 0.4)]
    assert sorted({r["image_id"] for r in results}) == [1, 3, 5]
    assert len(list(read_frames(tmp_path / "out" / "clip.mp4"))) == 3
    assert video_info(tmp_path / "out" / "clip.mp4").frame_rate == 5


def test_a_video_becomes_pictures(tmp_path, clip):
    assert main(["predict", "m", str(clip), "--out", "out", "--frames"]) == 0
    assert len(list((tmp_path / "out").glob("frame_*.jpg"))) == 6
    assert not (tmp_path / "out" / "clip.mp4").exists()


def test_a_video_that_breaks_off_keeps_its_frames(tmp_path, monkeypatch, clip):
    from visus.errors import VisusError
    from visus.predict import video

    whole = video.read_frames

    def broken(path, *, every):
        for frame in whole(path, every=every):
            if frame.index == 3:
                raise VisusError("clip.mp4: cannot be decoded after frame 2")
            yield frame

    monkeypatch.setattr(video, "read_frames", broken)
    assert main(["predict", "m", str(clip), "--out", "out"]) == 1
    _, about = read(tmp_path / "out")
    assert len(about["images"]) == 3
    assert about["failures"][0]["file_name"] == "clip.mp4"


class Pixels(Fake):
    """Stands for a network that finds more and more classes from image to image."""

    schema = Schema(categories=tuple(f"class {i}" for i in range(9)), category_ids=tuple(range(9)))
    seen = 0

    def find(self, height, width):
        self.seen += 1
        labels = (torch.arange(width) // 40 % self.seen).byte().expand(height, width)
        return SemanticPrediction(labels, torch.ones(labels.shape), (height, width))


def test_pixels_become_masks_and_shares(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("visus.predict.predictor.load", lambda name, device=None, backbone=None: Pixels())
    save(tmp_path / "photo.jpg")
    assert main(["predict", "m", "photo.jpg", "--out", "out"]) == 0
    assert "100.0 %" in capsys.readouterr().err
    ((entry,), about) = read(tmp_path / "out")
    assert entry["classes"][0]["share"] == 1
    assert np.asarray(Image.open(tmp_path / "out" / entry["mask"])).shape == (480, 640)
    assert len(about["categories"]) == 9
    assert Image.open(tmp_path / "out" / "photo.jpg").height > 480  # the legend lies below


def test_the_frames_of_a_video_of_pixels_are_of_one_size(tmp_path, monkeypatch, clip):
    from visus.predict.video import read_frames

    monkeypatch.setattr("visus.predict.predictor.load", lambda name, device=None, backbone=None: Pixels())
    assert main(["predict", "m", str(clip), "--out", "out"]) == 0
    frames = list(read_frames(tmp_path / "out" / "clip.mp4"))
    assert [tuple(frame.image.shape) for frame in frames] == [(3, 480, 640)] * 6
    assert len(list((tmp_path / "out" / "masks").iterdir())) == 6


def test_several_looks_need_a_problem_that_averages_them(tmp_path, monkeypatch, capsys):
    model = Predictor(Brightness(num_classes=2, threshold=0.5), SCHEMA, device="cpu")
    monkeypatch.setattr("visus.predict.predictor.load", lambda name, device=None, backbone=None: model)
    save(tmp_path / "a.png")
    for words in (["--flip"], ["--scales", "0.5", "1.0"], ["--window", "64", "64"]):
        assert main(["predict", "finder", str(tmp_path / "a.png"), "--out", str(tmp_path / "out"), *words]) == 2
        assert "need a segmentation model" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_several_looks_are_asked_of_the_predictor(tmp_path, monkeypatch):
    asked = {}
    model = Pixels()
    model.averaged = lambda **options: asked.update(options) or Pixels()
    monkeypatch.setattr("visus.predict.predictor.load", lambda name, device=None, backbone=None: model)
    save(tmp_path / "a.png")
    words = ["--out", str(tmp_path / "out"), "--flip", "--scales", "0.5", "1.0", "--window", "64", "96"]
    assert main(["predict", "m", str(tmp_path / "a.png"), *words]) == 0
    assert asked == {"scales": (0.5, 1.0), "flip": True, "window": (64, 96)}


def run_that_suggests(folder, threshold):
    folder.mkdir(parents=True)
    (folder / "recipe.json").write_text("{}")
    (folder / "metrics.json").write_text(json.dumps({"score threshold": threshold}))
    return folder


@pytest.mark.parametrize("model", ["runs/mine", "runs/mine/weights.safetensors"])
def test_objects_are_drawn_from_the_score_on_that_the_run_suggests(model, tmp_path, capsys):
    save(tmp_path / "photo.jpg")
    run_that_suggests(tmp_path / "runs" / "mine", 0.05)
    line = "objects are drawn from a score of 0.05 on, as the run's validation suggests (--min-score)"
    assert main(["predict", model, "photo.jpg"]) == 0
    told = capsys.readouterr().err
    assert line in told.splitlines()
    assert "dog" in told, "of a score of 0.1"
    assert main(["predict", model, "photo.jpg", "--min-score", "0.5"]) == 0
    told = capsys.readouterr().err
    assert "suggests" not in told
    assert "dog" not in told


@pytest.mark.parametrize("threshold", [None, "0.2", 7.5, True])
def test_a_run_without_a_threshold_is_drawn_from_a_half_on(threshold, tmp_path, capsys):
    save(tmp_path / "photo.jpg")
    run_that_suggests(tmp_path / "runs" / "mine", threshold)
    assert main(["predict", "runs/mine", "photo.jpg"]) == 0
    told = capsys.readouterr().err
    assert "suggests" not in told
    assert "dog" not in told


@pytest.mark.parametrize("content", [b'{"score thr', b"\xff\xfe", b"[1, 2]"])
def test_numbers_of_a_run_that_are_damaged_are_named(content, tmp_path, capsys):
    save(tmp_path / "photo.jpg")
    (run_that_suggests(tmp_path / "runs" / "mine", 0.05) / "metrics.json").write_bytes(content)
    assert main(["predict", "runs/mine", "photo.jpg"]) == 2
    told = capsys.readouterr().err
    assert "runs/mine/metrics.json" in told
    assert "visus evaluate runs/mine writes it anew" in told
    assert len(told.strip().splitlines()) == 1
    assert not (tmp_path / "runs" / "predict").exists()


def test_names_beside_objects_are_written_or_not(tmp_path):
    save(tmp_path / "photo.jpg")
    drawn = {}
    for labels in ("all", "none"):
        assert main(["predict", "m", "photo.jpg", "--out", labels, "--labels", labels]) == 0
        drawn[labels] = np.asarray(Image.open(tmp_path / labels / "photo.jpg")).astype(int)
    assert drawn["all"].shape == drawn["none"].shape
    assert (abs(drawn["all"] - drawn["none"]) > 60).any(axis=2).sum() > 200, "a name in a tag"


def test_what_cannot_be_drawn_is_kept_without_a_drawing_and_named(tmp_path, monkeypatch, capsys):
    for name in "ab":
        save(tmp_path / "in" / f"{name}.png")

    class Odd(Frames):
        seen = 0

        def find(self, height, width):
            self.seen += 1
            found = super().find(height, width)
            return found if self.seen == 1 else InstancePrediction(**{**vars(found), "size": (height + 1, width)})

    monkeypatch.setattr("visus.predict.predictor.load", lambda name, device=None, backbone=None: Odd())
    assert main(["predict", "m", "in", "--out", "out"]) == 1
    told = capsys.readouterr().err
    assert "1 could not be drawn:\n  b.png: " in told
    assert "could not be read" not in told
    results, about = read(tmp_path / "out")
    assert len(results) == 4
    assert [failure["file_name"] for failure in about["failures"]] == ["b.png"]
    pixels = np.asarray(Image.open(tmp_path / "out" / "b.png"))
    assert pixels.shape == (480, 640, 3)
    assert (pixels == 100).all(), "the image without a drawing"
