"""Draws the figures of the pages of problems: how each kind of network works, as docs/pictures/NAME.svg.

    python scripts/figures.py            # writes all of them
    python scripts/figures.py --check    # writes nothing; fails where a file is not what this script draws

Boxes stand in a grid, arrows go between them. Each figure has a light ground of its own, so that it can be read on a
light and on a dark page.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path

OUT = Path(__file__).resolve().parents[1] / "docs" / "pictures"
LETTER, LINE, PADDING = 9.6, 24, 18
GAP_X, GAP_Y, MARGIN, TOP = 64, 34, 36, 78
GROUND, INK, ARROW = "#fbfaf7", "#22303c", "#5a6b7b"
FILLS = {
    "given": ("#ffffff", "#9aa7b3"),
    "learned": ("#e3edf8", "#2f6fb2"),
    "fixed": ("#eef0f2", "#7d8a96"),
    "found": ("#e2f3ec", "#2c8a6b"),
}
"""The colours of a box by what it is: data, a part that learns, a part that does not, a result."""


@dataclass(frozen=True)
class Box:
    """One box.

    Args:
        column: of the grid.
        row: of the grid; halves stand between two rows.
        kind: a key of `FILLS`.
        lines: the title and what is said below it.
    """

    column: int
    row: float
    kind: str
    lines: tuple[str, ...]

    @property
    def width(self) -> float:
        """As wide as its longest line."""
        return max(len(line) for line in self.lines) * LETTER + 2 * PADDING

    @property
    def height(self) -> float:
        """As high as its lines."""
        return len(self.lines) * LINE + PADDING


@dataclass(frozen=True)
class Figure:
    """A figure.

    Args:
        title: above it, and for those who cannot see it.
        boxes: by the name that arrows use.
        arrows: from box to box.
    """

    title: str
    boxes: Mapping[str, Box]
    arrows: Sequence[tuple[str, str]]


def box(column: int, row: float, kind: str, text: str) -> Box:
    """A box whose lines are divided by bars."""
    return Box(column, row, kind, tuple(text.split("|")))


FIGURES: dict[str, Figure] = {
    "classification": Figure(
        "Classification and localisation",
        {
            "image": box(0, 0.5, "given", "image|any size"),
            "transform": box(1, 0.5, "fixed", "resize|normalise"),
            "backbone": box(2, 0.5, "learned", "backbone|ResNet, VGG,|MobileNetV3, Lite0"),
            "classes": box(3, 0, "learned", "pooling, linear|logits of the classes"),
            "cells": box(3, 1, "learned", "box head|of each cell: four distances|and a weight"),
            "scores": box(4, 0, "found", "class and score|the five likeliest"),
            "box": box(4, 1, "found", "box|weighted mean of the cells"),
        },
        [
            ("image", "transform"),
            ("transform", "backbone"),
            ("backbone", "classes"),
            ("backbone", "cells"),
            ("classes", "scores"),
            ("cells", "box"),
        ],
    ),
    "segmentation": Figure(
        "Semantic segmentation",
        {
            "image": box(0, 1, "given", "image|any size"),
            "backbone": box(1, 1, "learned", "backbone|strides 4 to 32; the last|stages may dilate instead"),
            "fcn": box(2, 0, "learned", "FCN|scores of several stages,|summed"),
            "segnet": box(2, 1, "learned", "SegNet|unpool by the indices of the|maxima, then filter"),
            "deeplab": box(2, 2, "learned", "DeepLabv3|atrous convolutions of four|rates and the whole image"),
            "logits": box(3, 1, "learned", "logits|of each class, coarse"),
            "map": box(4, 0.5, "found", "class of every pixel|enlarged, the largest"),
            "loss": box(4, 1.5, "fixed", "loss|enlarged, against the labels;|255 does not count"),
        },
        [
            ("image", "backbone"),
            ("backbone", "fcn"),
            ("backbone", "segnet"),
            ("backbone", "deeplab"),
            ("fcn", "logits"),
            ("segnet", "logits"),
            ("deeplab", "logits"),
            ("logits", "map"),
            ("logits", "loss"),
        ],
    ),
    "metric_learning": Figure(
        "Metric learning: one class lies together, also one that was never trained on",
        {
            "images": box(0, 0.5, "given", "images|a few of each class"),
            "backbone": box(1, 0.5, "learned", "backbone|ResNet, GoogLeNet,|BN-Inception, Lite0"),
            "head": box(2, 0.5, "learned", "pooling, linear|128 to 512 numbers"),
            "unit": box(3, 0.5, "fixed", "unit length|the embedding"),
            "loss": box(4, 0, "fixed", "loss over pairs, triplets,|clusters or proxies|one class near, others apart"),
            "search": box(4, 1, "found", "nearest embeddings|recall@K, MAP@R on|classes never seen"),
        },
        [("images", "backbone"), ("backbone", "head"), ("head", "unit"), ("unit", "loss"), ("unit", "search")],
    ),
    "faces": Figure(
        "Faces: found, aligned, embedded",
        {
            "photo": box(0, 0.5, "given", "photograph"),
            "pyramid": box(1, 0.5, "fixed", "pyramid|all sizes in one canvas"),
            "detector": box(2, 0.5, "learned", "detector|seven convolutions,|then suppression"),
            "points": box(3, 0, "learned", "five points|15 x 500 regression|trees"),
            "chip": box(3, 1, "fixed", "aligned face|150 x 150 pixels"),
            "embedding": box(4, 1, "learned", "residual network|29 layers, 128 numbers"),
            "who": box(4, 0, "found", "verify, identify, group|by distance, under .6"),
        },
        [
            ("photo", "pyramid"),
            ("pyramid", "detector"),
            ("detector", "points"),
            ("points", "chip"),
            ("chip", "embedding"),
            ("embedding", "who"),
        ],
    ),
    "reidentification": Figure(
        "Re-identification: the same one, seen by other cameras",
        {
            "query": box(0, 0, "given", "query|individual 7, camera 2"),
            "gallery": box(0, 1, "given", "gallery|all cameras"),
            "descriptor": box(1, 0.5, "learned", "descriptor|the same for both"),
            "distances": box(2, 0.5, "fixed", "distances|of queries to the gallery"),
            "rule": box(3, 0, "fixed", "camera rule|its own images by its own|camera do not count"),
            "rerank": box(3, 1, "fixed", "re-ranking|k-reciprocal neighbours,|where asked for"),
            "ranking": box(4, 0.5, "found", "ranking|CMC, mAP, mINP"),
        },
        [
            ("query", "descriptor"),
            ("gallery", "descriptor"),
            ("descriptor", "distances"),
            ("distances", "rule"),
            ("distances", "rerank"),
            ("rule", "ranking"),
            ("rerank", "ranking"),
        ],
    ),
    "galleries": Figure(
        "A gallery: filled once, asked many times",
        {
            "images": box(0, 0, "given", "images|a folder, or the parts|that a detector finds"),
            "describe": box(1, 0, "learned", "descriptor|one vector each"),
            "store": box(
                2, 0, "fixed", "store|vector, path, fields by the|SHA-256 of the pixels;|the vectors as bytes, too"
            ),
            "query": box(0, 1, "given", "query|images, parts, filters"),
            "vector": box(1, 1, "learned", "descriptor|the same weights"),
            "scan": box(2, 1, "fixed", "scan of all bytes|a bound of the rounding|leaves a few"),
            "exact": box(3, 1, "fixed", "double precision|compares those"),
            "nearest": box(4, 1, "found", "the nearest, exactly|and how likely chance is"),
        },
        [
            ("images", "describe"),
            ("describe", "store"),
            ("store", "scan"),
            ("query", "vector"),
            ("vector", "scan"),
            ("scan", "exact"),
            ("exact", "nearest"),
        ],
    ),
    "scene_graphs": Figure(
        "From an image to its scene graph",
        {
            "image": box(0, 0.5, "given", "image"),
            "detector": box(1, 0.5, "fixed", "Faster R-CNN|trained before, frozen"),
            "objects": box(2, 0, "fixed", "objects|boxes, classes, features"),
            "pairs": box(2, 1, "fixed", "pairs|the box around both, and|where in it the two lie"),
            "attributes": box(3, 0, "learned", "attribute head|sleeping, red, striped"),
            "relations": box(3, 1, "learned", "relation model|FREQ, IMP, Motifs, VTransE"),
            "graph": box(4, 0.5, "found", "scene graph|sleeping cat on top of couch"),
        },
        [
            ("image", "detector"),
            ("detector", "objects"),
            ("detector", "pairs"),
            ("objects", "attributes"),
            ("objects", "relations"),
            ("pairs", "relations"),
            ("attributes", "graph"),
            ("relations", "graph"),
        ],
    ),
    "scene_generation": Figure(
        "From a scene graph to an image",
        {
            "graph": box(0, 0.5, "given", "scene graph|objects, attributes,|relationships"),
            "convolution": box(1, 0.5, "learned", "graph convolution|five layers over triples"),
            "boxes": box(2, 0, "learned", "box head|where each object is"),
            "masks": box(2, 1, "learned", "mask head|its outline, 16 x 16"),
            "layout": box(3, 0.5, "fixed", "layout|vectors laid into one map,|and noise"),
            "refine": box(4, 0.5, "learned", "cascaded refinement|from 4 x 4 to the whole"),
            "image": box(5, 0, "found", "image|64 or 128 pixels"),
            "judges": box(5, 1, "learned", "two discriminators|of patches, of objects"),
        },
        [
            ("graph", "convolution"),
            ("convolution", "boxes"),
            ("convolution", "masks"),
            ("boxes", "layout"),
            ("masks", "layout"),
            ("layout", "refine"),
            ("refine", "image"),
            ("refine", "judges"),
        ],
    ),
    "shapes3d": Figure(
        "Shapes in 3D: one cloud, three ways to look at it",
        {
            "file": box(0, 1, "given", "mesh or cloud|OFF, OBJ, PLY, STL, GLB,|XYZ, NPY"),
            "cloud": box(1, 1, "fixed", "PointCloud|points by area, in the|unit sphere, z is up"),
            "points": box(2, 0, "fixed", "points|some of them"),
            "voxels": box(2, 1, "fixed", "cells|32 x 32 x 32"),
            "views": box(2, 2, "fixed", "shaded views|from around"),
            "pointnets": box(3, 0, "learned", "PointNet, PointNet++,|DGCNN|the largest over points"),
            "voxnet": box(3, 1, "learned", "VoxNet|convolutions in 3D"),
            "mvcnn": box(3, 2, "learned", "MVCNN|the largest over views"),
            "class": box(4, 1, "found", "class of the shape|or part of every point|(PointNet)"),
        },
        [
            ("file", "cloud"),
            ("cloud", "points"),
            ("cloud", "voxels"),
            ("cloud", "views"),
            ("points", "pointnets"),
            ("voxels", "voxnet"),
            ("views", "mvcnn"),
            ("pointnets", "class"),
            ("voxnet", "class"),
            ("mvcnn", "class"),
        ],
    ),
    "meta_learning": Figure(
        "A task: new classes from a few images each",
        {
            "support": box(0, 0, "given", "labelled images|5 classes, 1 to 5 each"),
            "queries": box(0, 1, "given", "queries|of the same classes"),
            "network": box(1, 0.5, "learned", "network|Conv-4 or frozen Lite0,|learned on other classes"),
            "classes": box(2, 0, "fixed", "what a class is|mean, attention, comparison,|or a few gradient steps"),
            "features": box(2, 1, "fixed", "features of|each query"),
            "nearest": box(3, 0.5, "fixed", "compare|distance, cosine,|a learned relation"),
            "answer": box(4, 0, "found", "class of each query|or none of these"),
            "outer": box(4, 1, "fixed", "loss of the queries|trains the network|over many tasks"),
        },
        [
            ("support", "network"),
            ("queries", "network"),
            ("network", "classes"),
            ("network", "features"),
            ("classes", "nearest"),
            ("features", "nearest"),
            ("nearest", "answer"),
            ("nearest", "outer"),
        ],
    ),
}
"""By the name of the file."""


def main() -> int:
    """Writes or checks the figures; the exit status is 1 where a file is not what is drawn."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="write nothing, fail where a file is not what is drawn")
    check = parser.parse_args().check
    stale = 0
    for name, figure in FIGURES.items():
        file, drawn = OUT / f"{name}.svg", svg(figure)
        if file.is_file() and file.read_text(encoding="utf-8") == drawn:
            continue
        stale += 1
        print(f"{file.name}: {'not what this script draws' if check else 'written'}")
        if not check:
            file.write_text(drawn, encoding="utf-8")
    return int(check and stale > 0)


