"""The outlines of a COCO annotation: polygons, or run lengths in either form, to masks.

Everything is drawn through hotcoco, which fills polygons exactly as pycocotools does.
"""

from __future__ import annotations

import json
import struct
from array import array
from collections.abc import Sequence
from typing import Any, cast

import hotcoco.mask
import numpy as np
import torch
from jaxtyping import Bool
from torch import Tensor

from visus.data.formats.coco_values import Record, outline_problem
from visus.ops.outlines import rle_of

Segmentation = list[list[float]] | Record
"""Polygons as flat lists of x and y, or run lengths as ``{"size": [h, w], "counts": ...}``."""


def pack_polygons(record: Record) -> Record:
    """Replace well-formed polygons in a record by the bytes of their numbers, a sixth of the memory.

    It is given every object of a JSON file while that is parsed; what it does not know it leaves alone.
    """
    segmentation = record.get("segmentation")
    if isinstance(segmentation, list) and segmentation and outline_problem(segmentation) is None:
        record["segmentation"] = packed(segmentation)
    return record


def packed(segmentation: Segmentation | bytes | None) -> bytes:
    """The bytes of an outline: of polygons their number, their lengths and all numbers, of run lengths their JSON."""
    if not segmentation:
        return b""
    if isinstance(segmentation, bytes):
        return segmentation
    if isinstance(segmentation, dict):
        return json.dumps(segmentation, separators=(",", ":")).encode()
    polygons = [polygon for polygon in segmentation if len(polygon) >= 6]
    if not polygons:
        return b""
    lengths = struct.pack(f"<{len(polygons) + 1}I", len(polygons), *map(len, polygons))
    return lengths + b"".join(array("d", polygon).tobytes() for polygon in polygons)


def unpacked(data: bytes) -> Segmentation:
    """The outline that `packed` wrote."""
    if data.startswith(b"{") and data.endswith(b"}"):
        try:
            return cast("Record", json.loads(data))
        except ValueError:  # 123 polygons or more, whose number begins like a brace
            pass
    (count,) = struct.unpack_from("<I", data)
    place, polygons = 4 * (count + 1), []
    for length in struct.unpack_from(f"<{count}I", data, 4):
        numbers = array("d")
        numbers.frombytes(data[place : place + 8 * length])
        polygons.append(numbers.tolist())
        place += 8 * length
    return polygons


def segmentation_of(annotation: Record) -> Segmentation | None:
    """The polygons of at least three corners, or the run lengths, of an object; None where it has neither."""
    segmentation = annotation.get("segmentation")
    if isinstance(segmentation, bytes):
        return unpacked(segmentation) if segmentation else None
    if isinstance(segmentation, list):
        return [polygon for polygon in segmentation if isinstance(polygon, list) and len(polygon) >= 6] or None
    return segmentation or None


def polygon_area(polygon: Sequence[float]) -> float:
    """The area of a polygon that does not cross itself, from its x and y in turn (shoelace formula)."""
    across, down = polygon[::2], polygon[1::2]
    turned = zip(across, down, [*across[1:], across[0]], [*down[1:], down[0]], strict=True)
    return abs(sum(x * next_y - next_x * y for x, y, next_x, next_y in turned)) / 2


def draw_segments(segments: Sequence[Any], size: tuple[int, int]) -> Bool[Tensor, "n h w"]:
    """Draw the mask of each object; arguments and errors as for `rle_of`."""
    if not segments:
        return torch.zeros(0, *size, dtype=torch.bool)
    runs = [rle_of(segmentation, size) for segmentation in segments]
    by_column = hotcoco.mask.decode(runs).transpose(2, 1, 0)  # [n, w, h]
    masks = np.zeros((len(runs), *size), dtype=bool)
    # Exchanging rows and columns is slow, so only the pixels in the bounds of each object are copied.
    for mask, drawn, bounds in zip(masks, by_column, hotcoco.mask.toBbox(runs), strict=True):
        left, top, width, height = (int(side) for side in bounds)
        rows, columns = slice(top, top + height), slice(left, left + width)
        mask[rows, columns] = drawn[columns, rows].T
    return torch.from_numpy(masks)
