"""Splits that share no class, as retrieval is measured: halves of the classes, and folds inside the first half.

The half for training can be cut again for cross-validation (Musgrave et al., "A Metric Learning Reality Check", arXiv
2003.08505, section 3.2): ``train:fold0of4`` is trained on, ``val:fold0of4`` holds the classes left out.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Int64
from torch import Tensor
from torch.utils.data import Dataset

from visus.data.feed.loader import SampleDataset
from visus.data.files.splits import SPLITS
from visus.data.records.image_records import ListedImages, ReadLists, images_of, refuse
from visus.types import ClassTarget, Sample, Schema


@runtime_checkable
class LabelledDataset(SampleDataset, Protocol):
    """A data set that knows the label of every image without decoding one."""

    labels: Int64[Tensor, " n"]
    super_labels: Int64[Tensor, " n"] | None


class ClassSubset(Dataset[Sample]):
    """Some images of a labelled data set, their labels counted from 0 again.

    Args:
        dataset: all images.
        indices: the places of those that are shown.
    """

    def __init__(self, dataset: LabelledDataset, indices: Int64[Tensor, " m"]) -> None:
        self.dataset = dataset
        self.indices = indices
        self._kept, self.labels = torch.unique(dataset.labels[indices], return_inverse=True)
        self.super_labels: Int64[Tensor, " m"] | None = None
        if dataset.super_labels is not None:
            self.super_labels = torch.unique(dataset.super_labels[indices], return_inverse=True)[1]

    @property
    def schema(self) -> Schema:
        """The classes of these images."""
        whole = self.dataset.schema
        return Schema(
            categories=tuple(whole.categories[label] for label in self._kept.tolist()),
            category_ids=tuple(whole.category_ids[label] for label in self._kept.tolist()),
        )

    def __len__(self) -> int:
        return len(self.indices)

    def __getitem__(self, index: int) -> Sample:
        sample = self.dataset[int(self.indices[index])]
        target: ClassTarget = sample.target
        return replace(sample, target=replace(target, label=self.labels[index].clone()))

    def size(self, index: int) -> tuple[int, ...]:
        """The (h, w) of an image, without decoding it."""
        return self.dataset.size(int(self.indices[index]))

    def path(self, index: int) -> str:
        """The file of an image."""
        return self.dataset.path(int(self.indices[index]))


def class_fold(
    labels: Int64[Tensor, " n"], fold: int, folds: int
) -> tuple[Int64[Tensor, " fit"], Int64[Tensor, " val"]]:
    """The places of the images to fit to, and of those of a fold of the classes, which is left out.

    Folds are contiguous and as equal in number of classes as can be.

    Args:
        labels: the class of each image.
        fold: which fold is left out, from 0.
        folds: how many there are.

    Raises:
        ValueError: no such fold, or fewer classes than folds.
    """
    classes, places = torch.unique(labels, return_inverse=True)
    if not 0 <= fold < folds or not 2 <= folds <= len(classes):
        raise ValueError(
            f"fold {fold} of {folds} is impossible: folds count from 0, and {len(classes)} classes make 2 to"
            f" {len(classes)} folds"
        )
    first, last = fold * len(classes) // folds, (fold + 1) * len(classes) // folds
    held = (places >= first) & (places < last)
    return (~held).nonzero().flatten(), held.nonzero().flatten()


def open_class_split(split: str, read: Callable[[bool], LabelledDataset]) -> LabelledDataset:
    """Open "train", "test", or a fold of train such as "train:fold0of4" or "val:fold0of4".

    The published protocols have no validation split, so "val" alone is "test".

    Args:
        split: its name.
        read: opens the classes for training, or (False) those for testing.

    Raises:
        ValueError: ``split`` is no split.
    """
    found = re.fullmatch(r"(train|val):fold(\d+)of(\d+)", split)
    if found:
        whole = read(True)
        fit, held = class_fold(whole.labels, int(found[2]), int(found[3]))
        return ClassSubset(whole, fit if found[1] == "train" else held)
    if split not in SPLITS:
        raise ValueError(
            f"split {split!r} is unknown; the splits are {', '.join(SPLITS)}, and folds of the classes of train such as"
            " train:fold0of4 with val:fold0of4"
        )
    return read(split == "train")


def open_halves(
    root: Path, split: str, *, read: ReadLists, for_training: bool = False, crop: bool = False
) -> LabelledDataset:
    """Open a split (see `open_class_split`) where the first half of the classes trains and the other tests.

    Args:
        root: the folder of the data set.
        split: its name.
        read: reads the lists.
        for_training: changes nothing here.
        crop: show only what is in the boxes.

    Raises:
        ValueError: ``split`` is no split.
        DatasetNotFoundError: a list, or every image, is missing.
        AnnotationError: a list is damaged, or there are no boxes to crop to.
    """

    def part(train: bool) -> LabelledDataset:
        return images_of(half_of_classes(read(Path(root), refuse), train=train), crop=crop)

    return open_class_split(split, part)


def first_half(numbers: Iterable[int]) -> set[int]:
    """The classes for training: the first half of all, by number; the odd one too."""
    classes = sorted(set(numbers))
    return set(classes[: (len(classes) + 1) // 2])


def half_of_classes(listed: ListedImages, *, train: bool) -> ListedImages:
    """The images of the first half of the classes, or of the other half."""
    trained = first_half(record.label for record in listed.records)
    return replace(listed, records=[record for record in listed.records if (record.label in trained) == train])
