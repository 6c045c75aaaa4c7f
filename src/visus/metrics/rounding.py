"""Vectors in whole numbers of one byte, and a bound of what their dot products then get wrong.

For ``q = q' + a`` and ``g = g' + b``, where ``q'`` and ``g'`` are the rounded vectors, ``|q g - q' g'|`` is at most
``|a| |g| + |q'| |b|`` (Cauchy and Schwarz). The lengths are those of the vectors at hand, not of the worst ones.
"""

from __future__ import annotations

import torch
from jaxtyping import Float, Float64, Int8
from torch import Tensor

LARGEST = 127
_UP = 1 + 1e-6  # lengths are computed in single precision: rounded up by more than that loses


def rounded(vectors: Float[Tensor, "n d"], unit: float) -> Int8[Tensor, "n d"]:
    """The vectors as multiples of ``unit``, those beyond `LARGEST` cut."""
    return (vectors / unit).round_().clamp_(-LARGEST, LARGEST).to(torch.int8)


def unit_for(largest: float) -> float:
    """The unit in which ``largest`` is the largest number of a byte."""
    return max(largest, 1e-30) / LARGEST


def rounding_loss(vectors: Float[Tensor, "n d"], codes: Int8[Tensor, "n d"], unit: float) -> Float64[Tensor, " n"]:
    """The length of what rounding took from each vector; not less than it is."""
    lost: Tensor = torch.linalg.vector_norm(vectors - codes * unit, dim=1, dtype=torch.float64)
    return lost * _UP


def product_errors(
    queries: Float[Tensor, "q d"], codes: Int8[Tensor, "q d"], unit: float, *, longest: float, loss: float
) -> Float64[Tensor, " q"]:
    """By how much the dot product of rounded vectors may differ from that of the vectors, for each query.

    Args:
        queries: of one side.
        codes: the same, rounded.
        unit: of those.
        longest: the length of the longest vector of the other side.
        loss: the largest `rounding_loss` of the other side.
    """
    own = rounding_loss(queries, codes, unit)
    bound = own * longest + (codes.double().norm(dim=1) * unit) * loss
    lengths: Tensor = torch.linalg.vector_norm(queries, dim=1, dtype=torch.float64)
    errors: Tensor = bound * _UP + 1e-6 * lengths * longest
    return errors
