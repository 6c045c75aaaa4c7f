"""The columns of a table that hold keypoints: x and y of each in columns of their own, or a row for each keypoint.

- wide: ``nose_x``, ``nose_y`` and perhaps ``nose_v`` for each keypoint, or ``x0, y0, x1, y1, x2, y2 ...``;
- long: ``x``, ``y`` and perhaps ``v`` with the name in a column called keypoint (point, landmark, joint, part ...).

A visibility is 0 (not labelled), 1 (hidden) or 2 (visible) as in COCO's format. A point without numbers, with NaN or
with two negative ones, as -1 -1, is not labelled.
"""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from visus.data.formats.coco_values import short

KEYPOINT = ("keypoint", "keypointname", "point", "pointname", "landmark", "joint", "bodypart", "part")
"""What the column of a keypoint's name is called in a table with a row for each."""
OBJECT = ("object", "objectid", "instance", "instanceid", "person", "personid", "face", "faceid", "annotationid")
"""What the column is called that tells the objects of an image apart in such a table."""
_AXES = {"x": "x", "y": "y", "v": "v", "vis": "v", "visible": "v", "visibility": "v"}
_FORMS = (
    re.compile(r"(?P<name>.+)[_\-. ](?P<axis>x|y|v|vis|visible|visibility)", re.IGNORECASE),
    re.compile(r"(?P<axis>x|y|v)[_\-. ]?(?P<name>\d+)", re.IGNORECASE),
    re.compile(r"(?P<name>.*\d)(?P<axis>x|y|v)", re.IGNORECASE),
    re.compile(r"(?P<name>.*[a-z])(?P<axis>[XYV])"),
)
_NO_POINTS = ("bbox", "box", "image", "size")

Point = tuple[str, float, float, float]
"""The name of a keypoint, its x and y, and its visibility; 0 0 0 where it is not labelled."""


@dataclass(frozen=True)
class PointColumns:
    """Where a table has its keypoints.

    Args:
        places: the columns of x, y and, where there is one, the visibility, by the name of each keypoint; of a table
            with a row for each keypoint a single place under the name "".
        name: the column of the names in such a table.
        instance: the column in it that tells objects apart.
        by_label: whether the column of the names is that of the labels.
    """

    places: dict[str, tuple[int, int, int | None]]
    name: int | None = None
    instance: int | None = None
    by_label: bool = False

    def read(self, cells: Sequence[str]) -> tuple[Point, ...]:
        """The keypoints of a row.

        Raises:
            ValueError: a cell that cannot be used; says why.
        """
        named = self.places if self.name is None else {cells[self.name].strip(): self.places[""]}
        if "" in named:
            raise ValueError("has no name of a keypoint")
        return tuple((name, *_point(name, cells, place)) for name, place in named.items())


def find_points(heads: Sequence[str], *, boxes: Collection[str]) -> PointColumns | None:
    """The columns of keypoints among the names of all columns; None where there are none.

    Args:
        heads: the names.
        boxes: those that are part of a box, in plain letters and digits.

    Raises:
        ValueError: columns that may be meant in two ways, or of which one is missing.
    """
    plain = [plain_name(head) for head in heads]
    if "x" in plain and "y" in plain:
        return _long(plain)
    axes: dict[str, dict[str, int]] = {}
    for place, head in enumerate(heads):
        match = next((match for form in _FORMS if (match := form.fullmatch(head.strip()))), None)
        if match and plain[place] not in boxes and plain_name(match["name"]) not in _NO_POINTS:
            axes.setdefault(match["name"].strip(), {})[_AXES[match["axis"].lower()]] = place
    axes = {name: found for name, found in axes.items() if found.keys() & {"x", "y"}}
    if {name for name in axes if name.isdecimal()} <= {"1", "2"}:  # a box, or a part of one
        axes = {name: found for name, found in axes.items() if not name.isdecimal()}
    if not axes:
        return None
    if axes.keys() == {"0", "1"}:
        raise ValueError(
            "x0, y0, x1, y1 may be a box or two keypoints; a box is x1, y1, x2, y2, points are a_x, a_y ..."
        )
    if {"width", "height"} <= set(plain) and len(axes) == 1:
        raise ValueError("a point with width and height may be the centre or a corner of a box; give x1, y1, x2, y2")
    if lacking := next((name for name, found in axes.items() if not {"x", "y"} <= found.keys()), None):
        raise ValueError(f"the keypoint {lacking} has only one of the columns for x and y")
    names = {name: f"keypoint {name}" if name.isdecimal() else name for name in axes}
    return PointColumns({names[name]: (found["x"], found["y"], found.get("v")) for name, found in axes.items()})


def plain_name(head: str) -> str:
    """The name of a column in small letters and digits alone."""
    return "".join(c for c in head.lower() if c.isalnum())


def _long(plain: Sequence[str]) -> PointColumns:
    """The columns of a table with a row for each keypoint."""
    if {"width", "height"} <= set(plain):
        raise ValueError("x, y, width, height may be a box by its centre or its corner; give x1, y1, x2, y2")
    own = [plain.index(name) for name in KEYPOINT if name in plain]
    names = own or [plain.index(name) for name in ("label", "labelname", "name") if name in plain]
    if not names:
        raise ValueError(f"x and y are points without a column for their names ({', '.join(KEYPOINT)})")
    seen = next((plain.index(axis) for axis, kind in _AXES.items() if kind == "v" and axis in plain), None)
    instance = next((plain.index(name) for name in OBJECT if name in plain), None)
    return PointColumns({"": (plain.index("x"), plain.index("y"), seen)}, names[0], instance, not own)


def _point(name: str, cells: Sequence[str], place: tuple[int, int, int | None]) -> tuple[float, float, float]:
    across, down = cells[place[0]].strip(), cells[place[1]].strip()
    said = "" if place[2] is None else cells[place[2]].strip()
    try:
        x, y, visible = float(across or "nan"), float(down or "nan"), float(said or "2")
    except ValueError:
        raise ValueError(f"has the keypoint {name} at {short(across)}, {short(down)}: numbers are needed") from None
    if visible not in (0, 1, 2):
        raise ValueError(f"has the keypoint {name} with the visibility {short(visible)}, which is none of 0, 1, 2")
    if (math.isnan(x) and math.isnan(y)) or (x < 0 and y < 0) or visible == 0:
        return 0.0, 0.0, 0.0
    if not (math.isfinite(x) and math.isfinite(y)):
        raise ValueError(f"has the keypoint {name} at {short(across)}, {short(down)}: two numbers are needed")
    return x, y, visible
