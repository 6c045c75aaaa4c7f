"""Trained models that are optimised: the same results, one warning line where that is not to be had."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

import visus
from visus import catalog
from visus.errors import VisusError
from visus.nn.fused.int8 import int8_layers
from visus.nn.fused.optimize import packed_layers
from visus.predict.predictor import Predictor
from visus.types import Schema

SCHEMA = Schema(("cat", "dog", "owl"), (1, 2, 3))

pytestmark = pytest.mark.skipif(not torch.backends.mkldnn.is_available(), reason="this PyTorch has no oneDNN")


@pytest.fixture(scope="module")
def network() -> torch.nn.Module:
    torch.manual_seed(0)
    return catalog.build_model("classifier_lite0", SCHEMA, {"pretrained": False, "size": 64})


@pytest.fixture
def predictor(network: torch.nn.Module) -> Predictor:
    return Predictor(network, SCHEMA, device="cpu")


@pytest.fixture(scope="module")
def images() -> list[np.ndarray]:
    generator = np.random.default_rng(0)
    return [generator.integers(0, 256, (64, 80, 3), dtype=np.uint8) for _ in range(3)]


def scores(results: list[Any]) -> torch.Tensor:
    return torch.stack([result.prediction.scores for result in results])


def test_an_optimised_predictor_gives_the_same(predictor: Predictor, images: list[np.ndarray]) -> None:
    fast = visus.optimize(predictor, images=images[:1], on_note=pytest.fail)
    assert packed_layers(fast.model)
    assert not packed_layers(predictor.model)
    torch.testing.assert_close(scores(fast.predict(images)), scores(predictor.predict(images)), rtol=1e-4, atol=1e-5)


def test_a_network_is_tried_on_noise_where_there_is_no_image(network: torch.nn.Module) -> None:
    fast = visus.optimize(network, on_note=pytest.fail)
    assert type(fast) is type(network)
    assert packed_layers(fast)


def test_int8_needs_images(predictor: Predictor, images: list[np.ndarray]) -> None:
    with pytest.raises(VisusError, match="int8 needs images"):
        visus.optimize(predictor, "int8")
    with pytest.raises(VisusError, match="holds no image"):
        visus.optimize(predictor, "int8", images=[])
    assert int8_layers(visus.optimize(predictor, "int8", images=images, on_note=pytest.fail).model)


def test_the_first_look_optimises_and_says_what_it_chose(
    predictor: Predictor, images: list[np.ndarray], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("visus.nn.fused.choose._times", lambda models, inputs: [1.0, 0.5])
    monkeypatch.setattr("visus.nn.fused.choose.multiplies_bfloat16", lambda: False)
    notes: list[str] = []
    fast = predictor.faster("auto", count=100, on_note=notes.append)
    assert notes == []
    fast.predict(images)
    assert len(notes) == 1
    assert notes[0].startswith("precision fp32")


def test_for_a_few_images_nothing_is_rewritten(predictor: Predictor, images: list[np.ndarray]) -> None:
    fast = predictor.faster("auto", count=3, on_note=pytest.fail)
    fast.predict(images)
    assert not packed_layers(fast.model)


def test_reading_ahead_changes_nothing_and_tells_errors_in_their_order(predictor: Predictor, tmp_path: Path) -> None:
    for number in range(5):
        Image.new("RGB", (70, 64), (40 * number, 0, 0)).save(tmp_path / f"{number}.png")
    (tmp_path / "2.png").write_bytes(b"torn")
    seen: list[str] = []
    for result in predictor.stream(tmp_path, on_error=lambda name, error: seen.append(f"!{name}"), ahead=True):
        seen.append(result.name)
    assert seen == ["0.png", "1.png", "!2.png", "3.png", "4.png"]
    kept = [result.name for result in predictor.stream(tmp_path, on_error=lambda name, error: None)]
    assert kept == [name for name in seen if not name.startswith("!")]
