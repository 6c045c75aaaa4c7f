"""What every network for shapes returns: the same type with and without targets, in training and in evaluation."""

from __future__ import annotations

from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor


@dataclass(frozen=True)
class ShapeOutputs:
    """The scores of the classes, and of a network that aligns features the matrices that it does it by."""

    logits: Float[Tensor, "b classes"]
    matrices: Float[Tensor, "b k k"] | None = None
