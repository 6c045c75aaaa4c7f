"""The convolutions of a network's file, each with the affine layer behind it folded in."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, TypeVar

import torch
from torch import nn

from visus.systems.faces.dlib_file import DlibFileError, Layer, NetworkFile

Network = TypeVar("Network", bound=nn.Module)


def load_convolutions(network: nn.Module, file: NetworkFile) -> None:
    """Puts the convolutions of a file into those of a network, which have to be as many, in the same order and alike.

    Raises:
        DlibFileError: they are not.
    """
    own = [module for module in network.modules() if isinstance(module, nn.Conv2d)]
    given = list(_convolutions(file.layers))
    if len(own) != len(given):
        raise DlibFileError(f"{file.path}: {len(given)} convolutions, where the network has {len(own)}")
    for number, (module, (convolution, affine)) in enumerate(zip(own, given, strict=True)):
        filters = int(convolution.numbers["filters"])
        if convolution.numbers["stride"] != module.stride[0] or len(convolution.weights) != filters + (
            filters * module.weight[0].numel()
        ):
            raise DlibFileError(f"{file.path}: convolution {number} does not fit into {module}")
        weight, bias = convolution.weights[:-filters].view_as(module.weight), convolution.weights[-filters:]
        if affine is not None:
            scale, shift = affine.weights.chunk(2)
            weight, bias = weight * scale[:, None, None, None], bias * scale + shift
        with torch.no_grad():
            module.weight.copy_(weight)
            if module.bias is not None:
                module.bias.copy_(bias)


def ready(network: Network) -> Network:
    """The network as it predicts: it does not learn, and its weights lie as they are fastest."""
    module: Any = network.requires_grad_(False).eval()
    out: Network = module.to(memory_format=torch.channels_last)
    return out


def _convolutions(layers: Sequence[Layer]) -> Iterator[tuple[Layer, Layer | None]]:
    """Each convolution with the affine layer behind it, None where there is none."""
    for place, layer in enumerate(layers):
        if layer.kind == "convolution":
            behind = layers[place + 1] if place + 1 < len(layers) else None
            yield layer, behind if behind is not None and behind.kind == "affine" else None
