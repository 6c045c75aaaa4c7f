"""The file "CVAT for images 1.1" (https://docs.cvat.ai/docs/other/xml_format), and the labels of its project.

An object is a box, polygons or a mask; its keypoints are a skeleton, whose label is that of the object and the word
"keypoints", since a label of CVAT's draws either skeletons or something else. What belongs to one object has one group.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from typing import Any
from xml.sax.saxutils import escape, quoteattr

import numpy as np
from jaxtyping import Bool
from torch import Tensor

from visus.data.annotators.drawn import Drawn, DrawnImage, cropped
from visus.data.formats.coco_values import Record

KEYPOINTS = " keypoints"
"""What the label of a skeleton ends in."""


def cvat_xml(images: Sequence[str], categories: Sequence[Record], *, name: str) -> str:
    """The file.

    Args:
        images: of `cvat_image`.
        categories: with ``name`` and perhaps ``keypoints``.
        name: of the task.
    """
    labels = "".join(
        f"<label><name>{escape(label['name'])}</name><type>{label['type']}</type>"
        f"<attributes></attributes>{f'<parent>{escape(parent)}</parent>' if parent else ''}</label>\n"
        for parent, label in _flat(cvat_labels(categories))
    )
    meta = f"<name>{escape(name)}</name><size>{len(images)}</size><mode>annotation</mode>"
    return (
        '<?xml version="1.0" encoding="utf-8"?>\n<annotations>\n<version>1.1</version>\n'
        f"<meta><task>{meta}\n<labels>\n{labels}</labels></task></meta>\n{''.join(images)}</annotations>\n"
    )


def cvat_labels(categories: Sequence[Record]) -> list[Record]:
    """The labels of a project for such a file, as CVAT's editor of raw labels takes them."""
    found: list[Record] = []
    for category in categories:
        found.append({"name": category["name"], "type": "any", "attributes": []})
        if names := category.get("keypoints") or []:
            parts = [{"name": name, "type": "points", "attributes": []} for name in names]
            svg = _skeleton(names, category.get("skeleton") or [])
            about = {"name": category["name"] + KEYPOINTS, "type": "skeleton", "attributes": []}
            found.append({**about, "sublabels": parts, "svg": svg})
    return found


def cvat_labels_text(categories: Sequence[Record]) -> str:
    """`cvat_labels` as JSON."""
    return json.dumps(cvat_labels(categories), indent=1) + "\n"


def cvat_image(image: DrawnImage, number: int) -> str:
    """The element of an image, the ``number``-th from 0 of its task."""
    height, width = image.size
    lines = [f'<image id="{number}" name={quoteattr(image.name)} width="{width}" height="{height}">\n']
    for group, thing in enumerate(image.objects, start=1):
        lines += _shapes(thing, group)
    lines += [f'<tag label={quoteattr(name)} source="{_source(score)}"></tag>\n' for name, score in image.classes]
    return "".join([*lines, "</image>\n"])


def _shapes(thing: Drawn, group: int) -> list[str]:
    """The elements of an object."""
    parts = [("polygon", f'points="{_points(polygon)}"') for polygon in thing.polygons]
    if thing.mask is not None:
        left, top, part = cropped(thing.mask)
        high, wide = part.shape
        runs = ", ".join(map(str, row_runs(part)))
        parts.append(("mask", f'rle="{runs}" left="{left}" top="{top}" width="{wide}" height="{high}"'))
    if not parts:
        x1, y1, x2, y2 = (f"{value:.2f}" for value in thing.box_xyxy)
        parts.append(("box", f'xtl="{x1}" ytl="{y1}" xbr="{x2}" ybr="{y2}"'))
    joined = f' group_id="{group}"' if len(parts) + bool(thing.points) > 1 else ""
    usual = f'source="{_source(thing.score)}" z_order="0"'
    label = f"label={quoteattr(thing.name)}"
    found = [f'<{kind} {label} {usual}{joined} occluded="0" {rest}></{kind}>\n' for kind, rest in parts]
    if thing.points:
        points = "".join(
            f'<points label={quoteattr(point.name)} {usual} outside="0" occluded="{int(point.hidden)}" '
            f'points="{point.x:.2f},{point.y:.2f}"></points>\n'
            for point in thing.points
        )
        found.append(f"<skeleton label={quoteattr(thing.name + KEYPOINTS)} {usual}{joined}>\n{points}</skeleton>\n")
    return found


def _source(score: float | None) -> str:
    return "manual" if score is None else "auto"


def _points(flat: Sequence[float]) -> str:
    return ";".join(f"{x:.2f},{y:.2f}" for x, y in zip(flat[::2], flat[1::2], strict=True))


def row_runs(mask: Bool[Tensor, "h w"]) -> list[int]:
    """Lengths of the runs of a mask row by row, the first of them not of the mask (0 where its first pixel is)."""
    flat = mask.numpy().reshape(-1)
    edges = np.concatenate(([0], np.flatnonzero(flat[1:] != flat[:-1]) + 1, [len(flat)]))
    runs: list[int] = np.diff(edges).tolist()
    return [0, *runs] if flat[0] else runs


def runs_mask(runs: Sequence[str], size: tuple[int, int]) -> Any:
    """The mask [h w], as an array, of the runs that `row_runs` gives.

    Args:
        runs: as text.
        size: (h, w) of the mask.

    Raises:
        ValueError: they are no numbers, or do not fill the mask.
    """
    lengths = [int(run) for run in runs]
    if min(lengths) < 0 or sum(lengths) != size[0] * size[1]:
        raise ValueError(f"runs that do not fill a mask of {size[1]}x{size[0]}")
    return np.repeat(np.arange(len(lengths)) % 2 == 1, lengths).reshape(size)


def _flat(labels: Sequence[Record]) -> list[tuple[str, Record]]:
    """Labels and the parts of skeletons, each with the name of the skeleton that it is a part of."""
    return [
        pair
        for label in labels
        for pair in (("", label), *((label["name"], part) for part in label.get("sublabels", ())))
    ]


def _skeleton(names: Sequence[str], edges: Sequence[Sequence[int]]) -> str:
    """The drawing of a skeleton that CVAT's editor begins with: its keypoints on a circle, in a square of 100."""
    turns = [math.tau * place / len(names) for place in range(len(names))]
    places = [(50 + 40 * math.sin(turn), 50 - 40 * math.cos(turn)) for turn in turns]
    lines = "".join(
        f'<line x1="{places[a - 1][0]:.2f}" y1="{places[a - 1][1]:.2f}" x2="{places[b - 1][0]:.2f}" '
        f'y2="{places[b - 1][1]:.2f}" stroke="black" stroke-width="0.5" data-type="edge" '
        f'data-node-from="{a}" data-node-to="{b}"></line>'
        for a, b in edges
    )
    nodes = "".join(
        f'<circle r="1.5" stroke="black" fill="#b3b3b3" cx="{x:.2f}" cy="{y:.2f}" stroke-width="0.1" '
        f'data-type="element node" data-element-id="{place}" data-node-id="{place}" '
        f"data-label-name={quoteattr(name)}></circle>"
        for place, (name, (x, y)) in enumerate(zip(names, places, strict=True), start=1)
    )
    return lines + nodes
