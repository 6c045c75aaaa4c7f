"""A split whose files number the categories in their own way, seen with the labels of another one, by name.

Files of one data set that were written one by one (COCO's train and val) need not list the same categories, nor in one
order. What a label means is decided by the split that is trained on; here the others follow it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import torch
from jaxtyping import Int64
from torch import Tensor

from visus.data.errors import AnnotationError
from visus.data.feed.loader import SampleDataset, Wrapped
from visus.types import (
    VOID,
    ClassTarget,
    EpisodeTarget,
    ImageTarget,
    InstanceTarget,
    PartTarget,
    Sample,
    Schema,
    SemanticTarget,
    row,
)

_SHOWN = 20


class Relabelled(Wrapped):
    """A data set with the labels of another schema.

    Args:
        dataset: with labels of its own.
        schema: whose labels are wanted.
        table: the new label of each of its own.
    """

    def __init__(self, dataset: SampleDataset, schema: Schema, table: Int64[Tensor, " c"]) -> None:
        super().__init__(dataset)
        self.schema = schema
        self._table = table

    def __getitem__(self, index: int) -> Sample:
        sample = self.dataset[index]
        return replace(sample, target=row(RELABELLED, sample.target, "relabelling")(sample.target, self._table))


def with_labels_of(schema: Schema, dataset: SampleDataset, *, of: str, other: str) -> SampleDataset:
    """The data set with the labels that the same names have in ``schema``; itself where they are the same already.

    Args:
        schema: says what the labels should be.
        dataset: another split, or other data.
        of: what ``schema`` belongs to ("the split 'train'"), for the message.
        other: what ``dataset`` is, for the message.

    Raises:
        AnnotationError: it has a category that ``schema`` lacks, one of its names stands for two categories, or its
            keypoints are others.
    """
    table = label_table(schema, dataset.schema, of=of, other=other)
    if table.tolist() == list(range(schema.num_classes)):
        return dataset
    return Relabelled(dataset, schema, table)


def label_table(schema: Schema, changed: Schema, *, of: str, other: str) -> Int64[Tensor, " c"]:
    """The label in ``schema`` of each category of ``changed``, by name; errors as for `with_labels_of`."""
    if changed.keypoints and schema.keypoints and changed.keypoints.names != schema.keypoints.names:
        raise AnnotationError(
            f"{other} has the keypoints {_listed(changed.keypoints.names)}, "
            f"{of} has {_listed(schema.keypoints.names)}: they must be the same, in one order"
        )
    if changed.categories == schema.categories:
        return torch.arange(schema.num_classes)
    both = f"{of} has {_listed(schema.categories)}; {other} has {_listed(changed.categories)}"
    unknown = [name for name in changed.categories if name not in schema.categories]
    if unknown:
        raise AnnotationError(f"{other} has categories that {of} lacks ({_listed(unknown)}): {both}")
    twice = [name for name in changed.categories if max(map(_count(name), (schema, changed))) > 1]
    if twice:
        raise AnnotationError(f"two categories have the name {twice[0]!r}, so they cannot be matched by name: {both}")
    label_of = {name: label for label, name in enumerate(schema.categories)}
    return torch.tensor([label_of[name] for name in changed.categories], dtype=torch.int64)


def _count(name: str) -> Callable[[Schema], int]:
    return lambda schema: schema.categories.count(name)


def _listed(names: Sequence[str]) -> str:
    rest = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return f"{', '.join(names[:_SHOWN]) or 'none'}{rest}"


def _relabelled_objects(target: InstanceTarget, table: Int64[Tensor, " c"]) -> InstanceTarget:
    return replace(target, labels=table[target.labels])


def _relabelled_pixels(target: SemanticTarget, table: Int64[Tensor, " c"]) -> SemanticTarget:
    every = torch.arange(256, dtype=torch.uint8)  # void stays void
    every[: min(len(table), VOID)] = table[:VOID].to(torch.uint8)
    return replace(target, labels=every[target.labels.long()])


def _relabelled_class(target: ClassTarget, table: Int64[Tensor, " c"]) -> ClassTarget:
    return replace(target, label=table[target.label])


def _relabelled_parts(target: PartTarget, table: Int64[Tensor, " c"]) -> PartTarget:
    """Parts are numbered through over the categories, so that these have to be in one order."""
    raise AnnotationError("the categories of data with parts must be in one order in all splits")


def _relabelled_image(target: ImageTarget, table: Int64[Tensor, " c"]) -> ImageTarget:
    """The graph of an image has the labels, too, so that they may not change."""
    raise AnnotationError("the categories of scene graphs must be in one order in all splits")


RELABELLED: dict[type, Callable[[Any, Int64[Tensor, " c"]], Any]] = {
    InstanceTarget: _relabelled_objects,
    SemanticTarget: _relabelled_pixels,
    ClassTarget: _relabelled_class,
    EpisodeTarget: lambda target, table: replace(target, classes=table[target.classes]),
    PartTarget: _relabelled_parts,
    ImageTarget: _relabelled_image,
}
"""How the labels in each kind of target are changed."""
