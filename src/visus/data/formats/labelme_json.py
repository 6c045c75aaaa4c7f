"""One JSON file of labelme: which objects its shapes are, and where its image is.

Wada, "Labelme: Image Polygonal Annotation with Python", https://github.com/wkentaro/labelme. A file holds ``shapes``
(each with label, points, group_id, shape_type, flags, mask), ``imagePath`` relative to it, ``imageData`` (the image in
base64, or null), ``imageHeight`` and ``imageWidth`` of the upright image.
"""

from __future__ import annotations

import base64
import json
import math
import os
from collections.abc import Hashable
from functools import partial
from pathlib import Path, PureWindowsPath
from typing import Any
from unicodedata import normalize
from urllib.parse import unquote

import numpy as np
import torch
from jaxtyping import Bool, UInt8
from torch import Tensor

from visus.data.annotators.tool_folder import NO_CATEGORY, split_of
from visus.data.annotators.tool_image import Finding, ToolImage, ToolObject, ellipse, paste_part, rectangle
from visus.data.errors import AnnotationError
from visus.data.files.images import ImageError, decode_image, image_size, read_image
from visus.data.files.json_file import read_json
from visus.data.files.opened import opened
from visus.data.files.suffixes import SUFFIXES
from visus.data.formats.coco_values import Record, are_numbers, is_finite, is_side

_MANY = 1_000_000
_POINTS = {
    "polygon": (3, _MANY),
    "rectangle": (2, 4),
    "oriented_rectangle": (4, 4),
    "rotation": (4, 4),
    "circle": (2, 2),
    "mask": (2, 2),
    "point": (1, 1),
    "line": (1, _MANY),
    "linestrip": (1, _MANY),
    "points": (1, _MANY),
}
"""The fewest and the most points of each ``shape_type``; some programs write all four corners of a rectangle."""
_NO_AREA = ("line", "linestrip", "points")
_HIDDEN = ("hidden", "occluded")


def is_labelme(content: Any) -> bool:
    """Whether the content of a JSON file is labelme's."""
    return isinstance(content, dict) and isinstance(content.get("shapes"), list) and "imagePath" in content


def labelme_image(path: Path, root: Path, content: Record) -> ToolImage:
    """The content of a file, in which `is_labelme`; what cannot be used is left out and told.

    Args:
        path: of the file.
        root: the folder of the data set.
        content: of the file.
    """
    findings: list[Finding] = []
    objects: dict[Hashable, ToolObject] = {}
    points: list[tuple[str, Record]] = []
    for number, shape in enumerate(content["shapes"], start=1):
        if complaint := _complaint(shape):
            findings.append(("malformed shape", "error", f"shape {number} {complaint}"))
            continue
        label, kind, group = shape["label"].strip(), _kind(shape), shape.get("group_id")
        where = f"shape {number} ({kind} {label!r})"
        if kind in _NO_AREA or label in NO_CATEGORY or (kind == "point" and group is None):
            findings.append(("shape left out", "warning", f"{where} is no object"))
        elif kind == "point":
            points.append((where, shape))
        else:
            key = number if group is None else (label, group)
            objects.setdefault(key, ToolObject(label, number, group)).add(_object(shape, label, number))
    for where, shape in points:
        findings += _give(where, shape, [one for one in objects.values() if one.group == shape["group_id"]])
    size, image = _size(content, findings), _image_of(path, content)
    listed = path.relative_to(root).with_suffix("")
    return ToolImage(path, image, size, tuple(objects.values()), tuple(findings), split_of(path, root), listed)


def _object(shape: Record, label: str, number: int) -> ToolObject:
    """An object of one shape."""
    kind, points = _kind(shape), shape["points"]
    found = ToolObject(label, number, outlined=kind != "rectangle", shapes=[json.dumps(shape, sort_keys=True)])
    if kind == "mask":
        found.masks.append((number, partial(_paste, shape)))
    elif kind == "rectangle":
        (left, right), (top, bottom) = ((min(axis), max(axis)) for axis in zip(*points, strict=True))
        found.polygons.append(rectangle(left, top, right, bottom))
    elif kind == "circle":
        (x, y), radius = points[0], math.dist(*points)
        found.polygons.append(ellipse(x, y, radius, radius))
    else:
        found.polygons.append([value for point in points for value in point])
    return found


def _give(where: str, point: Record, owners: list[ToolObject]) -> list[Finding]:
    """Give a keypoint to the only object of its group, or say why not."""
    name = point["label"].strip()
    if not owners:
        return [("shape left out", "warning", f"{where}: no object has its group_id")]
    if len(owners) > 1 or name in owners[0].points:
        why = f"{len(owners)} objects have" if len(owners) > 1 else "a point of the same name has"
        return [("ambiguous keypoint", "error", f"{where}: {why} its group_id {point['group_id']}")]
    hidden = any((point.get("flags") or {}).get(flag) is True for flag in _HIDDEN)
    x, y = point["points"][0]
    owners[0].points[name] = (float(x), float(y), 1.0 if hidden else 2.0)
    return []


