"""Euclidean distances between the embeddings of a batch, made for losses: one matrix product, gradients never NaN.

All distances come from inner products, ``|x|^2 + |y|^2 - 2 x.y``, of embeddings moved to their mean, which changes no
distance and saves digits. What is below the rounding error of that formula counts as 0. A distance of 0 has the
gradient 0: two equal embeddings have no direction in which to part.

A gradient with respect to distances comes back to the embeddings as one matrix product more, with ``s[i, j]`` the slope
of the loss in the squared distance of i and j, made symmetric: ``2 (sum_j s[i, j] x_i - sum_j s[i, j] x_j)``. So a loss
that knows its slopes in closed form (``loss_with_slopes``) keeps a single n x n matrix until the backward pass.

Half precision is computed in float32, inside autocast too, forward and backward: no matrix product is left to it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor

ROUNDING = (2.0, 0.25)
"""Squared distances are less by ``2 + sqrt(d) / 4`` units of rounding of ``|x|^2 + |y|^2``, so that equal points get 0.

Inner products of the same two vectors differ by where they stand in the matrix, as each library sums in an order of its
own; such differences grow with the root of the dimensions. Seen in float64: 3.6 units at 512 dimensions, 7.1 at 4096.
"""

SPARSE = 16
"""Pairs in a list are put in a dense matrix once there is more than one for this many entries of it."""


def checked_embeddings(
    embeddings: Float[Tensor, "n d"], labels: Int64[Tensor, " m"], normalise: bool
) -> Float[Tensor, "n d"]:
    """The embeddings in at least float32, with length 1 if ``normalise``; those of length 0 stay, without a gradient.

    Raises:
        ValueError: an embedding is NaN or infinite, the batch is empty, or the labels do not belong to it.
    """
    if embeddings.ndim != 2 or not len(embeddings):
        raise ValueError(f"embeddings need the shape [n, d] with n > 0, not {list(embeddings.shape)}")
    if labels.shape != embeddings.shape[:1]:
        raise ValueError(f"labels need the shape [{len(embeddings)}], one for each embedding, not {list(labels.shape)}")
    if embeddings.dtype in (torch.float16, torch.bfloat16):
        embeddings = embeddings.float()
    if not embeddings.detach().sum().isfinite():  # one number to look at; the rows only when it is bad
        rows = (~embeddings.isfinite().all(dim=1)).nonzero()[:, 0].tolist()
        if rows:
            raise ValueError(f"embeddings {rows[:8]} are NaN or infinite: lower the learning rate or clip gradients")
    return unit_length(embeddings) if normalise else embeddings


def unit_length(embeddings: Float[Tensor, "n d"]) -> Float[Tensor, "n d"]:
    """Each row divided by its length; rows of length 0 stay, and have no gradient."""
    out: Tensor = _UnitLength.apply(embeddings)  # type: ignore[no-untyped-call]
    return out


def inverse_lengths(embeddings: Float[Tensor, "n d"]) -> Float[Tensor, "n 1"]:
    """One over the length of each row, however tiny or huge that is; 0 for rows of length 0."""
    largest = embeddings.abs().amax(dim=1, keepdim=True)
    largest = torch.where(largest > 0, largest, torch.ones_like(largest))
    length = torch.linalg.vector_norm(embeddings / largest, dim=1, keepdim=True)  # 0, or from 1 to the root of d
    inverse: Tensor = (length > 0) / length.clamp_min(1) / largest
    return inverse.clamp_max_(torch.finfo(inverse.dtype).max)


def inner_products(one: Float[Tensor, "n d"], other: Float[Tensor, "m d"]) -> Float[Tensor, "n m"]:
    """``one @ other.T`` in the precision of its arguments, forward and backward, inside autocast too."""
    out: Tensor = _InnerProducts.apply(one, other)  # type: ignore[no-untyped-call]
    return out


def products_of_rows(one: Float[Tensor, "n d"], other: Float[Tensor, "n d"]) -> Float[Tensor, "n 1"]:
    """The inner product of each row with its counterpart, in the precision of the arguments; without a gradient."""
    with torch.no_grad(), torch.autocast(one.device.type, enabled=False):
        products: Tensor = torch.linalg.vecdot(one, other)
    return products[:, None]


def same_class(labels: Int64[Tensor, " n"]) -> Bool[Tensor, "n n"]:
    """Whether two items have the same label; every item with itself, too."""
    return labels[:, None] == labels[None, :]


def positive_pairs(labels: Int64[Tensor, " n"], *, ordered: bool) -> tuple[Int64[Tensor, " p"], Int64[Tensor, " p"]]:
    """Rows and columns of the pairs of one class: each pair once, the lower index first, or in both orders."""
    same = same_class(labels)
    same = same.fill_diagonal_(False) if ordered else same.triu_(1)
    rows, columns = same.nonzero(as_tuple=True)
    return rows, columns


@dataclass(frozen=True)
class Distances:
    """The distances of a batch, without a gradient of their own.

    Args:
        centred: the embeddings moved to their mean, with their gradient.
        squared: squared distances; exactly 0 on the diagonal.
    """

    centred: Float[Tensor, "n d"]
    squared: Float[Tensor, "n n"]

    def root(self) -> Float[Tensor, "n n"]:
        """Euclidean distances."""
        return self.squared.sqrt()


def distances_of(embeddings: Float[Tensor, "n d"]) -> Distances:
    """Measure a batch."""
    centred = embeddings - embeddings.detach().mean(dim=0)
    with torch.no_grad():
        squared = inner_products(centred, centred)
        lengths = squared.diagonal().clone()  # not from sums of squares: equal rows then give exactly 0
        units = ROUNDING[0] + ROUNDING[1] * centred.shape[1] ** 0.5
        lengths.mul_(1 - units * torch.finfo(squared.dtype).eps)
        squared.mul_(-2).add_(lengths[:, None]).add_(lengths[None, :])
        squared.clamp_min_(0).fill_diagonal_(0)
    return Distances(centred, squared)


def pairwise_distances(embeddings: Float[Tensor, "n d"], *, squared: bool = False) -> Float[Tensor, "n n"]:
    """All distances of a batch, with a gradient."""
    found = distances_of(embeddings)
    out: Tensor = _AllPairs.apply(found.centred, found.squared)  # type: ignore[no-untyped-call]
    return out if squared else safe_root(out)


def distances_of_pairs(
    found: Distances, rows: Int64[Tensor, "*p"], columns: Int64[Tensor, "*p"]
) -> Float[Tensor, "*p"]:
    """The squared distances of some pairs, with a gradient that costs as much as the pairs are many."""
    rows, columns = rows.expand_as(columns), columns.expand_as(rows)
    out: Tensor = _SomePairs.apply(found.centred, found.squared, rows, columns)  # type: ignore[no-untyped-call]
    return out


def over_distances(slopes: Float[Tensor, "*p"], distances: Float[Tensor, "*p"]) -> Float[Tensor, "*p"]:
    """Derivatives in squared distances from those in distances, in place: dD / dD^2 = 1 / 2D, and 0 at 0."""
    return slopes.div_(distances).nan_to_num_(nan=0.0, posinf=0.0, neginf=0.0).mul_(0.5)


def safe_root(squared: Float[Tensor, "*p"]) -> Float[Tensor, "*p"]:
    """The square root, with the gradient 0 at 0."""
    return (squared + (squared == 0)).sqrt() * (squared > 0)


def loss_with_slopes(
    found: Distances, value: Float[Tensor, ""], slopes: Float[Tensor, "n n"], *, symmetric: bool
) -> Float[Tensor, ""]:
    """A loss whose value and derivatives are known already.

    Args:
        found: the distances that the loss is made of.
        value: the loss.
        slopes: its derivative in each squared distance, ``[i, j]`` and ``[j, i]`` apart.
        symmetric: the slopes are a symmetric matrix.
    """
    out: Tensor = _KnownSlopes.apply(found.centred, value, slopes, symmetric)  # type: ignore[no-untyped-call]
    return out


def _descend(centred: Tensor, slopes: Tensor, symmetric: bool) -> Tensor:
    """The gradient in the embeddings of ``sum slopes * squared distances``."""
    both = slopes if symmetric else slopes + slopes.T
    factor = 4.0 if symmetric else 2.0
    with torch.autocast(centred.device.type, enabled=False):
        sums = both.sum(dim=1, keepdim=True)
        return torch.addmm(sums * centred, both, centred, beta=factor, alpha=-factor)


class _UnitLength(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, embeddings: Tensor) -> Tensor:
        scale = inverse_lengths(embeddings)
        out: Tensor = embeddings * scale
        ctx.save_for_backward(out, scale)
        return out

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        out, scale = ctx.saved_tensors
        along = products_of_rows(gradients[0], out)
        moved: Tensor = torch.addcmul(gradients[0], out, along, value=-1).mul_(scale)
        return moved


class _InnerProducts(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, one: Tensor, other: Tensor) -> Tensor:
        ctx.save_for_backward(one, other)
        with torch.autocast(one.device.type, enabled=False):
            return one @ other.T

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, Tensor | None]:
        one, other = ctx.saved_tensors
        with torch.autocast(one.device.type, enabled=False):
            to_one = gradients[0] @ other if ctx.needs_input_grad[0] else None
            to_other = gradients[0].T @ one if ctx.needs_input_grad[1] else None
        return to_one, to_other


class _AllPairs(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, centred: Tensor, squared: Tensor) -> Tensor:
        ctx.save_for_backward(centred)
        return squared.clone()

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        (centred,) = ctx.saved_tensors
        return _descend(centred, gradients[0], symmetric=False), None


class _SomePairs(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, centred: Tensor, squared: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
        ctx.save_for_backward(centred, rows, columns)
        return squared[rows, columns]

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None, None]:
        centred, rows, columns = ctx.saved_tensors
        n, slopes = len(centred), gradients[0].flatten()
        rows, columns = rows.flatten(), columns.flatten()
        if len(slopes) * SPARSE > n * n:
            dense = slopes.new_zeros(n, n).index_put_((rows, columns), slopes, accumulate=True)
            return _descend(centred, dense, symmetric=False), None, None, None
        slopes = slopes.repeat(2)
        rows, columns = torch.cat((rows, columns)), torch.cat((columns, rows))
        sums = slopes.new_zeros(n).index_add_(0, rows, slopes)[:, None]
        both = torch.sparse_coo_tensor(torch.stack((rows, columns)), slopes, (n, n), check_invariants=False)
        with torch.autocast(centred.device.type, enabled=False):
            gradient = torch.sparse.addmm(sums * centred, both, centred, beta=2.0, alpha=-2.0)
        return gradient, None, None, None


class _KnownSlopes(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, centred: Tensor, value: Tensor, slopes: Tensor, symmetric: bool) -> Tensor:
        ctx.save_for_backward(centred, slopes)
        ctx.symmetric = symmetric
        return value.clone()

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None, None]:
        centred, slopes = ctx.saved_tensors
        return _descend(centred, slopes, ctx.symmetric).mul_(gradients[0]), None, None, None
