"""What changes its meaning in a mirror: keypoints and labels with a side, and whether anybody knows with which."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import torch
from jaxtyping import Int64
from torch import Tensor

from visus.data.formats.coco_values import mirror_places
from visus.data.sides import other_side, sides_of
from visus.names import counted
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

Table = tuple[int, ...]


@dataclass(frozen=True)
class Mirror:
    """What the numbers of a target become where its image is mirrored left to right.

    Args:
        flip_pairs: keypoints that change places; None where nobody knows.
        categories: the counterpart of each label; empty where no category has a side.
        attributes: the counterpart of each attribute, likewise.
        predicates: the counterpart of each predicate, likewise.
        refusals: why no image of the data may be mirrored; empty where all may.
    """

    flip_pairs: tuple[tuple[int, int], ...] | None = None
    categories: Table = ()
    attributes: Table = ()
    predicates: Table = ()
    refusals: tuple[str, ...] = ()

    @property
    def allowed(self) -> bool:
        """Whether images may be mirrored."""
        return not self.refusals


UNKNOWN: Final = Mirror()
"""Of data of which nothing is known: images may be mirrored, but no keypoints."""


def mirror_of(schema: Schema, *, by_class: bool = False) -> Mirror:
    """What a data set's numbers become in a mirror, by its keypoints' pairs and the sides that its names mean.

    Args:
        schema: of the data.
        by_class: whether batches are made up by the classes of their images, which must stay what they are.
    """
    refusals = []
    points = schema.keypoints
    if points is not None and points.flip_pairs is None:
        refusals.append(unknown_pairs(points.names))
    tables: dict[str, Table] = {}
    for field, kind in (("categories", "category"), ("attributes", "attribute"), ("predicates", "predicate")):
        names: tuple[str, ...] = getattr(schema, field)
        sides = sides_of(names)
        tables[field] = sides.table(len(names))
        if sides.missing:
            refusals.append(_alone(kind, names, sides.missing))
    if by_class and tables["categories"]:
        first = next(label for label, other in enumerate(tables["categories"]) if label != other)
        other = schema.categories[tables["categories"][first]]
        refusals.append(f"batches are made up by class, and {schema.categories[first]!r} becomes {other!r} in a mirror")
    return Mirror(points.flip_pairs if points else None, **tables, refusals=tuple(refusals))


def unknown_pairs(names: Sequence[str]) -> str:
    """Why keypoints without pairs are not mirrored."""
    lone = sides_of(names, initials=True).missing
    if lone:
        return f"the keypoint {names[lone[0]]!r} has no counterpart {other_side(names[lone[0]])!r}"
    return f"nothing says which of the {counted(len(names), 'keypoints')} change places in a mirror"


def mirrored_meaning(target: Any, mirror: Mirror) -> Any:
    """A target whose geometry is mirrored already, with the numbers that mean the same in the mirrored image.

    Raises:
        NoRowError: a kind of target that `MIRRORED` does not know.
        ValueError: it has keypoints, and nobody knows which change places.
    """
    return row(MIRRORED, target, "mirroring")(target, mirror)


def _alone(kind: str, names: Sequence[str], missing: Sequence[int]) -> str:
    first = names[missing[0]]
    rest = f", nor have {len(missing) - 1} more" if len(missing) > 1 else ""
    return f"the {kind} {first!r} has no counterpart {other_side(first)!r}{rest}"


def _table(places: Table, like: Tensor) -> Int64[Tensor, " c"]:
    return torch.tensor(places, dtype=torch.int64, device=like.device)


def _mirrored_objects(target: InstanceTarget, mirror: Mirror) -> InstanceTarget:
    changed: dict[str, Tensor] = {}
    if mirror.categories:
        changed["labels"] = _table(mirror.categories, target.labels)[target.labels]
    if target.keypoints_xyv is not None:
        if mirror.flip_pairs is None:
            raise ValueError("mirroring keypoints needs their pairs: pass mirror=mirror_of(schema)")
        changed["keypoints_xyv"] = target.keypoints_xyv[
            :, mirror_places(mirror.flip_pairs, target.keypoints_xyv.shape[1])
        ]
    if mirror.attributes and target.attributes is not None:
        changed["attributes"] = target.attributes[:, _table(mirror.attributes, target.attributes)]
    if mirror.predicates and target.relationships is not None:
        subject, predicate, object_ = target.relationships.unbind(1)
        predicate = _table(mirror.predicates, predicate)[predicate]
        changed["relationships"] = torch.stack((subject, predicate, object_), dim=1)
    return replace(target, **changed)  # type: ignore[arg-type]


def _mirrored_pixels(target: SemanticTarget, mirror: Mirror) -> SemanticTarget:
    if not mirror.categories:
        return target
    every = torch.arange(256, dtype=torch.uint8, device=target.labels.device)  # void stays void
    count = min(len(mirror.categories), VOID)
    every[:count] = _table(mirror.categories[:count], every).to(torch.uint8)
    return replace(target, labels=every[target.labels.long()])


def _mirrored_class(target: ClassTarget, mirror: Mirror) -> ClassTarget:
    if not mirror.categories:
        return target
    table = _table(mirror.categories, target.label)
    shares = None if target.probabilities is None else target.probabilities[table]
    return replace(target, label=table[target.label], probabilities=shares)


def _mirrored_episode(target: EpisodeTarget, mirror: Mirror) -> EpisodeTarget:
    if not mirror.categories:
        return target
    return replace(target, classes=_table(mirror.categories, target.classes)[target.classes])


def _mirrored_image(target: ImageTarget, mirror: Mirror) -> ImageTarget:
    if not mirror.categories:
        return target
    return replace(target, labels=_table(mirror.categories, target.labels)[target.labels])


def _mirrored_shape(target: PartTarget, mirror: Mirror) -> PartTarget:
    """Parts have no sides: no name of one tells left from right."""
    return replace(target, label=_table(mirror.categories, target.label)[target.label]) if mirror.categories else target


MIRRORED: dict[type, Callable[[Any, Mirror], Any]] = {
    InstanceTarget: _mirrored_objects,
    SemanticTarget: _mirrored_pixels,
    ClassTarget: _mirrored_class,
    EpisodeTarget: _mirrored_episode,
    PartTarget: _mirrored_shape,
    ImageTarget: _mirrored_image,
}
"""How the numbers in each kind of target change with the side."""
