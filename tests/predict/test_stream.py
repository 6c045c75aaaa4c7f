"""Results one by one: what goes through the network together, what each result knows, what a prediction imports."""

import subprocess
import sys

import pytest
import torch
from PIL import Image

import visus
from brightness import SCHEMA, offer, write_run
from visus import catalog
from visus.data.files.images import ImageError
from visus.predict import predictor as module
from visus.predict.predictor import Predictor, load
from visus.types import Schema


@pytest.fixture(autouse=True)
def model_in_the_catalog(monkeypatch):
    offer(monkeypatch)


def bright_image(height=20, width=30):
    image = torch.zeros(3, height, width, dtype=torch.uint8)
    image[:, 5:10, 8:20] = 255
    return image


class TestBatches:
    """Images go through the network together only where that changes nothing but speed."""

    @pytest.fixture
    def detector(self):
        torch.manual_seed(0)
        schema = Schema(("light", "glow"), (1, 2))
        return Predictor(catalog.build_model("fasterrcnn_lite0_fpn", schema, {"size": 96}), schema, device="cpu")

    def test_what_is_found_does_not_depend_on_the_batch(self, detector):
        generator = torch.Generator().manual_seed(0)
        sizes = [(64, 96), (96, 64), (64, 96), (200, 40), (64, 96), (80, 80), (96, 64)]
        images = [torch.randint(0, 256, (3, *size), generator=generator, dtype=torch.uint8) for size in sizes]
        alone, together = detector.predict(images), detector.predict(images, batch_size=len(images))
        for one, other, size in zip(alone, together, sizes, strict=True):
            assert one.prediction.size == other.prediction.size == size
            assert len(one.prediction) == len(other.prediction) > 0
            assert torch.allclose(one.prediction.scores, other.prediction.scores, atol=1e-5)
            assert torch.allclose(one.prediction.boxes_xyxy, other.prediction.boxes_xyxy, atol=1e-2)

    def test_a_processor_gets_few_pixels_at_once(self, tmp_path, monkeypatch):
        predictor = load(write_run(tmp_path / "run"), device="cpu")
        monkeypatch.setattr(module, "CPU_PIXELS", 3 * 32 * 32)
        predictor.predict([bright_image()] * 7, batch_size=64)
        assert predictor.model.batches == [3, 3, 1]
        predictor.predict([bright_image(200, 300)] * 2, batch_size=64)
        assert predictor.model.batches[3:] == [1, 1]

    def test_results_come_as_soon_as_they_are_there(self, tmp_path):
        predictor, read = load(write_run(tmp_path / "run")), []

        def images():
            for number in range(100):
                read.append(number)
                yield bright_image()

        results = predictor.stream(images(), batch_size=4)
        assert next(results).name == "image_000000"
        assert len(read) == 4

    def test_inputs_of_a_kind_that_is_not_known_go_alone(self, tmp_path, monkeypatch):
        predictor = load(write_run(tmp_path / "run"))
        monkeypatch.setattr(module, "JOINS", {})
        assert len(predictor.predict([bright_image()] * 3, batch_size=3)) == 3
        assert predictor.model.batches == [1, 1, 1]


def test_what_cannot_be_read_is_told_or_raised(tmp_path):
    predictor = load(write_run(tmp_path / "run"))
    (tmp_path / "broken.png").write_bytes(b"no image")
    images = [bright_image(), tmp_path / "broken.png", bright_image()]
    with pytest.raises(ImageError, match=r"broken\.png"):
        predictor.predict(images)
    told = []
    results = list(predictor.stream(images, on_error=lambda name, error: told.append(name)))
    assert [result.name for result in results] == ["image_000000", "image_000002"]
    assert told == ["broken.png"]


def test_results_know_their_image(tmp_path):
    predictor = load(write_run(tmp_path / "run"))
    Image.fromarray(bright_image().permute(1, 2, 0).numpy()).save(tmp_path / "p.png")
    (result,) = predictor.predict(str(tmp_path / "p.png"))
    assert (result.path, result.name) == (str(tmp_path / "p.png"), "p.png")
    assert torch.equal(result.image, bright_image())
    assert result.names == predictor.names == SCHEMA.categories
    assert result.names[int(result.prediction.labels[0])] == "light"


def test_the_public_names_and_no_others():
    names = [
        "Result",
        "__version__",
        "evaluate",
        "export",
        "keep_memory",
        "load",
        "open_dataset",
        "optimize",
        "predict",
        "teach",
        "train",
    ]
    code = "import visus, visus.predict.predictor; print(dir(visus)); visus.Result, visus.train; print(dir(visus))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == [str(names)] * 2
    with pytest.raises(AttributeError, match="no attribute 'predictor'; it has Result"):
        visus.__getattr__("predictor")


def test_a_prediction_needs_no_metric(tmp_path):
    """torchmetrics and what it brings take longer to import than torch."""
    code = (
        "import sys, torch, visus\n"
        "from visus import catalog\n"
        "from visus.predict.predictor import Predictor\n"
        "from visus.types import Schema\n"
        "schema = Schema(('a',), (1,))\n"
        "predictor = Predictor(catalog.build_model('fasterrcnn_lite0_fpn', schema, {'size': 64}), schema)\n"
        "predictor.predict(torch.zeros(3, 64, 64, dtype=torch.uint8))[0].plot()\n"
        "print({'scipy', 'torchmetrics', 'pytorch_lightning'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
