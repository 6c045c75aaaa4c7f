"""Random damage to one file, which knows the format: its segments, chunks, tags, headers and numbers."""

from __future__ import annotations

import json
import random
import struct
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

from data.mutations import changed_value, flipped, json_file, text_file, written

Way = Callable[[Path, random.Random], str]
_NUMBERS = (0, 1, 2, 3, 7, 8, 16, 255, 256, 32767, 65535, 65536, 2**31 - 1, 2**31, 2**32 - 1)
_SHAPES = ("()", "(0,)", "(3,)", "(4, 2)", "(-1, 3)", "(10**12, 3)", "(2, 3, 4)", "(1, 3)", "'x'", "(5.0, 3)")
_KINDS = ("<f8", "<f4", "<i2", "|b1", "|O", "<c16", "<U4", "|V8", "<f99", "[('a', '<f4')]", ">f8", "<M8[s]")


def parts_changed(parts: list[bytes], generator: random.Random) -> str:
    """One of several parts of a file lost, repeated, moved, cut or with other bytes, in place."""
    place = generator.randrange(len(parts))
    choice, part = generator.randrange(6), bytearray(parts[place])
    if choice == 0:
        del parts[place]
    elif choice == 1:
        parts.insert(place, parts[place])
    elif choice == 2:
        parts.insert(generator.randrange(len(parts)), parts.pop(place))
    elif choice == 3:
        parts[place] = bytes(part[: generator.randrange(len(part) + 1)])
    elif part:
        for _ in range(generator.choice((1, 2, 8))):
            part[generator.randrange(min(len(part), 40))] = generator.choice((0, 1, 2, 127, 128, 254, 255))
        parts[place] = bytes(part)
    return f"part {place} of {len(parts)} ({('lost', 'repeated', 'moved', 'cut', 'changed', 'changed')[choice]})"


def jpeg(file: Path, generator: random.Random) -> str:
    """Segments of a JPEG, the coded pixels as the last."""
    data = file.read_bytes()
    parts, place = [], 2
    while place + 4 <= len(data) and data[place] == 0xFF and data[place + 1] != 0xDA:
        end = place + 2 + int.from_bytes(data[place + 2 : place + 4])
        parts.append(data[place:end])
        place = end
    parts.append(data[place:])
    what = parts_changed(parts, generator)
    written(file, data[:2] + b"".join(parts))
    return what


def png(file: Path, generator: random.Random) -> str:
    """Chunks of a PNG, whose checksums agree afterwards, so that a decoder goes on to what they hold."""
    data = file.read_bytes()
    parts, place = [], 8
    while place + 8 <= len(data):
        size = int.from_bytes(data[place : place + 4])
        parts.append(data[place + 4 : place + 8 + size])
        place += 12 + size
    what = parts_changed(parts, generator)
    chunks = [struct.pack(">I", max(0, len(part) - 4)) + part + struct.pack(">I", zlib.crc32(part)) for part in parts]
    written(file, data[:8] + b"".join(chunks))
    return what


def tiff(file: Path, generator: random.Random) -> str:
    """A tag of the first directory of a TIFF: its number, kind, count or value."""
    data = bytearray(file.read_bytes())
    order = "<" if data[:2] == b"II" else ">"
    start = struct.unpack_from(f"{order}I", data, 4)[0]
    tags = struct.unpack_from(f"{order}H", data, start)[0]
    at = start + 2 + 12 * generator.randrange(tags)
    field, kind = generator.choice(((0, "H"), (2, "H"), (4, "I"), (8, "I"), (8, "I")))
    most = 2**16 if kind == "H" else 2**32
    value = generator.choice(_NUMBERS) % most
    tag = struct.unpack_from(f"{order}H", data, at)[0]
    struct.pack_into(f"{order}{kind}", data, at + field, value)
    written(file, bytes(data))
    return f"tag {tag}, byte {field} = {value}"


def bytes_of_head(file: Path, generator: random.Random) -> str:
    """A few of the first bytes of a file: sizes, kinds and offsets of most formats."""
    data = bytearray(file.read_bytes())
    for _ in range(generator.choice((1, 2, 4))):
        data[generator.randrange(min(len(data), 64))] = generator.choice((0, 1, 2, 8, 16, 127, 128, 255))
    written(file, bytes(data))
    return "other bytes in the first 64"


