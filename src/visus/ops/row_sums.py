"""Weighted sums of rows of several tables, with a gradient that costs as little as the sums.

The sums are embedding bags, and so is their gradient: row i of a table collects the output gradients of the bags that
read it, with the same weights. torch's own gradient of an embedding bag on the CPU adds row after row into memory, which
was measured to take three times as long. Keeping the tables apart avoids the copy that joining them would be.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int, Int64
from torch import Tensor


@dataclass(frozen=True)
class RowSums:
    """Sums that read the same number of rows from the same table: sum ``s`` is ``weights[s] @ table[rows[s]]``.

    ``places`` says which block of the output each group of consecutive sums is: n blocks of s / n sums.
    """

    table: int
    places: Int64[Tensor, " n"]
    rows: Int[Tensor, "s rows"]
    weights: Float[Tensor, "s rows"]


def weighted_row_sums(
    tables: Sequence[Float[Tensor, "_ c"]], parts: Sequence[RowSums], blocks: int, sums: int
) -> Float[Tensor, "blocks sums c"]:
    """Compute all parts, which together fill the ``blocks`` blocks of ``sums`` sums. The gradient flows to the tables.

    Tables and weights have the same type, float32 or float64.
    """
    result: Tensor = _WeightedRowSums.apply(parts, blocks, sums, *tables)
    return result


class _WeightedRowSums(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, parts: Sequence[RowSums], blocks: int, sums: int, *tables: Tensor) -> Tensor:
        ctx.parts, ctx.rows = parts, [len(table) for table in tables]
        if len(parts) == 1:
            return _bags(parts[0], tables).view(blocks, sums, -1)
        out = tables[0].new_empty(blocks, sums, tables[0].shape[1])
        for part in parts:
            out.index_copy_(0, part.places, _bags(part, tables).view(-1, sums, out.shape[2]))
        return out

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        gradient = gradients[0]
        blocks, sums, channels = gradient.shape
        gradient = gradient.reshape(blocks * sums, channels)
        wanted = ctx.needs_input_grad[3:]
        collected = [
            _collect(gradient, [part for part in ctx.parts if part.table == i], count, sums) if wanted[i] else None
            for i, count in enumerate(ctx.rows)
        ]
        return None, None, None, *collected


def _bags(part: RowSums, tables: Sequence[Tensor]) -> Tensor:
    return F.embedding_bag(part.rows, tables[part.table], per_sample_weights=part.weights, mode="sum")


def _collect(gradient: Tensor, parts: Sequence[RowSums], count: int, sums: int) -> Tensor:
    """The gradient of a table of ``count`` rows: a bag for each row, over the sums that read it."""
    if not parts:
        return gradient.new_zeros(count, gradient.shape[1])
    rows = torch.cat([part.rows.flatten() for part in parts])
    weights = torch.cat([part.weights.flatten() for part in parts])
    readers = torch.cat([_readers(part, sums) for part in parts])
    rows, order = rows.sort(stable=True)
    starts = torch.searchsorted(rows, torch.arange(count + 1, dtype=rows.dtype), out_int32=rows.dtype == torch.int32)
    return F.embedding_bag(
        readers[order], gradient, starts, per_sample_weights=weights[order], mode="sum", include_last_offset=True
    )


def _readers(part: RowSums, sums: int) -> Tensor:
    """The number of the sum that each entry of ``part.rows`` belongs to, among all sums of the output."""
    places = part.places.to(part.rows.dtype)[:, None] * sums + torch.arange(sums, dtype=part.rows.dtype)
    return places.flatten()[:, None].expand_as(part.rows).flatten()
