"""Re-identification in a gallery: who is seen again by another camera, and how well that works on known identities."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Int64
from torch import Tensor

from visus.galleries.answer import Answer
from visus.galleries.contents import Contents
from visus.galleries.entry import Box
from visus.galleries.errors import GalleryError
from visus.galleries.filters import Condition
from visus.galleries.screens import Closeness
from visus.metrics.reidentification import Sighting, WithoutMatch, reidentification


@dataclass(frozen=True)
class Seen:
    """An object in an image, and the entries of other cameras that are most like it."""

    image: str
    box_xyxy: Box
    answer: Answer

    def to_dict(self) -> dict[str, Any]:
        """The same as JSON can hold it."""
        return {"image": self.image, "box_xyxy": list(self.box_xyxy), **self.answer.to_dict()}


@dataclass(frozen=True)
class Protocol:
    """Every choice of the protocol of re-identification.

    Args:
        by: the field that says who is in an entry.
        camera: the field that says by which camera; it is needed for ``camera_rule``.
        queries: conditions on the entries that are queries; without any, each entry looks among all others.
        camera_rule: leave out what the query's own camera saw of its identity.
        without_match: queries with nothing to find are not counted (``skip``) or count as 0 (``zero``).
        rerank: by k-reciprocal neighbours.
        ks: of CMC-k.
    """

    by: str = "person"
    camera: str = "camera"
    queries: Sequence[str | Condition] = ()
    camera_rule: bool = True
    without_match: WithoutMatch = "skip"
    rerank: bool = False
    ks: Sequence[int] = (1, 5, 10)

    def __str__(self) -> str:
        cameras = "other cameras" if self.camera_rule else "all cameras"
        unmatched = f"unmatched {'skipped' if self.without_match == 'skip' else '0'}"
        return ", ".join([cameras, unmatched, *(["re-ranked"] if self.rerank else [])])


def measured(contents: Contents, protocol: Protocol, closeness: Closeness) -> dict[str, float]:
    """CMC, mAP and mINP of a gallery whose entries say who they show; see `visus.metrics.reidentification`.

    Raises:
        GalleryError: a gallery that compares distances, an unknown field, or nothing to find.
    """
    if closeness != "cosine":
        raise GalleryError(f"{contents.folder}: compares distances, and re-identification is measured by cosines")
    table = contents.filled_table()
    columns = contents.columns(table)
    people = columns.numbers(protocol.by)
    cameras = columns.numbers(protocol.camera) if protocol.camera_rule else torch.ones_like(people)
    rows = ((people > 0) & (cameras > 0)).nonzero()[:, 0]
    asks = None
    if protocol.queries:
        asked = contents.allowed(table, protocol.queries, gone=True)
        asks = None if asked is None else asked[rows]
    images = Sighting(table.vectors[rows], _long(people[rows]), _long(cameras[rows]), asks)
    try:
        return reidentification(
            images,
            ks=protocol.ks,
            camera_rule=protocol.camera_rule,
            without_match=protocol.without_match,
            rerank=protocol.rerank,
        )
    except ValueError as error:
        raise GalleryError(f"{contents.folder}: {error}") from error


def _long(numbers: Tensor) -> Int64[Tensor, " n"]:
    return numbers.to(torch.int64)
