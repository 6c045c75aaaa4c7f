"""Functions that a learned optimiser learns from, many at a time: quadratics, and small networks on drawn points.

Andrychowicz et al., arXiv 1606.04474, section 3.1 (quadratics) and 3.2 (a network with one hidden layer of 20 sigmoid
units; theirs sees MNIST, ours points around random centres, so that nothing has to be fetched).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Float, Int64
from torch import Tensor
from torch.nn import functional as F

Points = Float[Tensor, "f n"]


@runtime_checkable
class Functions(Protocol):
    """Some functions of one kind, each of n weights."""

    def start(self) -> Points:
        """Where each begins."""

    def __call__(self, weights: Points, step: int) -> Float[Tensor, " f"]:
        """The value of each; of those that see other data at each step, on that of step ``step``."""


@dataclass(frozen=True)
class Quadratics:
    """``|W x - y|^2`` with a matrix and a vector of standard normal numbers, from x of the same.

    Args:
        matrices: W of each.
        targets: y of each.
        starts: x of each.
    """

    matrices: Float[Tensor, "f n n"]
    targets: Points
    starts: Points

    @classmethod
    def drawn(cls, count: int, generator: torch.Generator, *, size: int = 10) -> Quadratics:
        """``count`` of ``size`` dimensions."""
        matrices = torch.randn(count, size, size, generator=generator)
        return cls(matrices, *torch.randn(2, count, size, generator=generator))

    def start(self) -> Points:
        """x of each."""
        return self.starts

    def __call__(self, weights: Points, step: int) -> Float[Tensor, " f"]:
        """The values."""
        return ((self.matrices @ weights[:, :, None])[:, :, 0] - self.targets).square().sum(dim=1)


@dataclass(frozen=True)
class SmallNetworks:
    """Cross-entropy of networks with one hidden layer, each on points around centres of its own, others at each step.

    Args:
        centres: of the classes of each function.
        starts: the weights to begin with, in one row.
        hidden: units of the hidden layer.
        seed: of the points.
    """

    centres: Float[Tensor, "f k d"]
    starts: Points
    hidden: int
    seed: int

    CLASSES = 10
    INPUTS = 10
    BATCH = 64
    NOISE = 0.7

    @classmethod
    def drawn(cls, count: int, generator: torch.Generator, *, hidden: int = 20) -> SmallNetworks:
        """``count`` networks with ``hidden`` units."""
        centres = torch.randn(count, cls.CLASSES, cls.INPUTS, generator=generator)
        size = (cls.INPUTS + 1) * hidden + (hidden + 1) * cls.CLASSES
        starts = 0.1 * torch.randn(count, size, generator=generator)
        return cls(centres, starts, hidden, int(torch.randint(2**31, (), generator=generator)))

    def start(self) -> Points:
        """The weights to begin with."""
        return self.starts

    def __call__(self, weights: Points, step: int) -> Float[Tensor, " f"]:
        """The losses on the points of a step."""
        points, labels = self._points(step)
        first, second = self.INPUTS * self.hidden, self.hidden * self.CLASSES
        matrix, bias, last, last_bias = weights.split([first, self.hidden, second, self.CLASSES], dim=1)  # type: ignore[no-untyped-call]
        inner = torch.baddbmm(bias[:, None], points, matrix.unflatten(1, (self.INPUTS, self.hidden))).sigmoid()
        logits = torch.baddbmm(last_bias[:, None], inner, last.unflatten(1, (self.hidden, self.CLASSES)))
        losses = F.cross_entropy(logits.flatten(0, 1), labels.flatten(), reduction="none")
        return losses.view(len(weights), -1).mean(dim=1)

    def _points(self, step: int) -> tuple[Float[Tensor, "f m d"], Int64[Tensor, "f m"]]:
        generator = torch.Generator().manual_seed(self.seed + step)
        count = len(self.centres)
        labels = torch.randint(self.CLASSES, (count, self.BATCH), generator=generator)
        noise = self.NOISE * torch.randn(count, self.BATCH, self.INPUTS, generator=generator)
        return self.centres.gather(1, labels[:, :, None].expand(-1, -1, self.INPUTS)) + noise, labels


Draw = Callable[[int, torch.Generator], Functions]
"""Draws so many functions."""


@dataclass(frozen=True)
class Objective:
    """A kind of functions that an optimiser can learn from.

    Args:
        draw: draws some.
        wider: draws some of twice the width, of which an optimiser has learned nothing.
        preprocessing: of their gradients, as in the authors' code.
        functions: how many are learned from at a time.
        tested: how many an optimiser is compared on with the others, and these are tuned on as many.
    """

    draw: Draw
    wider: Draw
    preprocessing: str
    functions: int
    tested: int


OBJECTIVES: dict[str, Objective] = {
    "quadratic": Objective(Quadratics.drawn, partial(Quadratics.drawn, size=20), "identity", 64, 100),
    "network": Objective(SmallNetworks.drawn, partial(SmallNetworks.drawn, hidden=40), "log_and_sign", 4, 24),
}
"""What an optimiser can learn from, by the name that ``--objective`` takes."""
