"""The one way from a batch of inputs to predictions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from visus.nn.model import InputTransform, Model, predict_batch
from visus.ops.padding import pad_images
from visus.types import ImageBatch


class Padded:
    """Images in one tensor."""

    one_frame = False

    def batch(self, inputs: Sequence[Tensor]) -> ImageBatch:
        return pad_images(inputs)

    def frame(self, size: tuple[int, ...]) -> tuple[int, ...]:
        return size


class Means(nn.Module):
    """The mean of each image; notes how it is called."""

    channels_last = adapts = False

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(1, 1)
        self.transform = Padded()
        self.called_with: list[Any] = []

    def forward(self, inputs: ImageBatch, *targets: Any) -> Tensor:
        self.called_with.append(targets)
        return self.layer(inputs.pixels.mean((1, 2, 3))[:, None])

    def postprocess(self, outputs: Tensor, sizes: Sequence[tuple[int, ...]]) -> list[Any]:
        return [(float(value.detach()), size) for value, size in zip(outputs, sizes, strict=True)]


def images(originals: tuple[tuple[int, int], ...] = ()) -> ImageBatch:
    return ImageBatch(torch.rand(2, 3, 8, 8), torch.tensor([[8, 8], [4, 6]]), originals)


def test_it_is_a_model_with_a_transform() -> None:
    assert isinstance(Means(), Model)
    assert isinstance(Means().transform, InputTransform)
    assert not isinstance(nn.Linear(1, 1), Model)


def test_predictions_are_in_the_frames_of_the_inputs_as_they_were_given() -> None:
    for originals in ((), ((80, 80), (40, 60))):
        outputs, predictions = predict_batch(Means(), images(originals))
        assert [size for _, size in predictions] == list(originals or ((8, 8), (4, 6)))
        assert [value for value, _ in predictions] == outputs.flatten().tolist()


def test_targets_are_given_only_where_there_are_some() -> None:
    model, targets = Means(), ["a", "b"]
    predict_batch(model, images())
    predict_batch(model, images(), targets)
    assert model.called_with == [(), (targets,)]


@pytest.mark.parametrize("adapts", [False, True])
@pytest.mark.parametrize("outside", [False, True])
def test_only_models_that_adapt_have_gradients(adapts: bool, outside: bool) -> None:
    model = Means()
    model.adapts = adapts
    with torch.set_grad_enabled(outside):
        outputs, _ = predict_batch(model, images())
        assert torch.is_grad_enabled() == outside
    assert outputs.requires_grad == adapts


def test_bfloat16_is_asked_for_here_or_outside() -> None:
    model = Means()
    assert predict_batch(model, images())[0].dtype == torch.float32
    assert predict_batch(model, images(), precision="bf16")[0].dtype == torch.bfloat16
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert predict_batch(model, images())[0].dtype == torch.bfloat16