def svg(figure: Figure) -> str:
    """The figure as SVG."""
    left, width = columns(figure)
    tallest = max(one.height for one in figure.boxes.values())
    pitch = tallest + GAP_Y
    height = TOP + (max(one.row for one in figure.boxes.values())) * pitch + tallest + MARGIN
    places = {
        name: (left[one.column][0], TOP + one.row * pitch + tallest / 2, left[one.column][1])
        for name, one in figure.boxes.items()
    }
    font = 'font-family="Helvetica, Arial, \'DejaVu Sans\', sans-serif" font-size="18"'
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.0f} {height:.0f}" {font} fill="{INK}">',
        f"  <title>{escape(figure.title)}</title>",
        '  <defs><marker id="end" viewBox="0 0 10 10" refX="9" refY="5" markerWidth="7" markerHeight="7" orient="auto">'
        f'<path d="M0 0.6 L9.4 5 L0 9.4 z" fill="{ARROW}"/></marker></defs>',
        f'  <rect width="{width:.0f}" height="{height:.0f}" rx="14" fill="{GROUND}"/>',
        f'  <text x="{MARGIN}" y="46" font-size="22" font-weight="bold">{escape(figure.title)}</text>',
        f'  <g stroke="{ARROW}" stroke-width="2.5" fill="none">',
        *(arrow(figure, places, start, end) for start, end in figure.arrows),
        "  </g>",
    ]
    for name, one in figure.boxes.items():
        lines += drawn_box(one, *places[name])
    return "\n".join([*lines, "</svg>", ""])


