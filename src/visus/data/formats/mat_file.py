"""MATLAB's files of version 5 (`save -v6` and `-v7`): numbers, texts, cells and structs, read and written.

MathWorks, "MAT-File Format", R2024a, chapter 1. A file is a header of 128 bytes and elements of a type, a length and a
content, which may be compressed; an array is an element of elements. Every length is compared with what is there, so a
damaged file is an error and nothing else.
"""

from __future__ import annotations

import math
import struct
import zlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np

from visus.data.errors import AnnotationError
from visus.data.files.content import read_content

_INT8, _INT32, _UINT32, _DOUBLE, _MATRIX, _COMPRESSED, _UTF8 = 1, 5, 6, 9, 14, 15, 16
_NUMBERS = {1: "i1", 2: "u1", 3: "i2", 4: "u2", 5: "i4", 6: "u4", 7: "f4", 9: "f8", 12: "i8", 13: "u8"}
_TEXTS = {1: "latin-1", 2: "latin-1", 4: "utf-16", 16: "utf-8", 17: "utf-16", 18: "utf-32"}
_CELL, _STRUCT, _CHAR, _OF_DOUBLES, _LAST = 1, 2, 4, 6, 15  # classes of arrays; from doubles on they are numbers
_HEADER = 128
_LARGEST = 1 << 28  # bytes that one element may unfold to
_DEEPEST = 16  # cells in cells

Order = Literal["little", "big"]
Value = Any
"""Numbers as an array of NumPy, a text, the values of a cell as a list, those of a struct as a list of dicts."""


def read_mat(path: Path) -> dict[str, Value]:
    """The variables of a file; cells and structs in the order of MATLAB, column by column.

    Raises:
        AnnotationError: missing, of MATLAB 7.3 (which is HDF5) or 4, damaged, or with values that are none of `Value`.
    """
    data = read_content(path, AnnotationError)
    if data.startswith(b"MATLAB 7.3") or data[:8] == b"\x89HDF\r\n\x1a\n":
        raise AnnotationError(f"{path}: of MATLAB 7.3, which is not read; save it with `save -v7`")
    order: Order | None = {b"IM": "little", b"MI": "big"}.get(data[126:_HEADER])  # type: ignore[assignment]
    if order is None:
        raise AnnotationError(f"{path}: no file of MATLAB 5 to 7 ({len(data)} bytes, without its header)")
    try:
        return dict(_variables(memoryview(data)[_HEADER:], order))
    except (ValueError, LookupError, OverflowError, zlib.error, struct.error) as error:
        raise AnnotationError(f"{path}: a damaged file of MATLAB ({error})") from error


def _variables(data: memoryview, order: Order) -> Iterator[tuple[str, Value]]:
    for kind, content in _elements(data, order):
        if kind == _COMPRESSED:
            unfolding = zlib.decompressobj()
            content = memoryview(unfolding.decompress(content, _LARGEST))
            if not unfolding.eof:
                raise ValueError(f"a compressed part that ends early, or unfolds to more than {_LARGEST:,} bytes")
            kind, content = next(_elements(content, order), (0, content))
        if kind == _MATRIX:
            yield _array(content, order, 0)


