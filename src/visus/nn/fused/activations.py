"""The activations that oneDNN computes while it writes the output of a layer, by all their names in PyTorch."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, fx, nn
from torch.nn import functional as F


@dataclass(frozen=True)
class Activation:
    """What a layer does to its output before it writes it.

    Args:
        name: oneDNN's name.
        numbers: its parameters.
        algorithm: which of several forms.
    """

    name: str = "none"
    numbers: tuple[float, ...] = ()
    algorithm: str = ""

    def __call__(self, x: Float[Tensor, "*s"]) -> Float[Tensor, "*s"]:
        """The same with PyTorch's functions."""
        return FUNCTIONS[self.name](x, *self.numbers)


NONE = Activation()
RELU = Activation("relu")
RELU6 = Activation("hardtanh", (0.0, 6.0))

FUNCTIONS: dict[str, Callable[..., Tensor]] = {
    "none": lambda x: x,
    "relu": torch.relu,
    "hardtanh": F.hardtanh,
    "hardswish": F.hardswish,
    "hardsigmoid": F.hardsigmoid,
    "swish": F.silu,
    "sigmoid": torch.sigmoid,
    "tanh": torch.tanh,
    "leaky_relu": F.leaky_relu,
}
"""oneDNN's names, as PyTorch's functions."""

MODULES: dict[type, Callable[[Any], Activation]] = {
    nn.ReLU: lambda module: RELU,
    nn.ReLU6: lambda module: RELU6,
    nn.Hardtanh: lambda module: Activation("hardtanh", (module.min_val, module.max_val)),
    nn.Hardswish: lambda module: Activation("hardswish"),
    nn.Hardsigmoid: lambda module: Activation("hardsigmoid"),
    nn.SiLU: lambda module: Activation("swish"),
    nn.Sigmoid: lambda module: Activation("sigmoid"),
    nn.Tanh: lambda module: Activation("tanh"),
    nn.LeakyReLU: lambda module: Activation("leaky_relu", (module.negative_slope,)),
}
"""Activations that are modules."""

CALLS: dict[Any, Activation] = {
    **dict.fromkeys((F.relu, torch.relu, torch.relu_, "relu", "relu_"), RELU),
    F.relu6: RELU6,
    F.hardswish: Activation("hardswish"),
    F.hardsigmoid: Activation("hardsigmoid"),
    F.silu: Activation("swish"),
    **dict.fromkeys((torch.sigmoid, F.sigmoid, "sigmoid"), Activation("sigmoid")),
    **dict.fromkeys((torch.tanh, F.tanh, "tanh"), Activation("tanh")),
}
"""Activations that are functions, or methods of tensors; none of them has parameters."""


def activation_of(node: fx.Node, modules: dict[str, nn.Module]) -> Activation | None:
    """The activation that a step of a graph is; None where it is none that a layer can do."""
    if node.op == "call_module":
        module = modules[str(node.target)]
        make = MODULES.get(type(module))
        return None if make is None else make(module)
    if node.op == "call_function" and node.target is F.leaky_relu:
        slope = node.args[1] if len(node.args) > 1 else node.kwargs.get("negative_slope", 0.01)
        return Activation("leaky_relu", (slope,)) if isinstance(slope, float) else None
    return CALLS.get(node.target) if node.op in ("call_function", "call_method") else None
