"""What is in the data: how much of each label, how large the objects are, how many an image holds."""

from __future__ import annotations

import random
import time
from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import torch

from visus.data.feed.loader import SampleDataset
from visus.report.charts import count_bars
from visus.types import (
    VOID,
    ClassTarget,
    EpisodeTarget,
    ImageTarget,
    InstanceTarget,
    PartTarget,
    Schema,
    SemanticTarget,
    row,
)

MOST_IMAGES, MOST_SECONDS = 400, 6.0
"""So many images of a split are looked at, in at most so many seconds."""

_SIDES = (8, 16, 32, 64, 128, 256, 512)
_COUNTS = (1, 2, 4, 8, 16, 32, 64, 128)
_MOST_LABELS = 40


@dataclass
class Tally:
    """What was counted in some images of a split.

    Args:
        length: the images of the split.
        images: those that were looked at.
        labels: how much there is of each label.
        sides: the side in pixels of a square as large as each box.
        objects: how many each image holds.
        what: what `labels` counts, if not the images themselves.
    """

    length: int
    images: int = 0
    labels: Counter[int] = field(default_factory=Counter)
    sides: list[float] = field(default_factory=list)
    objects: list[int] = field(default_factory=list)
    what: str = ""


def distribution(splits: Mapping[str, SampleDataset], schema: Schema, *, noun: str = "images") -> tuple[str, str]:
    """HTML of bars for each split, and a note on what they count; both empty where nothing can be read.

    Args:
        splits: the data by the name of the split.
        schema: the names of the categories.
        noun: what the samples are called, several of them.
    """
    tallies = {name: _tally(dataset) for name, dataset in splits.items()}
    tallies = {name: tally for name, tally in tallies.items() if tally.images}
    if not tallies:
        return "", ""
    panels = [_labels(tallies, schema, noun)]
    if any(tally.sides for tally in tallies.values()):
        sides = {name: _binned(tally.sides, _SIDES) for name, tally in tallies.items()}
        panels.append(_panel("Side of the objects in pixels, the root of the area of their box", sides, _names(_SIDES)))
    if any(tally.objects for tally in tallies.values()):
        counts = {name: _binned(tally.objects, _COUNTS) for name, tally in tallies.items()}
        panels.append(_panel(f"{noun.capitalize()} with so many objects", counts, _names(_COUNTS)))
    looked = [f"{tally.images:,} of {tally.length:,} {noun} of {name}" for name, tally in tallies.items()]
    note = f"Counted in {' and '.join(looked)}. Bars are shares of each split."
    return f'<div class="charts">{"".join(panels)}</div>', note


def _tally(dataset: SampleDataset) -> Tally:
    """Counts an even choice of the images of a split; one that cannot be read is left out."""
    places = sorted({i * len(dataset) // MOST_IMAGES for i in range(MOST_IMAGES)}) if len(dataset) else []
    random.Random(0).shuffle(places)  # so that those of the first seconds are an even choice, too
    tally, began = Tally(len(dataset)), time.monotonic()
    for place in places:
        if time.monotonic() - began > MOST_SECONDS:
            break
        try:
            target = dataset[place].target
        except (OSError, ValueError):
            continue
        row(COUNTED, target, "counting labels")(target, tally)
        tally.images += 1
    return tally


def _count_objects(target: InstanceTarget | ImageTarget, tally: Tally) -> None:
    sides = (target.boxes_xyxy[:, 2:] - target.boxes_xyxy[:, :2]).clamp(min=0).double().prod(dim=1).sqrt()
    tally.what = "Objects"
    tally.labels.update(target.labels.tolist())
    tally.sides += sides.tolist()
    tally.objects.append(len(target))


def _count_pixels(target: SemanticTarget, tally: Tally) -> None:
    tally.what = "Pixels"
    counts = torch.bincount(target.labels.flatten().long(), minlength=VOID + 1)[:VOID]
    tally.labels.update({label: int(counts[label]) for label in counts.nonzero()[:, 0].tolist()})


def _count_class(target: ClassTarget | PartTarget, tally: Tally) -> None:
    tally.labels[int(target.label)] += 1


def _count_episode(target: EpisodeTarget, tally: Tally) -> None:
    tally.labels.update(target.classes.tolist())


COUNTED: dict[type, Callable[[Any, Tally], None]] = {
    InstanceTarget: _count_objects,
    SemanticTarget: _count_pixels,
    ClassTarget: _count_class,
    EpisodeTarget: _count_episode,
    PartTarget: _count_class,
    ImageTarget: _count_objects,
}
"""What is counted of each kind of target."""


def _labels(tallies: Mapping[str, Tally], schema: Schema, noun: str) -> str:
    """The labels, the most frequent of the first split on top."""
    first = next(iter(tallies.values()))
    known = dict.fromkeys(label for tally in tallies.values() for label, _ in tally.labels.most_common())
    shown = sorted(known, key=lambda label: -first.labels[label])
    cut = shown if len(shown) <= _MOST_LABELS else shown[: _MOST_LABELS // 2] + shown[-_MOST_LABELS // 2 :]
    names = [schema.categories[label] if label < len(schema.categories) else f"label {label}" for label in cut]
    heading = f"{first.what or noun.capitalize()} of each category"
    if len(cut) < len(shown):
        heading += f": the most and the least frequent of {len(shown):,}"
    counts = {name: [tally.labels[label] for label in cut] for name, tally in tallies.items()}
    totals = {name: tally.labels.total() for name, tally in tallies.items()}
    return _bars(heading, counts, names, totals)


def _panel(heading: str, counts: Mapping[str, list[int]], names: list[str]) -> str:
    """Bars of the bins between the first and the last that hold anything."""
    used = [place for place in range(len(names)) if any(line[place] for line in counts.values())]
    span = slice(used[0], used[-1] + 1) if used else slice(0, 0)
    totals = {name: sum(line) for name, line in counts.items()}
    return _bars(heading, {name: line[span] for name, line in counts.items()}, names[span], totals)


def _bars(heading: str, counts: Mapping[str, list[int]], names: list[str], totals: Mapping[str, int]) -> str:
    rows = [(name, [line[place] for line in counts.values()]) for place, name in enumerate(names)]
    return f'<div class="panel"><b>{heading}</b>{count_bars(rows, list(counts), list(totals.values()))}</div>'


def _binned(values: list[Any], edges: tuple[int, ...]) -> list[int]:
    counts = Counter(bisect_right(edges, value) for value in values)
    return [counts[place] for place in range(len(edges) + 1)]


def _names(edges: tuple[int, ...]) -> list[str]:
    """Names of the bins that ``edges`` make: below the first, from edge to edge, from the last on.

    >>> _names((1, 2, 4, 8))
    ['0', '1', '2 – 3', '4 – 7', 'from 8']
    """
    between = [str(a) if b - a == 1 else f"{a} – {b - 1}" for a, b in pairwise(edges)]
    return ["0" if edges[0] == 1 else f"under {edges[0]}", *between, f"from {edges[-1]}"]
