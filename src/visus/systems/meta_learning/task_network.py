"""The network of MAML and Reptile for many episodes at once, each with weights of its own.

Four times 3x3 convolution of stride 2, batch norm, ReLU; then a linear layer on the mean of the map (MAML, arXiv
1703.03400, section 5.2) or on the whole of it (Reptile). Images are [t, m, h, w, c]; a convolution is the product of
its 3x3 neighbourhoods with the weights, one batched matrix product for all episodes. The norms always use the
statistics of the images that are given together (transductive where these are queries); gain and shift are learned.
"""

from __future__ import annotations

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

LAYERS = 4
EPS = 1e-5
_SIDE = 3
Maps = Float[Tensor, "t m h w c"]


class TaskNetwork(nn.Module):
    """A classifier of images; its weights may have the episodes as an additional first axis.

    Args:
        channels: of the images.
        size: pixels of a side.
        width: channels of each layer.
        n_way: classes.
        averaged: classify by the mean of the last map; otherwise by all of it.
    """

    def __init__(self, *, channels: int, size: int, width: int, n_way: int, averaged: bool) -> None:
        super().__init__()
        inputs = [channels, width, width, width]
        self.kernels = nn.ParameterList(_kernel(c, width) for c in inputs)
        self.gains = nn.ParameterList(torch.ones(1, width) for _ in inputs)
        self.shifts = nn.ParameterList(torch.zeros(1, width) for _ in inputs)
        side = -(-size // 2**LAYERS)
        features = width if averaged else width * side * side
        self.head = nn.Parameter(nn.init.xavier_uniform_(torch.empty(features, n_way)))
        self.bias = nn.Parameter(torch.zeros(1, n_way))
        self.averaged, self.n_way = averaged, n_way

    def forward(self, images: Maps) -> Float[Tensor, "t m n"]:
        """The logits of each image of each episode."""
        maps = images
        for kernel, gain, shift in zip(self.kernels, self.gains, self.shifts, strict=True):
            maps = convolved(maps, kernel)
            active, _, _ = NormRelu.apply(maps.flatten(1, 3), gain, shift)  # type: ignore[no-untyped-call]
            maps = active.view(maps.shape)
        features = maps.mean((2, 3)) if self.averaged else maps.flatten(2)
        return features @ self.head + self.bias


def _kernel(channels: int, width: int) -> Float[Tensor, "k width"]:
    """A kernel as a matrix: a row for each input of a neighbourhood."""
    weights = torch.empty(width, _SIDE * _SIDE * channels)
    return nn.init.xavier_uniform_(weights).T.contiguous()


def convolved(maps: Maps, kernel: Float[Tensor, "*t k d"]) -> Float[Tensor, "t m y x d"]:
    """The 3x3 convolution of stride 2, half of a side smaller, zeros outside."""
    t, m, height, width, _ = maps.shape
    rows = Neighbourhoods.apply(maps)  # type: ignore[no-untyped-call]
    found = rows @ kernel if kernel.ndim == 2 else torch.bmm(rows, kernel)
    return found.view(t, m, _halved(height), _halved(width), -1)


def _halved(side: int) -> int:
    return (side + 1) // 2


class Neighbourhoods(torch.autograd.Function):
    """The 3x3 neighbourhood of every second pixel in one row: [t, m y x, 9 c]; `Scattered` is its transpose."""

    @staticmethod
    def forward(maps: Maps) -> Float[Tensor, "t l k"]:
        """Each neighbourhood, row by row."""
        t, m, h, w, c = maps.shape
        y, x = _halved(h), _halved(w)
        padded = maps.new_zeros(t, m, 2 * y + 1, 2 * x + 1, c)
        padded[:, :, 1 : h + 1, 1 : w + 1] = maps
        a, b, down, right, _ = padded.stride()
        # Three pixels beside each other lie one after the other in memory, so a row of a neighbourhood is one copy.
        shape, steps = (t, m, y, x, _SIDE, _SIDE * c), (a, b, 2 * down, 2 * right, down, 1)
        return padded.as_strided(shape, steps).reshape(t, m * y * x, _SIDE * _SIDE * c)

    @staticmethod
    def setup_context(ctx: Any, inputs: Any, output: Any) -> None:
        """Remembers the shape."""
        ctx.shape = inputs[0].shape

    @staticmethod
    def backward(ctx: Any, slopes: Float[Tensor, "t l k"]) -> Any:
        """The transpose."""
        return Scattered.apply(slopes, tuple(ctx.shape))  # type: ignore[no-untyped-call]


class Scattered(torch.autograd.Function):
    """Adds every neighbourhood where it came from: the transpose of `Neighbourhoods`."""

    @staticmethod
    def forward(rows: Float[Tensor, "t l k"], shape: tuple[int, ...]) -> Maps:
        """The sums."""
        t, m, h, w, c = shape
        y, x = _halved(h), _halved(w)
        padded = rows.new_zeros(t, m, 2 * y + 1, 2 * x + 1, c)
        parts = rows.reshape(t, m, y, x, _SIDE, _SIDE, c)
        for i in range(_SIDE):
            for j in range(_SIDE):
                padded[:, :, i : i + 2 * y : 2, j : j + 2 * x : 2] += parts[..., i, j, :]
        return padded[:, :, 1 : h + 1, 1 : w + 1].contiguous()

    @staticmethod
    def setup_context(ctx: Any, inputs: Any, output: Any) -> None:
        """Nothing to remember: it is linear."""

    @staticmethod
    def backward(ctx: Any, slopes: Maps) -> Any:
        """The transpose of the transpose."""
        return Neighbourhoods.apply(slopes), None  # type: ignore[no-untyped-call]


class NormRelu(torch.autograd.Function):
    """Batch norm over the places of each episode's channels, and ReLU; also the mean and 1 / deviation.

    With them, the gradient of ``relu(gain (x - mean) scale + shift)`` is a multiple of the gradient behind the ReLU, a
    multiple of x and a constant for each channel. It is written in operations that PyTorch differentiates once more,
    few of which touch every number: maps are larger than a cache, so that each passage counts.
    """

    @staticmethod
    def forward(
        rows: Float[Tensor, "t l c"], gain: Float[Tensor, "*t 1 c"], shift: Float[Tensor, "*t 1 c"]
    ) -> tuple[Float[Tensor, "t l c"], Float[Tensor, "t 1 c"], Float[Tensor, "t 1 c"]]:
        """The active maps, the mean, and 1 / sqrt(variance + epsilon)."""
        mean = rows.mean(1, keepdim=True)
        centred = rows - mean
        scale = ((centred * centred).mean(1, keepdim=True) + EPS).rsqrt()  # var_mean takes ten times as long on a CPU
        return torch.addcmul(shift, centred, gain * scale).relu_(), mean, scale

    @staticmethod
    def setup_context(ctx: Any, inputs: Any, output: Any) -> None:
        """Remembers what entered and what it gave."""
        rows, gain, shift = inputs
        ctx.save_for_backward(rows, gain, *output)
        ctx.shape = shift.shape

    @staticmethod
    def backward(
        ctx: Any, slopes: Float[Tensor, "t l c"], of_mean: Float[Tensor, "t 1 c"], of_scale: Float[Tensor, "t 1 c"]
    ) -> Any:
        """The gradient, in operations that can be differentiated."""
        rows, gain, active, mean, scale = ctx.saved_tensors
        count = rows.shape[1]
        slopes = torch.ops.aten.threshold_backward(slopes, active, 0.0)
        total = slopes.sum(1, keepdim=True)
        with_normalised = scale * ((slopes * rows).sum(1, keepdim=True) - mean * total)
        factor = gain * scale
        of_normalised = -(factor * with_normalised + scale.square() * of_scale) / count
        constant = (of_mean - factor * total) / count - of_normalised * scale * mean
        of_rows = torch.addcmul(torch.addcmul(constant, rows, of_normalised * scale), slopes, factor)
        return of_rows, with_normalised.sum_to_size(gain.shape), total.sum_to_size(ctx.shape)