def npy(file: Path, generator: random.Random) -> str:
    """Shape, kind or order of an array of NumPy's."""
    data = file.read_bytes()
    size = int.from_bytes(data[8:10], "little")
    shape = generator.choice((*_SHAPES, "(9, 3)"))
    head = f"{{'descr': {generator.choice(_KINDS)!r}, 'fortran_order': {generator.random() < 0.5}, 'shape': {shape}}}"
    if generator.random() < 0.3:
        head = head[: generator.randrange(len(head))]
    text = head.encode().ljust(len(head) + 63 - (len(head) + 10) % 64) + b"\n"
    written(file, data[:8] + struct.pack("<H", len(text)) + text + data[10 + size :])
    return head


def glb(file: Path, generator: random.Random) -> str:
    """The JSON of a binary glTF."""
    data = file.read_bytes()
    size = int.from_bytes(data[12:16], "little")
    content, what = changed_value(json.loads(data[20 : 20 + size]), generator)
    text = json.dumps(content).encode()
    text = text.ljust(len(text) + -len(text) % 4)
    body = struct.pack("<I", len(text)) + data[16:20] + text + data[20 + size :]
    written(file, data[:8] + struct.pack("<I", 12 + len(body)) + body)
    return what


def safetensors(file: Path, generator: random.Random) -> str:
    """The header of a file of weights: names, kinds, shapes and places of tensors, and what is said of the network."""
    data = file.read_bytes()
    size = int.from_bytes(data[:8], "little")
    content = json.loads(data[8 : 8 + size])
    told = content.get("__metadata__")
    if told and generator.random() < 0.6:
        name = generator.choice(sorted(told))
        told[name], what = _text_changed(told[name], generator)
        what = f"{name}: {what}"
    else:
        content, what = changed_value(content, generator)
    text = json.dumps(content).encode()
    written(file, struct.pack("<Q", len(text)) + text + data[8 + size :])
    return what


def _text_changed(text: str, generator: random.Random) -> tuple[str, str]:
    """JSON in a text changed, or the text itself."""
    try:
        content: Any = json.loads(text)
    except ValueError:
        content = None
    if content is None or generator.random() < 0.2:
        new = generator.choice(("", "x", "[]", "nan", "-1", text[: len(text) // 2], f"{text}x"))
        return new, f"{new!r:.40}"
    content, what = changed_value(content, generator)
    return json.dumps(content), what


def onnx(file: Path, generator: random.Random) -> str:
    """A node, a weight, an input or an output of a graph, in a file that is valid as such."""
    import onnx as library

    try:
        model = library.load(file)
    except Exception as error:  # of protobuf's own: damaged before
        raise ValueError(str(error)) from error
    graph = model.graph
    rows: Any = generator.choice((graph.node, graph.node, graph.initializer, graph.input, graph.output))
    if not len(rows):
        return flipped(file, generator)
    place = generator.randrange(len(rows))
    one, choice = rows[place], generator.randrange(5)
    if choice == 0:
        del rows[place]
    elif choice == 1:
        rows.add().CopyFrom(one)
    elif choice == 2:
        one.name = generator.choice(("", "x", graph.output[0].name if len(graph.output) else "y"))
    elif rows is graph.node:
        one.op_type = generator.choice(("Add", "Nothing", "Conv", "NonMaxSuppression", "Reshape"))
    elif rows is graph.initializer:
        one.dims[:] = generator.choice(([], [0], [7], [2**40], [-1, 3]))
    else:
        one.type.tensor_type.elem_type = generator.choice((0, 1, 2, 7, 9, 99))
    written(file, model.SerializeToString())
    return f"{one.__class__.__name__} {place} ({choice})"


STRUCTURED: dict[str, Way] = {
    ".jpg": jpeg,
    ".png": png,
    ".tif": tiff,
    ".gif": bytes_of_head,
    ".bmp": bytes_of_head,
    ".webp": bytes_of_head,
    ".pgm": bytes_of_head,
    ".npy": npy,
    ".glb": glb,
    ".stl": bytes_of_head,
    ".safetensors": safetensors,
    ".onnx": onnx,
    ".json": json_file,
    ".off": text_file,
    ".obj": text_file,
    ".xyz": text_file,
    ".ply": text_file,
    ".csv": text_file,
}
"""What knows the format of a file, by its ending."""


def damage_file(file: Path, generator: random.Random) -> str:
    """Changes one file: two thirds of the time by what knows its format, else bits and length; returns what."""
    if generator.random() < 0.34:
        return flipped(file, generator)
    try:
        return STRUCTURED[file.suffix](file, generator)
    except (ValueError, IndexError, UnicodeError, struct.error):  # damaged before
        return flipped(file, generator)