def columns(figure: Figure) -> tuple[list[tuple[float, float]], float]:
    """Left edge and width of each column, and the width of the figure."""
    count = 1 + max(one.column for one in figure.boxes.values())
    found, x = [], float(MARGIN)
    for column in range(count):
        wide = max(one.width for one in figure.boxes.values() if one.column == column)
        found.append((x, wide))
        x += wide + GAP_X
    return found, max(x - GAP_X + MARGIN, len(figure.title) * 12.5 + 2 * MARGIN)


def arrow(figure: Figure, places: Mapping[str, tuple[float, float, float]], start: str, end: str) -> str:
    """A line from one box to the other: to the right, or up or down within a column."""
    (x0, y0, w0), (x1, y1, _) = places[start], places[end]
    if x0 == x1:
        down = 1 if y1 > y0 else -1
        begun = y0 + down * figure.boxes[start].height / 2
        ended = y1 - down * (figure.boxes[end].height / 2 + 3)
        return f'    <path d="M{x0 + w0 / 2:.0f} {begun:.0f} V{ended:.0f}" marker-end="url(#end)"/>'
    if x1 < x0 or (x1 - x0 - w0) > GAP_X + 1:
        raise ValueError(f"an arrow from {start} to {end} would cross a column")
    middle = (x0 + w0 + x1) / 2
    bend = f"C{middle:.0f} {y0:.0f} {middle:.0f} {y1:.0f} {x1 - 3:.0f} {y1:.0f}"
    return f'    <path d="M{x0 + w0:.0f} {y0:.0f} {bend}" marker-end="url(#end)"/>'


def drawn_box(one: Box, x: float, y: float, width: float) -> list[str]:
    """A box with its lines, as wide as its column."""
    fill, edge = FILLS[one.kind]
    top = y - one.height / 2
    lines = [
        f'  <rect x="{x:.0f}" y="{top:.0f}" width="{width:.0f}" height="{one.height:.0f}" rx="9" fill="{fill}"'
        f' stroke="{edge}" stroke-width="1.8"/>'
    ]
    for place, line in enumerate(one.lines):
        weight = ' font-weight="bold"' if place == 0 else ' font-size="16"'
        baseline = top + PADDING / 2 + LINE * place + 18
        lines.append(
            f'  <text x="{x + width / 2:.0f}" y="{baseline:.0f}" text-anchor="middle"{weight}>{escape(line)}</text>'
        )
    return lines


if __name__ == "__main__":
    sys.exit(main())
