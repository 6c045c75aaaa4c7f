"""The regions of a task of Label Studio: which objects they are, of which labels and which keypoints."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Bool
from torch import Tensor

from visus.data.annotators.label_studio import brush_mask
from visus.data.annotators.tool_image import Finding, ToolObject, ellipse, rectangle, turned
from visus.data.files.images import ImageError, image_size
from visus.data.files.opened import pixel_limit
from visus.data.formats.coco_values import Record, are_numbers, is_finite, is_side, is_text, short

_DRAWN = ("rectangle", "ellipse", "polygon", "brush", "keypoint", "bitmask", "vector")  # and those that end in "labels"
_Size = tuple[int, int]


@dataclass
class Regions:
    """Makes objects of the regions of a task.

    Args:
        about: the task, for messages.
        image: the file of its image.
        findings: gets what cannot be used.
    """

    about: str
    image: Path
    findings: list[Finding]
    size: _Size | None = field(default=None, init=False)

    def objects(self, regions: list[Any]) -> tuple[ToolObject, ...]:
        """The objects, in the order of their first regions."""
        labels = _labels_apart(regions)
        found: dict[Any, tuple[ToolObject, Any]] = {}  # with the name of its parent
        points: list[tuple[str, str, Any, tuple[float, float]]] = []
        for number, region in enumerate(regions, start=1):
            if isinstance(region, dict) and region.get("type") == "labels" and str(region.get("id")) in labels.shaped:
                continue
            try:
                drawn = self._drawn(region, labels, number)
            except (ValueError, ImageError) as error:
                self.findings.append(("malformed region", "error", f"{self.about}region {number} {error}"))
                continue
            if isinstance(drawn, ToolObject):
                key = region.get("id")
                found[key if isinstance(key, str) and key not in found else number] = drawn, region.get("parentID")
            elif drawn is not None:
                points.append((f"region {number}", drawn[0], region.get("parentID"), drawn[1]))
        for key in list(found):
            thing, parent = found[key]
            whole = _outermost(found, parent)
            if whole is not None and whole is not thing and whole.label == thing.label:  # a part of the same thing
                whole.add(thing)
                found[key] = (whole, found[key][1])
        for where, name, parent, (x, y) in points:
            owner = _outermost(found, parent)
            if owner is None:
                message = f"{where} (key point {name!r}) has no region as its parent (JSON-MIN keeps none: export JSON)"
                self.findings.append(("region left out", "warning", f"{self.about}{message}"))
            elif name in owner.points:
                message = f"{where}: a key point {name!r} has the same parent"
                self.findings.append(("ambiguous keypoint", "error", f"{self.about}{message}"))
            else:
                owner.points[name] = (x, y, 2.0)
        return tuple({id(thing): thing for thing, _ in found.values()}.values())

    def _drawn(self, region: Any, labels: _Labels, number: int) -> ToolObject | tuple[str, tuple[float, float]] | None:
        """The object of a region, or the name and the place of a key point; None where it is neither.

        Raises:
            ValueError: it cannot be used.
        """
        if not isinstance(region, dict):
            raise ValueError(f"is {short(region)}, which is no object")
        value = region.get("value")
        what = region.get("type")
        drawn = what is None or (isinstance(what, str) and (what in _DRAWN or what.endswith("labels")))
        kind = _kind(value) if isinstance(value, dict) and drawn else None
        if kind is None or not isinstance(value, dict):
            what = what or region.get("from_name") or "value"
            message = f"{self.about}region {number} ({short(what)}) has no shape in an image"
            self.findings.append(("region left out", "warning", message))
            return None
        if region.get("image_rotation"):
            raise ValueError(
                f"is drawn on the image turned by {short(region['image_rotation'])} degrees: turn the file"
            )
        names = _labels(value) or labels.names.get(str(region.get("id")), [])
        if not names:
            message = f"{self.about}region {number} ({kind}) has no label"
            self.findings.append(("region left out", "warning", message))
            return None
        if len(names) > 1 or not is_text(names[0]) or not names[0].strip():
            raise ValueError(f"has the labels {short(names)}: one name is needed")
        shape, size = _SHAPES[kind], self._size_of(region)
        if kind == "key point":
            x, y = _scaled(value, ("x", "y"), size)
            return names[0].strip(), (x, y)
        found = ToolObject(names[0].strip(), number, outlined=kind != "rectangle")
        shape(found, value, size)
        if kind != "brush":
            found.shapes.append(json.dumps(value, sort_keys=True))
        return found

    def _size_of(self, region: Record) -> _Size:
        """The (h, w) of the image that a region is drawn on.

        Raises:
            ValueError: it is none, or another one than that of the regions before.
            ImageError: it is not said, and the image cannot be read.
        """
        height, width = region.get("original_height"), region.get("original_width")
        if height is None or width is None:
            height, width = image_size(self.image)
        if not is_side(height) or not is_side(width) or height * width > pixel_limit():
            raise ValueError(f"says the original_height {short(height)} and the original_width {short(width)}")
        if self.size not in (None, (height, width)):
            raise ValueError(f"is drawn on an image of (h, w) = {(height, width)}, others on one of {self.size}")
        self.size = height, width
        return height, width


@dataclass(frozen=True)
class _Labels:
    """What regions of the type "labels" say of those of the same identifier, and which have shapes of their own."""

    names: dict[str, list[Any]]
    shaped: set[str]


def _labels_apart(regions: list[Any]) -> _Labels:
    """The labels of regions that a separate region gives them."""
    known = [region for region in regions if isinstance(region, dict)]
    names = {
        str(region.get("id")): _labels(region["value"])
        for region in known
        if region.get("type") == "labels" and isinstance(region.get("value"), dict)
    }
    return _Labels(names, {str(region.get("id")) for region in known if region.get("type") in _DRAWN})


def _labels(value: Record) -> list[Any]:
    """What the value of a region says that it is."""
    lists = [names for key, names in value.items() if key.endswith("labels") and isinstance(names, list)]
    return lists[0] if lists else []


def _outermost(found: dict[Any, tuple[ToolObject, Any]], name: Any) -> ToolObject | None:
    """The object of a region with a name, or the whole that it is a part of."""
    if not isinstance(name, str) or name not in found:
        return None
    thing, parent = found[name]
    seen = {name}
    while isinstance(parent, str) and parent in found and parent not in seen and found[parent][0].label == thing.label:
        seen.add(parent)
        thing, parent = found[parent]
    return thing


def _kind(value: Record) -> str | None:
    """What was drawn, by what is said of it."""
    if "rle" in value:
        return "brush"
    if "points" in value:
        return "polygon"
    if "radiusX" in value:
        return "ellipse"
    if "x" in value and "y" in value:
        return "rectangle" if "height" in value else "key point"
    return "bitmask" if "imageDataURL" in value else "vector" if "vertices" in value else None


def _scaled(value: Record, keys: tuple[str, ...], size: _Size) -> list[float]:
    """Numbers of a region, in per cent, as pixels; those across and those down in turn.

    Raises:
        ValueError: one is not finite.
    """
    for key in keys:
        if not is_finite(value.get(key)):
            raise ValueError(f"has the {key} {short(value.get(key))}; a finite number is needed")
    return [value[key] * size[1 - place % 2] / 100 for place, key in enumerate(keys)]


def _turn(value: Record) -> float:
    degrees = value.get("rotation") or 0
    if not is_finite(degrees):
        raise ValueError(f"has the rotation {short(degrees)}; a finite number is needed")
    return float(degrees)


def _add_rectangle(found: ToolObject, value: Record, size: _Size) -> None:
    x, y, width, height = _scaled(value, ("x", "y", "width", "height"), size)
    corners, degrees = rectangle(x, y, x + width, y + height), _turn(value)
    found.outlined = bool(degrees % 360)
    found.polygons.append(turned(corners, x, y, degrees) if found.outlined else corners)


def _add_ellipse(found: ToolObject, value: Record, size: _Size) -> None:
    x, y, across, down = _scaled(value, ("x", "y", "radiusX", "radiusY"), size)
    found.polygons.append(turned(ellipse(x, y, abs(across), abs(down)), x, y, _turn(value)))


def _add_polygon(found: ToolObject, value: Record, size: _Size) -> None:
    points = value["points"]
    if not isinstance(points, list) or not all(are_numbers(p, 2) and all(map(is_finite, p)) for p in points):
        raise ValueError("has points that are not pairs of finite numbers")
    if len(points) < 3:
        raise ValueError(f"has {len(points)} points; 3 or more are needed")
    height, width = size
    found.polygons.append([part for x, y in points for part in (x * width / 100, y * height / 100)])


def _add_brush(found: ToolObject, value: Record, size: _Size) -> None:
    runs = value["rle"]
    if not isinstance(runs, list) or not all(isinstance(byte, int) and 0 <= byte < 256 for byte in runs):
        raise ValueError("has an rle that is no list of bytes")
    found.masks.append((found.number, partial(_paste, bytes(runs), size)))


def _paste(runs: bytes, size: _Size, drawn: Bool[Tensor, "h w"]) -> None:
    drawn |= torch.from_numpy(brush_mask(runs, size))


def _refuse(found: ToolObject, value: Record, size: _Size) -> None:
    raise ValueError("is a shape that is not read: rectangles, ellipses, polygons, brushes and key points are")


_SHAPES: dict[str, Callable[[ToolObject, Record, _Size], None]] = {
    "rectangle": _add_rectangle,
    "ellipse": _add_ellipse,
    "polygon": _add_polygon,
    "brush": _add_brush,
    "bitmask": _refuse,
    "vector": _refuse,
    "key point": _refuse,  # which is no object
}
