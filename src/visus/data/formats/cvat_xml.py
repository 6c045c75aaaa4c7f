"""The file "CVAT for images 1.1": which objects the shapes of an image are.

https://docs.cvat.ai/docs/manual/advanced/xml_format/. ``image`` elements hold ``box``, ``polygon``, ``ellipse``,
``mask`` and ``skeleton`` elements, with coordinates in pixels of the upright image; ``meta`` lists the labels.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from functools import partial
from pathlib import Path, PureWindowsPath
from xml.etree import ElementTree
from xml.etree.ElementTree import Element

import torch
from jaxtyping import Bool
from torch import Tensor

from visus.data.annotators.cvat import KEYPOINTS, runs_mask
from visus.data.annotators.tool_folder import split_of
from visus.data.annotators.tool_image import Finding, ToolImage, ToolObject, ellipse, paste_part, rectangle, turned
from visus.data.files.opened import pixel_limit
from visus.data.files.splits import split_called
from visus.data.files.walk import ImageFinder
from visus.data.formats.coco_values import is_finite, is_side, short

_NO_OBJECTS = ("tag", "points", "polyline", "cuboid", "skeleton")
"""Types of labels that no object of ours has."""
_Size = tuple[int, int]


def cvat_labels(tree: Element) -> list[str]:
    """The labels of objects that the head of a file lists, in their order."""
    listed = [label for label in tree.iterfind("meta//label") if not (label.findtext("parent") or "").strip()]
    kinds = {(label.findtext("name") or "").strip(): (label.findtext("type") or "").strip() for label in listed}
    return [name for name, kind in kinds.items() if name and kind not in _NO_OBJECTS]


def cvat_image(element: Element, path: Path, root: Path, finder: ImageFinder) -> ToolImage:
    """An ``image`` element; what cannot be used is left out and told.

    Args:
        element: of the image.
        path: of the file.
        root: the folder of the data set.
        finder: finds images.
    """
    name, about = element.get("name", ""), f"image {element.get('name') or short(element.get('id'))}: "
    findings: list[Finding] = []
    parts = PureWindowsPath(name.replace("\\", "/")).parts
    inside = "/".join(part for part in parts if part not in ("..", ".", "/", "\\") and not part.endswith((":", ":\\")))
    if not inside or not name.isprintable():
        findings.append(("malformed image", "error", f"{about}has the name {short(name)}"))
        inside = "nameless"
    place = finder.find(inside)
    size = _size(element, about, findings)
    objects = _objects(element, size, about, findings)
    subset = split_called(element.get("subset", "")) or split_of(path, root, path.stem)
    split = subset or (split_of(place, root) if place else "")
    image = place or finder.folders[0] / inside
    return ToolImage(path, image, size, objects, tuple(findings), split, Path(inside).with_suffix(""), about)


def _size(element: Element, about: str, findings: list[Finding]) -> _Size | None:
    """The (h, w) that an element says of its image."""
    said = element.get("height"), element.get("width")
    if said == (None, None):
        findings.append(("missing image size", "warning", f"{about}does not say its height and width: the image does"))
        return None
    try:
        height, width = (int(text or "") for text in said)
    except ValueError:
        height = width = 0
    if is_side(height) and is_side(width) and height * width <= pixel_limit():
        return height, width
    findings.append(("malformed image size", "error", f"{about}height and width are {said[0]!r} and {said[1]!r}"))
    return None


def _objects(element: Element, size: _Size | None, about: str, findings: list[Finding]) -> tuple[ToolObject, ...]:
    """The objects of an image, in the order of their first shapes."""
    objects: dict[Hashable, ToolObject] = {}
    skeletons: list[ToolObject] = []
    unread: set[str] = set()
    for number, shape in enumerate(element, start=1):
        label, group = shape.get("label", "").strip(), shape.get("group_id", "0").strip()
        where = f"{about}shape {number} ({shape.tag} {label!r})"
        unread.update(attribute.get("name", "") for attribute in shape.iterfind("attribute"))
        if shape.tag not in _SHAPES:
            findings.append(("shape left out", "warning", f"{where} is no object"))
            continue
        found = ToolObject(label, number, group, outlined=shape.tag != "box")
        try:
            if not label:
                raise ValueError("has no label")
            _SHAPES[shape.tag](found, shape, size)
        except ValueError as error:
            findings.append(("malformed shape", "error", f"{where} {error}"))
            continue
        if shape.tag == "skeleton":
            skeletons.append(found)
        else:
            if shape.tag != "mask":
                found.shapes.append(ElementTree.tostring(shape, "unicode").strip())
            key: Hashable = number if group in ("", "0") else (label, group)
            objects.setdefault(key, ToolObject(label, number, group)).add(found)
    for name in sorted(unread):
        findings.append(("attribute left out", "warning", f"{about}the attribute {name!r} has no place in a data set"))
    alone = [found for found in skeletons if not _given(found, list(objects.values()))]
    for found in alone:
        if not found.points:
            findings.append(("shape left out", "warning", f"{about}shape {found.number} has no keypoint inside"))
    return (*objects.values(), *(found for found in alone if found.points))


def _given(skeleton: ToolObject, objects: list[ToolObject]) -> bool:
    """Gives the keypoints of a skeleton to the only object of its group, if there is one without any.

    A skeleton whose label ends as those that visus writes is called as the object in any case.
    """
    name = skeleton.label.removesuffix(KEYPOINTS)
    near = [one for one in objects if one.group == skeleton.group] if skeleton.group not in ("", "0") else []
    owners = [one for one in near if one.label == name] or near
    if len(owners) == 1 and not owners[0].points:
        owners[0].points = skeleton.points
        return True
    skeleton.label = name or skeleton.label
    return False


def _numbers(shape: Element, *names: str) -> list[float]:
    """Attributes as numbers.

    Raises:
        ValueError: one is no finite number.
    """
    return [_number(shape.get(name), name) for name in names]


def _number(text: str | None, name: str) -> float:
    try:
        value = float(text or "")
    except ValueError:
        value = float("nan")
    if not is_finite(value):
        raise ValueError(f"has the {name} {short(text)}; a finite number is needed")
    return value


def _corners(shape: Element) -> list[float]:
    """The points of a shape, x and y in turn.

    Raises:
        ValueError: they are none.
    """
    pairs = [pair.split(",") for pair in shape.get("points", "").split(";")]
    if not all(len(pair) == 2 for pair in pairs):
        raise ValueError(f"has the points {short(shape.get('points'))}; pairs x,y with semicolons are needed")
    return [_number(text, "coordinate") for pair in pairs for text in pair]


def _turn(shape: Element) -> float:
    return _number(shape.get("rotation", "0"), "rotation")


def _add_box(found: ToolObject, shape: Element, size: _Size | None) -> None:
    left, top, right, bottom = _numbers(shape, "xtl", "ytl", "xbr", "ybr")
    corners, degrees = rectangle(left, top, right, bottom), _turn(shape)
    found.outlined = bool(degrees % 360)
    middle = (left + right) / 2, (top + bottom) / 2
    found.polygons.append(turned(corners, *middle, degrees) if found.outlined else corners)


def _add_ellipse(found: ToolObject, shape: Element, size: _Size | None) -> None:
    x, y, across, down = _numbers(shape, "cx", "cy", "rx", "ry")
    found.polygons.append(turned(ellipse(x, y, abs(across), abs(down)), x, y, _turn(shape)))


def _add_polygon(found: ToolObject, shape: Element, size: _Size | None) -> None:
    corners = _corners(shape)
    if len(corners) < 6:
        raise ValueError(f"has {len(corners) // 2} points; 3 or more are needed")
    found.polygons.append(corners)


def _add_mask(found: ToolObject, shape: Element, size: _Size | None) -> None:
    left, top, width, height = (round(value) for value in _numbers(shape, "left", "top", "width", "height"))
    if not (is_side(width) and is_side(height) and width * height <= pixel_limit()):
        raise ValueError(f"has the width {width} and the height {height}")
    found.masks.append((found.number, partial(_paste, shape.get("rle", ""), (height, width), left, top)))


def _paste(runs: str, size: _Size, left: int, top: int, drawn: Bool[Tensor, "h w"]) -> None:
    paste_part(drawn, torch.from_numpy(runs_mask(runs.split(","), size)), left, top)


def _add_skeleton(found: ToolObject, shape: Element, size: _Size | None) -> None:
    found.outlined = False  # it has no outline
    for point in shape.iterfind("points"):
        name = point.get("label", "").strip()
        if not name or name in found.points:
            raise ValueError(f"has {'a point without a label' if not name else f'two points {name!r}'}")
        x, y, *more = _corners(point)
        if more:
            raise ValueError(f"has several places for the point {name!r}")
        if point.get("outside") != "1":
            found.points[name] = (x, y, 1.0 if point.get("occluded") == "1" else 2.0)


_SHAPES: dict[str, Callable[[ToolObject, Element, _Size | None], None]] = {
    "box": _add_box,
    "ellipse": _add_ellipse,
    "polygon": _add_polygon,
    "mask": _add_mask,
    "skeleton": _add_skeleton,
}
