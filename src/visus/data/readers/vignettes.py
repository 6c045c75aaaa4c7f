"""Drawn data, made while it is used: the ways to look at `visus.data.vignettes`. There are no files to read."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from visus.data.entry import DatasetEntry, OpenSplit
from visus.data.vignettes import CATEGORIES, NOVEL_CATEGORIES, Vignettes
from visus.data.vignettes.graphs import VignetteGraphs
from visus.data.vignettes.identities import VignetteIdentities
from visus.data.vignettes.objects import VignetteObjects
from visus.data.vignettes.semantic import SemanticVignettes
from visus.names import find

if TYPE_CHECKING:
    from visus.data.feed.loader import SampleDataset

LENGTH = {"train": 100_000, "val": 5_000, "test": 5_000}
"""How many images each split has."""


def _drawn(make: Callable[..., SampleDataset]) -> OpenSplit:
    def open_split(root: Path, split: str, *, for_training: bool = False) -> SampleDataset:
        return make(split=split, length=find(LENGTH, split, "split of drawn data"))

    return open_split


NOVEL = {"train": CATEGORIES[:-5], "val": CATEGORIES[-5:], "test": NOVEL_CATEGORIES}
"""What the objects of each split are where splits share no category."""


def _open_novel(root: Path, split: str, *, for_training: bool = False) -> SampleDataset:
    categories = find(NOVEL, split, "split of drawn data")
    return VignetteObjects(split=cast(Any, split), length=LENGTH["test"], size=96, categories=categories)


def _open_identities(root: Path, split: str, *, for_training: bool = False) -> SampleDataset:
    find(LENGTH, split, "split of drawn data")
    return VignetteIdentities(split=cast(Any, split))


def _open_cameras(root: Path, split: str, *, for_training: bool = False) -> SampleDataset:
    find(LENGTH, split, "split of drawn data")
    return VignetteIdentities(split=cast(Any, split), cameras=4)


ENTRY = DatasetEntry(
    open=_drawn(Vignettes),
    write_fake=None,
    recognise=None,
    mark="",
    check=None,
    summary="drawn scenes with complete ground truth, made while you train",
    licence="Apache-2.0",
    size="100,000 + 5,000 + 5,000 images, and more for another seed",
    source="drawn by visus",
)
SEMANTIC_ENTRY = replace(ENTRY, open=_drawn(SemanticVignettes), summary="drawn scenes, the class of every pixel")
GRAPHS_ENTRY = replace(
    ENTRY, open=_drawn(VignetteGraphs), summary="scene graphs of drawn scenes, with their images of 64 x 64"
)
GRAPHS_128_ENTRY = replace(
    ENTRY, open=_drawn(partial(VignetteGraphs, size=128)), summary="the same, with images of 128 x 128"
)
OBJECTS_ENTRY = replace(ENTRY, open=_drawn(VignetteObjects), summary="drawn images of one object, with its box")
IDENTITIES_ENTRY = replace(
    ENTRY,
    open=_open_identities,
    summary="drawn individuals, each seen many times, half of them unseen",
    size="4,160 + 4,160 + 4,160 images, 520 individuals in each",
    unseen_classes=True,
)
NOVEL_ENTRY = replace(
    ENTRY,
    open=_open_novel,
    summary="drawn images of one object; the categories of val and test are unseen, for few-shot learning",
    size="5,000 images of 8, 5 and 10 categories",
    unseen_classes=True,
)
CAMERAS_ENTRY = replace(
    IDENTITIES_ENTRY,
    open=_open_cameras,
    summary="drawn individuals by four cameras, with queries and a gallery",
)
