"""Cheap products of queries with all entries, and bounds of what they get wrong.

Three ways, of which the processor and the number of queries decide:

- ``int8``: queries rounded to bytes, too; products of bytes in 32 bits. The fastest where the processor has
  instructions for that (VNNI).
- ``packed``: queries in bfloat16 times bytes. As fast as the bytes come from memory on any processor, for one query.
- ``float32``: products in single precision of the vectors as they are: for many queries without such instructions.

A product times ``step`` is the score, but for ``errors``: the cosine, or ``q g - |g|^2 / 2``, which orders by distance.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Final, Literal, TypeAlias

import torch
from jaxtyping import Bool, Float, Float64, Int8, Int64, Shaped
from torch import Tensor

from visus.metrics.rounding import product_errors, rounded, rounding_loss, unit_for
from visus.ops.int8 import int8_products

Closeness: TypeAlias = Literal["cosine", "euclidean"]
Screen: TypeAlias = Literal["int8", "packed", "float32"]

MOST_DIMENSIONS: Final = 16_384  # sums of products of bytes stay far from the ends of 32 bits
PACKED: Final = 16  # only vectors of a multiple of so many dimensions are packed
_HIDDEN: Final = -(2**30)
_FEW: Final = 4  # queries that are packed rather than multiplied in single precision
_SINGLE, _HALF = 2.0**-24, 2.0**-9
_PLAIN = 1e12  # lengths from the inverse of this to this are safe in single precision


@dataclass(frozen=True)
class ScanTable:
    """Vectors, ready to be scanned.

    Args:
        ids: of the entries, rising.
        vectors: as they were described.
        codes: their directions (``cosine``) or themselves (``euclidean``), rounded to multiples of ``unit``.
        lengths: of the vectors.
        unit: of the codes.
        loss: the length of the most that rounding took from one.
        closeness: what is near.
    """

    ids: Int64[Tensor, " n"]
    vectors: Float[Tensor, "n d"]
    codes: Int8[Tensor, "n d"]
    lengths: Float64[Tensor, " n"]
    unit: float
    loss: float
    closeness: Closeness

    def __len__(self) -> int:
        return len(self.ids)

    @cached_property
    def longest(self) -> float:
        """The length of the longest of the vectors that were rounded."""
        if self.closeness == "cosine" or not len(self):
            return 1.0 + 1e-6
        return float(self.lengths.max()) * (1 + 1e-6)

    @cached_property
    def plain(self) -> bool:
        """Whether no length is so large or so small that single precision would lose it."""
        lengths = self.lengths[self.lengths > 0]
        return not len(lengths) or (float(lengths.min()) > 1 / _PLAIN and float(lengths.max()) < _PLAIN)

    @cached_property
    def inverse_lengths(self) -> Float[Tensor, " n"]:
        """Of the vectors; 0 of those of zeros."""
        return torch.where(self.lengths > 0, 1 / self.lengths, 0.0).float()


@dataclass(frozen=True)
class Asked:
    """Queries, ready to be multiplied.

    Args:
        vectors: as they were given.
        lengths: of those.
        operand: what is multiplied.
        step: the worth of one in a product.
        errors: by how much a product may be off, in scores.
        screen: how.
    """

    vectors: Float64[Tensor, "q d"]
    lengths: Float64[Tensor, " q"]
    operand: Shaped[Tensor, "q d"]
    step: float
    errors: Float64[Tensor, " q"]
    screen: Screen

    @property
    def margin(self) -> Float64[Tensor, " q"]:
        """By how much two products may be out of order."""
        return 2 * self.errors / self.step + 2 * (self.operand.dtype == torch.int8)


def suitable_screen(table: ScanTable, queries: int) -> Screen:
    """The fastest screen on this processor that the vectors allow."""
    if torch.cpu._is_vnni_supported() or not table.plain:
        return "int8"
    return "packed" if queries <= _FEW and table.vectors.shape[1] % PACKED == 0 else "float32"


def directions(
    vectors: Float[Tensor, "n d"], lengths: Float64[Tensor, " n"], closeness: Closeness
) -> Float[Tensor, "n d"]:
    """What is rounded: vectors of unit length for angles (zeros stay zeros), the vectors themselves for distances."""
    if closeness == "euclidean":
        return vectors.float()
    return torch.where(lengths[:, None] > 0, vectors.double() / lengths[:, None], 0.0).float()


def lengths_of(vectors: Float[Tensor, "n d"]) -> Float64[Tensor, " n"]:
    """The length of each vector, whatever its size."""
    lengths: Tensor = torch.linalg.vector_norm(vectors, dim=1, dtype=torch.float64)
    return lengths


def coded(stand_ins: Float[Tensor, "n d"], unit: float) -> tuple[Int8[Tensor, "n d"], float]:
    """The codes of `directions`, and the length of the most that rounding took from one."""
    codes = rounded(stand_ins, unit)
    return codes, float(rounding_loss(stand_ins, codes, unit).max()) if len(codes) else 0.0


def ask(table: ScanTable, queries: Float[Tensor, "q d"], screen: Screen) -> Asked:
    """Queries, ready for a screen.

    A sum of d products in double or single precision is off by d units of the product of the lengths, whatever the
    order.
    """
    lengths = lengths_of(queries)
    stand_ins = directions(queries, lengths, table.closeness)
    operand, step, errors = _OPERANDS[screen](table, stand_ins)
    sizes = (lengths_of(stand_ins) + table.longest) ** 2
    finest = (queries.shape[1] + 10) * 2.0**-52 * sizes  # of the scores in double precision
    return Asked(queries.double(), lengths, operand, step, errors + finest, screen)


def _int8_operand(table: ScanTable, stand_ins: Tensor) -> tuple[Tensor, float, Tensor]:
    unit = unit_for(float(stand_ins.abs().max()))
    if table.closeness == "euclidean":
        unit = max(unit, table.unit)  # so that squared lengths fit into the products' range
    codes = rounded(stand_ins, unit)
    return codes, unit * table.unit, product_errors(stand_ins, codes, unit, longest=table.longest, loss=table.loss)


def _packed_operand(table: ScanTable, stand_ins: Tensor) -> tuple[Tensor, float, Tensor]:
    if stand_ins.shape[1] % PACKED:  # the product reads whole registers, and would read beyond
        raise ValueError(f"vectors of {stand_ins.shape[1]} dimensions cannot be packed: not a multiple of {PACKED}")
    operand = stand_ins.bfloat16()
    lengths = lengths_of(operand)
    own = lengths_of(stand_ins - operand.float()) * table.longest + lengths * table.loss
    reach = table.longest + table.loss
    cut = _HALF * lengths * reach  # of the product, which is a bfloat16, too
    sums = (stand_ins.shape[1] + 10) * 2 * _SINGLE * (lengths + reach) ** 2
    return operand, table.unit, (own + cut + sums) * (1 + 1e-6)


def _float32_operand(table: ScanTable, stand_ins: Tensor) -> tuple[Tensor, float, Tensor]:
    errors = (stand_ins.shape[1] + 10) * 2 * _SINGLE * (lengths_of(stand_ins) + table.longest) ** 2
    return stand_ins, 1.0, errors


_OPERANDS: Final[dict[Screen, Callable[[ScanTable, Tensor], tuple[Tensor, float, Tensor]]]] = {
    "int8": _int8_operand,
    "packed": _packed_operand,
    "float32": _float32_operand,
}


class Products:
    """Products of queries with some entries at a time, in a buffer that is used again.

    Args:
        table: the entries.
        asked: the queries.
        allowed: the entries that may be found; None for all.
        most: how many entries are asked for at once.
    """

    def __init__(self, table: ScanTable, asked: Asked, allowed: Bool[Tensor, " n"] | None, most: int) -> None:
        self.table, self.asked, self.allowed = table, asked, allowed
        kind = {"int8": torch.int32, "packed": torch.bfloat16, "float32": torch.float32}[asked.screen]
        self.hidden = float(_HIDDEN) if kind is torch.int32 else -torch.inf
        self.least = float(_HIDDEN) / 2 if kind is torch.int32 else -torch.inf  # all that may be found is above
        self._buffer = torch.empty(len(asked.operand) * most * (asked.screen != "packed"), dtype=kind)
        self._ones = torch.ones(most * (asked.screen == "packed"), dtype=torch.bfloat16)

    def __call__(self, rows: slice | Int64[Tensor, " m"]) -> Shaped[Tensor, "q m"]:
        """The products with the entries of ``rows``; those that are not allowed get a very small one."""
        table, operand = self.table, self.asked.operand
        vectors = table.vectors[rows] if self.asked.screen == "float32" else table.codes[rows]
        products = self._multiplied(operand, vectors)
        if self.asked.screen == "float32" and table.closeness == "cosine":
            products *= table.inverse_lengths[rows]
        moved = self._moved(rows)
        if moved is None:
            return products
        return products.add_(moved) if products.dtype != torch.bfloat16 else products.float() + moved

    def _multiplied(self, operand: Tensor, vectors: Tensor) -> Tensor:
        if self.asked.screen == "packed":
            return torch._weight_int8pack_mm(operand, vectors, self._ones[: len(vectors)])
        if self.asked.screen == "float32":  # [m, q] takes two thirds of the time of [q, m]
            out = self._buffer[: len(operand) * len(vectors)].view(len(vectors), len(operand))
            return torch.mm(vectors, operand.T, out=out).T
        out = self._buffer[: len(operand) * len(vectors)].view(len(operand), len(vectors))
        return int8_products(operand, vectors, out=out)

    def _moved(self, rows: slice | Tensor) -> Tensor | None:
        """What is added to all products of an entry: half its squared length for distances, and what hides it."""
        moved = None
        if self.table.closeness == "euclidean":
            moved = -0.5 * self.table.lengths[rows].square() / self.asked.step
        if self.allowed is not None:
            hiding = torch.where(self.allowed[rows], 0.0, self.hidden)
            moved = hiding if moved is None else moved + hiding
        if moved is None:
            return None
        return moved.round().to(torch.int32) if self.asked.screen == "int8" else moved.float()
