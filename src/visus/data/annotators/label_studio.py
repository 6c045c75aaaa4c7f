"""Tasks of Label Studio (https://labelstud.io/guide/task_format), and the labelling interface that shows them.

Coordinates are per cent of the image. An object is a rectangle, polygons or a brush; its other polygons and its
keypoints name its first region as their parent. A brush is the image with four channels, run by run, in the bits that
Label Studio packs them into.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any
from xml.sax.saxutils import quoteattr

import numpy as np
from jaxtyping import Bool
from torch import Tensor

from visus.data.annotators.drawn import Drawn, DrawnImage, pairs, rounded
from visus.data.formats.coco_values import Record

CONTROLS = {
    "rectanglelabels": ("box", "RectangleLabels"),
    "polygonlabels": ("polygon", "PolygonLabels"),
    "brushlabels": ("brush", "BrushLabels"),
    "keypointlabels": ("keypoint", "KeyPointLabels"),
    "choices": ("class", "Choices"),
}
"""The name and the tag of what draws each type of region."""

_RUN_BITS = (3, 4, 8, 16)  # how long the numbers are that a run's length is written in
_POINT_SIZE = 0.75  # per cent of the width
_DIGITS = 5  # of per cent: a hundredth of a pixel in an image of a thousand


def label_studio_task(image: DrawnImage, *, model: str | None) -> Record:
    """A task.

    Args:
        image: its name is the address of the image.
        model: what predicted the objects; None where people drew them, which makes annotations of them.
    """
    regions = [
        region for number, thing in enumerate(image.objects, start=1) for region in _regions(thing, number, image.size)
    ]
    for number, (name, score) in enumerate(image.classes, start=1):
        regions.append(_region("choices", f"class{number}", image.size, {"choices": [name]}, score))
    scores = [region["score"] for region in regions if "score" in region]
    found: Record = {"result": regions}
    if model is not None:
        found = {"model_version": model, "score": round(sum(scores) / len(scores), 4) if scores else 0.0, **found}
    return {"data": {"image": image.name}, "annotations" if model is None else "predictions": [found]}


def label_studio_config(tasks: Sequence[Record], categories: Sequence[Record]) -> str:
    """The labelling interface of a project that the tasks are to be shown in: the controls that they use.

    Args:
        tasks: of `label_studio_task`.
        categories: with ``name`` and perhaps ``keypoints``.
    """
    kinds = {
        region["type"]
        for task in tasks
        for one in (*task.get("predictions", ()), *task.get("annotations", ()))
        for region in one["result"]
    }
    lines = ["<View>", '  <Image name="image" value="$image" zoom="true"/>']
    names = [category["name"] for category in categories]
    points = list(dict.fromkeys(name for category in categories for name in category.get("keypoints") or ()))
    for kind, (name, tag) in CONTROLS.items():
        if kind not in kinds and not (kind == "rectanglelabels" and not kinds):
            continue
        listed = points if kind == "keypointlabels" else names
        inner = "Choice" if kind == "choices" else "Label"
        lines.append(f'  <{tag} name="{name}" toName="image">')
        for place, text in enumerate(listed):
            index = f' model_index="{place}"' if kind == "keypointlabels" else ""  # the order of keypoints in exports
            lines.append(f"    <{inner} value={quoteattr(text)}{index}/>")
        lines.append(f"  </{tag}>")
    return "\n".join([*lines, "</View>", ""])


def _regions(thing: Drawn, number: int, size: tuple[int, int]) -> list[Record]:
    """The regions of an object: the first is the parent of its other parts and of its keypoints, behind them."""
    found: list[Record] = []

    def add(kind: str, value: Record) -> None:
        name = f"{number}" if not found else f"{number}-{len(found) + 1}"
        whole = {"parentID": found[0]["id"]} if found else {}
        found.append(_region(kind, name, size, value, thing.score) | whole)

    for polygon in thing.polygons:
        points = pairs(_percent(polygon, size))
        add("polygonlabels", {"points": points, "closed": True, "polygonlabels": [thing.name]})
    if thing.mask is not None:
        add("brushlabels", {"format": "rle", "rle": brush_runs(thing.mask), "brushlabels": [thing.name]})
    if not found:
        x1, y1, x2, y2 = _percent(thing.box_xyxy, size)
        box = {"x": x1, "y": y1, "width": round(x2 - x1, _DIGITS), "height": round(y2 - y1, _DIGITS), "rotation": 0}
        add("rectanglelabels", {**box, "rectanglelabels": [thing.name]})
    for point in thing.points:
        x, y = _percent([point.x, point.y], size)
        add("keypointlabels", {"x": x, "y": y, "width": _POINT_SIZE, "keypointlabels": [point.name]})
    return found


def _region(kind: str, name: str, size: tuple[int, int], value: Record, score: float | None) -> Record:
    control, _ = CONTROLS[kind]
    region = {"id": name, "from_name": control, "to_name": "image", "type": kind, "value": value}
    shape = {"original_width": size[1], "original_height": size[0], "image_rotation": 0}
    return {**region, **shape, **({} if score is None else {"score": round(score, 4)})}


def _percent(flat: Sequence[float], size: tuple[int, int]) -> list[float]:
    """Coordinates, x and y in turn, as per cent of the image."""
    height, width = size
    return rounded([100 * value / (height if place % 2 else width) for place, value in enumerate(flat)], _DIGITS)


def brush_runs(mask: Bool[Tensor, "h w"]) -> list[int]:
    """A mask as the bytes of Label Studio's brush: four values a pixel, 0 or 255, in runs.

    The bits say the number of values (32), the bits of a value less one (5) and of the four lengths of a run less one
    (4 each). A run is a 1, which of the lengths it takes (2), its length less one, and its value.
    """
    flat = np.repeat(mask.numpy().reshape(-1), 4)
    edges: list[int] = [0, *(np.flatnonzero(flat[1:] != flat[:-1]) + 1).tolist(), len(flat)]
    bits = [f"{len(flat):032b}", f"{8 - 1:05b}", *(f"{size - 1:04b}" for size in _RUN_BITS)]
    longest = 1 << _RUN_BITS[-1]
    for begin, end in pairwise(edges):
        value = "11111111" if flat[begin] else "00000000"
        for start in range(begin, end, longest):
            length = min(end - start, longest)
            which = next(place for place, size in enumerate(_RUN_BITS) if length <= 1 << size)
            bits.append(f"1{which:02b}{length - 1:0{_RUN_BITS[which]}b}{value}")
    text = "".join(bits)
    return list(int(text + "0" * (-len(text) % 8), 2).to_bytes(-(-len(text) // 8), "big"))


def brush_mask(runs: Sequence[int], size: tuple[int, int]) -> Any:
    """The mask that `brush_runs` wrote, or Label Studio itself: where the last of the four values is above 0.

    Raises:
        ValueError: the bytes are no such runs, or of an image of another size.
    """
    text = "".join(f"{byte:08b}" for byte in runs)
    place = 0

    def read(count: int) -> int:
        nonlocal place
        place += count
        if place > len(text):
            raise ValueError("the runs of a brush break off")
        return int(text[place - count : place], 2)

    total, word = read(32), read(5) + 1
    sizes = [read(4) + 1 for _ in range(4)]
    if total != 4 * size[0] * size[1]:
        raise ValueError(f"a brush of {total // 4} pixels in an image of {size[1]}x{size[0]}")
    values = np.zeros(total, bool)
    filled = 0
    while filled < total:
        same = read(1)
        end = filled + 1 + read(sizes[read(2)])
        if end > total:
            raise ValueError("the runs of a brush go beyond its image")
        values[filled:end] = read(word) > 0 if same else [read(word) > 0 for _ in range(end - filled)]
        filled = end
    return values.reshape(*size, 4)[..., 3]
