"""Parametric shapes, made while they are used: their classes, or the parts of each. There are no files to read."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from visus.data.entry import DatasetEntry, OpenSplit
from visus.data.readers.vignettes import LENGTH
from visus.data.vignettes3d import VignetteParts, Vignettes3D
from visus.names import find

if TYPE_CHECKING:
    from visus.data.feed.loader import SampleDataset


def _made(make: Callable[..., SampleDataset]) -> OpenSplit:
    def open_split(root: Path, split: str, *, for_training: bool = False) -> SampleDataset:
        return make(split=split, length=find(LENGTH, split, "split of made shapes"))

    return open_split


ENTRY = DatasetEntry(
    open=_made(Vignettes3D),
    write_fake=None,
    recognise=None,
    mark="",
    check=None,
    summary="parametric shapes of 13 things, as points, made while you train",
    licence="Apache-2.0",
    size="100,000 + 5,000 + 5,000 shapes, and more for another seed",
    source="made by visus",
)
PARTS_ENTRY = replace(ENTRY, open=_made(VignetteParts), summary="the same shapes, the part of every point")