def _size(content: Record, findings: list[Finding]) -> tuple[int, int] | None:
    """The (h, w) that a file says, and what is wrong with what it says of the whole image."""
    flags, height, width = content.get("flags"), content.get("imageHeight"), content.get("imageWidth")
    if isinstance(flags, dict) and any(flags.values()):
        findings.append(("flags left out", "warning", f"flags of the image: {', '.join(map(str, flags))}"))
    if height is None or width is None:
        findings.append(("missing image size", "warning", "does not say its height and width: the image does"))
    elif is_side(height) and is_side(width):
        return height, width
    else:
        findings.append(("malformed image size", "error", f"imageHeight is {height!r} and imageWidth {width!r}"))
    return None


def _kind(shape: Record) -> str:
    kind: str = shape.get("shape_type") or "polygon"  # which is not written by the first versions
    return kind


def _complaint(shape: Any) -> str:
    """What makes a shape unusable; empty where it can be used."""
    if not isinstance(shape, dict):
        return "is not an object"
    kind, label, points, group = _kind(shape), shape.get("label"), shape.get("points"), shape.get("group_id")
    if not isinstance(label, str) or not label.strip():
        return f"has the label {label!r}"
    if not isinstance(kind, str) or kind not in _POINTS:
        return f"({label}) is a {kind!r}; known are {', '.join(_POINTS)}"
    if not isinstance(points, list) or not all(are_numbers(p, 2) and all(map(is_finite, p)) for p in points):
        return f"({kind} {label!r}) has points that are not pairs of finite numbers"
    fewest, most = _POINTS[kind]
    if not fewest <= len(points) <= most:
        return f"({kind} {label!r}) has {len(points)} points; {fewest} {'or more ' * (most > fewest)}are needed"
    if not isinstance(group, int | str | None):
        return f"({kind} {label!r}) has the group_id {group!r}; a number or null is needed"
    return "" if isinstance(shape.get("flags"), dict | None) else f"({kind} {label!r}) has flags that are no object"


def _image_of(path: Path, content: Record) -> Path:
    """Where the image is, or where it should be."""
    named = content["imagePath"] if isinstance(content["imagePath"], str) else ""
    if not named.isprintable():  # no such name was meant, and not all of them can be asked for
        named = ""
    said = PureWindowsPath(named.strip() or f"{path.stem}.jpg")  # understands both kinds of slash
    places = [path.parent / said.as_posix(), path.parent / said.name]
    names = [normalize(form, text) for text in (said.name, unquote(said.name)) for form in ("NFC", "NFD")]
    near = [path.with_suffix(end) for suffix in SUFFIXES for end in (suffix, suffix.upper())]
    found = next(
        (place for place in (*places, *(path.parent / name for name in names), *near) if os.path.isfile(place)), None
    )
    return found or (path if isinstance(content.get("imageData"), str) else places[bool(said.anchor)])


def read_labelme_image(path: str | Path) -> UInt8[Tensor, "3 h w"]:
    """The pixels of an image file, or of the image inside a JSON file.

    Raises:
        ImageError: it cannot be read.
    """
    path = Path(path)
    if path.suffix.lower() != ".json":
        return read_image(path)
    try:
        data = base64.b64decode(read_json(path)["imageData"].rpartition("base64,")[2])
    except (AnnotationError, LookupError, TypeError, AttributeError, ValueError) as error:
        raise ImageError(f"{path}: imageData is no image in base64 ({error})") from error
    return decode_image(data, path)


def labelme_image_size(path: str | Path) -> tuple[int, int]:
    """The (h, w) of what `read_labelme_image` gives, of a file from its head alone.

    Raises:
        ImageError: it cannot be read.
    """
    if Path(path).suffix.lower() != ".json":
        return image_size(path)
    _, height, width = read_labelme_image(path).shape
    return height, width


def _paste(shape: Record, drawn: Bool[Tensor, "h w"]) -> None:
    """Add a shape that is the PNG of a part of the image, whose first and last pixel are its points."""
    try:
        with opened(base64.b64decode(shape["mask"]), "its PNG") as image:
            part = torch.from_numpy(np.asarray(image.convert("L")) > 0)
    except (KeyError, TypeError) as error:
        raise ValueError(str(error)) from error
    left, top = (round(min(axis)) for axis in zip(*shape["points"], strict=True))
    paste_part(drawn, part, left, top)
