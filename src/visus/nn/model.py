"""What every model offers, and the one way from a batch of inputs to predictions."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext
from typing import Any, Protocol, runtime_checkable

import torch
from torch import nn

from visus.types import Inputs


@runtime_checkable
class InputTransform(Protocol):
    """Makes batches of a model's inputs; a model calls it on a batch first, to normalise.

    Attributes:
        one_frame: whether inputs of all sizes fill a batch alike, without padding.
    """

    one_frame: bool

    def batch(self, inputs: Sequence[Any]) -> Inputs:
        """The inputs in one batch, resized and padded as the model wants.

        Raises:
            ValueError: an input of another shape; the message has it.
        """

    def frame(self, size: tuple[int, ...]) -> tuple[int, ...]:
        """What an input of ``size`` is padded to where it is alone in a batch; asked only without ``one_frame``."""


@runtime_checkable
class Model(Protocol):
    """A network with the three verbs of every problem; nothing else of it is used outside of its package.

    Attributes:
        transform: makes batches, and normalises.
        channels_last: whether it runs fastest in PyTorch's channels-last memory format.
        adapts: whether it learns while it predicts, as few-shot learners do, and so needs gradients there.
    """

    transform: Any
    channels_last: bool
    adapts: bool

    def forward(self, inputs: Any, targets: Sequence[Any] | None = None) -> Any:
        """The outputs: the same type with and without targets, in training and in evaluation."""

    def postprocess(self, outputs: Any, sizes: Sequence[tuple[int, ...]]) -> list[Any]:
        """The predictions, one for each input, in the frames of ``sizes``."""


def predict_batch(
    model: nn.Module, inputs: Inputs, targets: Sequence[Any] | None = None, *, precision: str = "32"
) -> tuple[Any, list[Any]]:
    """One look of a model at a batch: what it returns, and the predictions made of that.

    Validation, evaluation and prediction all go through here.

    Args:
        model: a `Model`; the caller puts it into evaluation mode and its inputs on its device.
        inputs: what it looks at.
        targets: add to the outputs what losses need.
        precision: ``bf16`` for bfloat16 where it is tolerated; ``32`` leaves the precision as the caller has it.

    Returns:
        The outputs, and a prediction for each input in the frame of the input as it was given.
    """
    network: Any = model
    device = next((parameter.device for parameter in model.parameters()), torch.device("cpu"))
    cast = torch.autocast(device.type, dtype=torch.bfloat16) if precision == "bf16" else nullcontext()
    with torch.set_grad_enabled(network.adapts), cast:
        outputs = network(inputs, targets) if targets is not None else network(inputs)
        return outputs, network.postprocess(outputs, inputs.frames)
