"""Weighted sums of rows of several tables on the CPU, with a gradient that costs as little as the sums.

The sums are embedding bags, and so is their gradient: row i of a table collects the output gradients of the sums that
read it, with the same weights. Three things make this fast. The gradient is gathered in order, where torch's own for an
embedding bag adds row after row into memory. The tables stay apart, since joining them would copy them. And sums are
made in batches that fit in the cache and put into memory that comes in huge pages, since the first touch of each small
page of a large new tensor costs more than the arithmetic.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float, Int, Int64
from torch import Tensor

BATCH_BYTES = 2**22
"""The size of the batches of sums."""


@dataclass(frozen=True)
class RowSums:
    """Sums that read the same number of rows from the same table: sum ``i`` is ``weights[i] @ tables[table][rows[i]]``.

    ``places`` [n] names the blocks of the output that the sums fill, one block after the other.
    """

    table: int
    places: Int64[Tensor, " n"]
    rows: Int[Tensor, "n_sums rows"]
    weights: Float[Tensor, "n_sums rows"]


def weighted_row_sums(
    tables: Sequence[Float[Tensor, "_ c"]], parts: Sequence[RowSums], blocks: int, sums: int
) -> Float[Tensor, "{blocks} {sums} c"]:
    """Compute the parts, which together fill ``blocks`` blocks of ``sums`` sums each.

    The gradient flows to the tables. Tables and weights are all float32 or all float64, on the CPU.
    """
    out: Tensor = _WeightedRowSums.apply(parts, blocks, sums, *tables)  # type: ignore[no-untyped-call]
    return out


class _WeightedRowSums(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, parts: Sequence[RowSums], blocks: int, sums: int, *tables: Tensor) -> Tensor:
        ctx.parts, ctx.rows = parts, [len(table) for table in tables]
        out = torch.from_numpy(np.empty((blocks, sums, tables[0].shape[1]), _numpy_type(tables[0])))
        step = max(1, BATCH_BYTES // (out[:1].nbytes or 1))
        for part in parts:
            table = tables[part.table].detach()
            for i in range(0, len(part.places), step):
                some = slice(i * sums, (i + step) * sums)
                bags = F.embedding_bag(part.rows[some], table, per_sample_weights=part.weights[some], mode="sum")
                out.index_copy_(0, part.places[i : i + step], bags.view(-1, sums, out.shape[2]))
        return out

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        gradient = gradients[0]
        sums = gradient.shape[1]
        rows = gradient.reshape(-1, gradient.shape[2])
        tables = [
            _gradient_of_table([part for part in ctx.parts if part.table == i], count, rows, sums) if wanted else None
            for i, (count, wanted) in enumerate(zip(ctx.rows, ctx.needs_input_grad[3:], strict=True))
        ]
        return None, None, None, *tables


def _gradient_of_table(parts: Sequence[RowSums], count: int, gradient: Tensor, sums: int) -> Tensor:
    """Collect the gradient of the ``count`` rows of a table from the sums that read them."""
    channels = gradient.shape[1]
    out = torch.from_numpy(np.zeros((count, channels), _numpy_type(gradient)))
    if not parts:
        return out
    rows, order = torch.cat([part.rows.flatten() for part in parts]).sort(stable=True)
    readers = torch.cat([_readers(part, sums) for part in parts])[order]
    weights = torch.cat([part.weights.flatten() for part in parts])[order]
    rows, counts = torch.unique_consecutive(rows, return_counts=True)
    ends = counts.cumsum(0)
    starts, rows = (ends - counts).to(readers.dtype), rows.long()

    step = max(1, BATCH_BYTES // (gradient[:1].nbytes or 1))
    first = 0
    for i, last in zip(range(0, len(rows), step), [*ends[step - 1 :: step].tolist(), len(order)], strict=False):
        bags = F.embedding_bag(
            readers[first:last],
            gradient,
            starts[i : i + step] - first,
            per_sample_weights=weights[first:last],
            mode="sum",
        )
        out.index_copy_(0, rows[i : i + step], bags)
        first = last
    return out


def _readers(part: RowSums, sums: int) -> Tensor:
    """For each entry of ``part.rows``, the number of the sum that reads it, among all sums of the output."""
    first = part.places.to(part.rows.dtype)[:, None] * sums
    return (first + torch.arange(sums, dtype=first.dtype)).flatten().repeat_interleave(part.rows.shape[1])


def _numpy_type(tensor: Tensor) -> str:
    return str(tensor.dtype).removeprefix("torch.")