def _elements(data: memoryview, order: Order) -> Iterator[tuple[int, memoryview]]:
    """The type and the content of each element."""
    place = 0
    while place < len(data):
        if place + 8 > len(data):
            raise ValueError("an element that ends early")
        word = int.from_bytes(data[place : place + 4], order)
        if word >> 16:  # four bytes or less lie in the head itself
            kind, size, begin = word & 0xFFFF, word >> 16, place + 4
            place += 8
        else:
            kind, size, begin = word, int.from_bytes(data[place + 4 : place + 8], order), place + 8
            place = begin + (size if kind == _COMPRESSED else -(-size // 8) * 8)
        if begin + size > len(data):
            raise ValueError(f"an element of {size} bytes where {len(data) - begin} are left")
        yield kind, data[begin : begin + size]


def _array(data: memoryview, order: Order, depth: int) -> tuple[str, Value]:
    """The name and the value of an array."""
    if not len(data):
        return "", np.empty((0, 0))
    if depth > _DEEPEST:
        raise ValueError("cells are nested too deeply")
    parts = _elements(data, order)
    try:
        flags, sizes, name = (next(parts) for _ in range(3))
        kind = int.from_bytes(flags[1][:4], order) & 0xFF
        shape = _numbers(*sizes, order).tolist()
        count = math.prod(shape)
        if len(shape) < 2 or min(shape) < 0 or count > len(data):
            raise ValueError(f"an array of the shape {shape} in {len(data)} bytes")
        return bytes(name[1]).decode("latin-1"), _value(kind, shape, count, parts, order, depth)
    except (StopIteration, RuntimeError) as error:
        raise ValueError("an array that ends early") from error


def _value(
    kind: int, shape: list[int], count: int, parts: Iterator[tuple[int, memoryview]], order: Order, depth: int
) -> Value:
    """What is in an array behind its class, its shape and its name."""
    if kind == _CELL:
        return [_inner(next(parts), order, depth) for _ in range(count)]
    if kind == _STRUCT:
        length = int(_numbers(*next(parts), order)[0])
        words = bytes(next(parts)[1])
        names = [words[at : at + length].partition(b"\0")[0].decode("latin-1") for at in range(0, len(words), length)]
        return [{name: _inner(next(parts), order, depth) for name in names} for _ in range(count)]
    if kind == _CHAR:
        code, content = next(parts)
        if count and shape[0] != 1:
            raise ValueError("a text of several lines")
        wide = "" if code not in (4, 17, 18) else "-le" if order == "little" else "-be"
        return bytes(content).decode(f"{_TEXTS[code]}{wide}")
    if _OF_DOUBLES <= kind <= _LAST:
        return _numbers(*next(parts), order).reshape(shape, order="F")
    raise ValueError(f"an array of the class {kind}; numbers, texts, cells and structs are read")


def _inner(element: tuple[int, memoryview], order: Order, depth: int) -> Value:
    kind, content = element
    if kind != _MATRIX:
        raise ValueError(f"an element of the type {kind} where an array belongs")
    return _array(content, order, depth + 1)[1]


def _numbers(kind: int, content: memoryview, order: Order) -> Any:
    return np.frombuffer(content, dtype=f"{'<' if order == 'little' else '>'}{_NUMBERS[kind]}")


def write_mat(path: Path, variables: Mapping[str, Value]) -> None:
    """Write a file of numbers, texts, lists (cells) and lists of dicts of the same keys (structs)."""
    header = b"MATLAB 5.0 MAT-file".ljust(124) + struct.pack("<H", 0x0100) + b"IM"
    path.write_bytes(header + b"".join(_written(value, name) for name, value in variables.items()))


def _written(value: Value, name: str = "") -> bytes:
    """An array as an element."""
    if isinstance(value, str):
        return _matrix(_CHAR, len(value), name, _element(_UTF8, value.encode()))
    if isinstance(value, Sequence) and value and isinstance(value[0], Mapping):
        return _matrix(_STRUCT, len(value), name, _fields(value))
    if isinstance(value, Sequence):
        return _matrix(_CELL, len(value), name, b"".join(map(_written, value)))
    return _matrix(_OF_DOUBLES, 1, name, _element(_DOUBLE, struct.pack("<d", value)))


def _fields(rows: Sequence[Mapping[str, Value]]) -> bytes:
    words = b"".join(field.encode().ljust(32, b"\0") for field in rows[0])
    heads = _element(_INT32, struct.pack("<i", 32)) + _element(_INT8, words)
    return heads + b"".join(_written(value) for row in rows for value in row.values())


def _matrix(kind: int, count: int, name: str, content: bytes) -> bytes:
    """A row of ``count`` values."""
    flags, shape = _element(_UINT32, struct.pack("<II", kind, 0)), _element(_INT32, struct.pack("<ii", 1, count))
    return _element(_MATRIX, flags + shape + _element(_INT8, name.encode()) + content)


def _element(kind: int, content: bytes) -> bytes:
    return struct.pack("<II", kind, len(content)) + content + bytes(-len(content) % 8)
