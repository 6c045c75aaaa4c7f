"""A list of byte strings, or of names of files, in two tensors.

Python counts references inside every object, so a worker process that merely reads a shared list of objects writes to
all of its pages and ends up with a copy of its own. Two tensors hold any number of records in two objects: memory stays
flat over epochs and workers, and a worker that is started afresh shares them instead of copying.
"""

from __future__ import annotations

import os
from collections.abc import Iterable

import numpy as np
import torch

from visus.data.errors import AnnotationError


class ByteTable:
    """Immutable byte strings, addressed by position.

    Args:
        records: the strings, read once.
    """

    def __init__(self, records: Iterable[bytes]) -> None:
        data = bytearray()
        ends = [0]
        for record in records:
            data += record
            ends.append(len(data))
        self._data = torch.frombuffer(data, dtype=torch.uint8) if data else torch.empty(0, dtype=torch.uint8)
        self._ends = torch.from_numpy(np.asarray(ends, dtype=np.int64))

    def __len__(self) -> int:
        return len(self._ends) - 1

    def __getitem__(self, index: int) -> bytes:
        if not 0 <= index < len(self):
            raise IndexError(f"record {index} of {len(self)}")
        first, last = self._ends[index : index + 2].tolist()
        return self._data[first:last].numpy().tobytes()


class NameTable:
    """Immutable names of files, addressed by position. Names on disk need not be UTF-8 (see `os.fsdecode`).

    Args:
        names: the names, read once.

    Raises:
        AnnotationError: a name with half a character, which no file can have.
    """

    def __init__(self, names: Iterable[str]) -> None:
        self._table = ByteTable(file_name_bytes(name) for name in names)

    def __len__(self) -> int:
        return len(self._table)

    def __getitem__(self, index: int) -> str:
        return os.fsdecode(self._table[index])


def file_name_bytes(name: str) -> bytes:
    """The bytes of a name of a file, from which `os.fsdecode` makes the name again.

    Raises:
        AnnotationError: no file can have this name.
    """
    try:
        return os.fsencode(name)
    except UnicodeEncodeError as error:
        raise AnnotationError(f"{name!a}: no file can have this name ({error.reason})") from error
