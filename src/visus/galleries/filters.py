"""Filters on what is known of entries: ``camera=2``, ``year>=2020``; and the columns in which they are looked up.

A column has a small number for each entry, and a list of the values that the numbers mean. So a condition is decided
once for each value, not for each entry.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import torch
from jaxtyping import Bool, Int32, Int64
from torch import Tensor

from visus.galleries.entry import Value
from visus.galleries.errors import GalleryError
from visus.galleries.store import Description
from visus.names import suggestion

_COMPARED: Final[dict[str, Callable[[Value, Value], bool]]] = {
    "=": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
_CONDITION = re.compile(r"\s*([^=<>!]+?)\s*(<=|>=|!=|=|<|>)\s*(.*?)\s*")
_ABSENT = 0


@dataclass(frozen=True)
class Condition:
    """What a field of an entry has to be; an entry without the field does not fulfil it.

    Args:
        field: its name.
        compared: ``=``, ``!=``, ``<``, ``<=``, ``>`` or ``>=``.
        value: with what. Numbers are compared as numbers where both are, anything else as text.
    """

    field: str
    compared: str
    value: Value

    def fulfilled_by(self, value: Value) -> bool:
        """Whether a value of the field does."""
        one, other = _as_number(value), _as_number(self.value)
        compare = _COMPARED[self.compared]
        if one is None or other is None:
            return bool(compare(as_text(value), as_text(self.value)))
        return bool(compare(one, other))


def condition(text: str) -> Condition:
    """The condition that a text such as ``year>=2020`` says.

    Raises:
        GalleryError: it says none.
    """
    found = _CONDITION.fullmatch(text)
    if found is None or not found[3]:
        raise GalleryError(f"{text!r}: no condition; write a field, one of {' '.join(_COMPARED)} and a value: camera=2")
    return Condition(found[1], found[2], found[3])


def as_text(value: Value) -> str:
    """A value as it is written in a condition: ``true`` and ``false`` for what is so or not.

    >>> as_text(True), as_text(2), as_text("2")
    ('true', '2', '2')
    """
    return str(value).lower() if isinstance(value, bool) else str(value)


def _as_number(value: Value) -> float | None:
    if isinstance(value, bool):
        return None
    try:
        return float(value)
    except ValueError:
        return None


@dataclass
class _Column:
    """``numbers`` of the entries' values: 0 for an entry without the field, else 1 + the place in ``values``."""

    numbers: Int32[np.ndarray, " n"]
    values: list[Value]


class Columns:
    """The metadata of all entries, by field.

    Args:
        descriptions: of entries, in any order; those that are not searched do not matter.
        ids: of the rows that are searched.
    """

    def __init__(self, descriptions: Iterable[Description], ids: Int64[Tensor, " n"]) -> None:
        found: dict[str, tuple[list[int], list[int], dict[tuple[type, Value], int]]] = {}
        gone: list[int] = []
        rows_of = {number: row for row, number in enumerate(ids.tolist())}
        for entry in descriptions:
            row = rows_of.get(entry.id)
            if row is None:
                continue
            if entry.gone:
                gone.append(row)
            for name, value in entry.metadata.items():
                rows, numbers, known = found.setdefault(name, ([], [], {}))
                rows.append(row)
                numbers.append(known.setdefault((type(value), value), len(known) + 1))
        self.present = torch.ones(len(ids), dtype=torch.bool)
        self.present[gone] = False
        self._columns = {name: self._column(*parts) for name, parts in found.items()}

    def _column(self, rows: list[int], numbers: list[int], known: dict[tuple[type, Value], int]) -> _Column:
        column = np.zeros(len(self.present), dtype=np.int32)
        column[rows] = numbers
        return _Column(column, [value for _, value in known])

    @property
    def fields(self) -> dict[str, int]:
        """How many values each field has."""
        return {name: len(column.values) for name, column in self._columns.items()}

    def allowed(self, conditions: Sequence[Condition], *, gone: bool = False) -> Bool[Tensor, " n"]:
        """The entries that fulfil all conditions.

        Args:
            conditions: what is wanted.
            gone: whether entries whose files are gone count, too.

        Raises:
            GalleryError: a condition on a field that no entry has.
        """
        allowed = self.present.clone() if not gone else torch.ones_like(self.present)
        for one in conditions:
            column = self._column_of(one.field)
            fits = np.array([False, *(one.fulfilled_by(value) for value in column.values)])
            allowed &= torch.from_numpy(fits[column.numbers])
        return allowed

    def numbers(self, field: str) -> Int32[Tensor, " n"]:
        """A number for each entry, equal for equal values of a field, 0 where it has none.

        Raises:
            GalleryError: no entry has the field.
        """
        return torch.from_numpy(self._column_of(field).numbers)

    def values(self, field: str) -> list[Value]:
        """The values that `numbers` means, from number 1 on.

        Raises:
            GalleryError: as for `numbers`.
        """
        return self._column_of(field).values

    def _column_of(self, field: str) -> _Column:
        if field not in self._columns:
            raise GalleryError(f"no entry has a field {field!r}{suggestion(field, self._columns)}")
        return self._columns[field]
