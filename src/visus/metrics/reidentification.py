"""Re-identification: CMC, mAP and mINP of queries in a gallery, with every choice of the protocol an argument.

As Market-1501 measures it (Zheng et al., ICCV 2015): of a query, the gallery's images of its class *by its camera* are
left out, as a person found again in the same minute by the same camera was not re-identified. The average precision is
the mean of the precision at each hit; Oxford's evaluation takes trapezoids, which gives other numbers. mINP is the mean
of R / (the rank of the last of the R images to be found) (Ye et al., arXiv 2001.04193, equation 5).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

import numpy as np
import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor
from torch.nn import functional as F

from visus.metrics.by_image import ImageRecords
from visus.metrics.metric import Measure
from visus.ops.reranking import Reranked
from visus.types import Batch, EmbeddingPrediction

WithoutMatch = Literal["skip", "zero"]
ROWS = 256
"""Queries that are ranked at a time."""

EQUAL: Final = 2.0**36
"""Cosines are compared in steps of its inverse, so that copies are equally near however a product is rounded."""


@dataclass(frozen=True)
class Sighting:
    """Images as points: who is in them, by which camera, and whether they are queries; None where each is both."""

    vectors: Float[Tensor, "n d"]
    labels: Int64[Tensor, " n"]
    cameras: Int64[Tensor, " n"]
    is_query: Bool[Tensor, " n"] | None = None


def reidentification(
    images: Sighting,
    *,
    ks: Sequence[int] = (1, 5, 10),
    camera_rule: bool = True,
    without_match: WithoutMatch = "skip",
    rerank: bool = False,
) -> dict[str, float]:
    """``CMC-k``, ``mAP``, ``mINP`` and the number of ``queries`` that counted.

    The gallery is ranked by cosine; of images that are equally near, to ten digits, the earlier one comes first.

    Args:
        images: queries and gallery.
        ks: CMC-k is the share of queries with a hit among the first k.
        camera_rule: leave out what the query's own camera saw of its class.
        without_match: queries with nothing left to find are not counted, or count as 0.
        rerank: rank by k-reciprocal neighbours, see `visus.ops.reranking`, in place of the cosine.

    Raises:
        ValueError: there is no query, no gallery, or no query with something to find and such are skipped.
    """
    queries, searched = _sides(images)
    points = F.normalize(images.vectors.double(), dim=1)
    reranked = Reranked(points) if rerank else None
    gallery, labels, cameras = points[searched], images.labels[searched], images.cameras[searched]
    found = []
    for rows in torch.split(queries, ROWS):
        same = images.labels[rows, None] == labels
        left_out = same & (images.cameras[rows, None] == cameras) & camera_rule
        left_out |= rows[:, None] == searched  # an image does not find itself
        near = points[rows] @ gallery.T if reranked is None else -reranked.distances(rows, searched)
        scores = near.mul_(EQUAL).round_().masked_fill_(left_out, -torch.inf)
        order = scores.argsort(dim=1, descending=True, stable=True)
        found.append(_of_ranking((same & ~left_out).gather(1, order), ks))
    each = torch.cat(found)
    counted = each[:, -1] > 0
    values = each[:, :-1] if without_match == "zero" else each[counted, :-1]
    if not len(values):
        raise ValueError("no query has anything to find in the gallery, and such queries are skipped")
    names = [*(f"CMC-{k}" for k in ks), "mAP", "mINP"]
    return {**dict(zip(names, values.mean(dim=0).tolist(), strict=True)), "queries": float(len(values))}


def _sides(images: Sighting) -> tuple[Int64[Tensor, " q"], Int64[Tensor, " g"]]:
    """The places of the queries and of the gallery."""
    asks = images.is_query
    if asks is None:
        every = torch.arange(len(images.labels), device=images.labels.device)
        return every, every
    if bool(asks.all()) or not bool(asks.any()):
        raise ValueError(f"{int(asks.sum())} of {len(asks)} images are queries: it takes queries and a gallery")
    return asks.nonzero().flatten(), (~asks).nonzero().flatten()


def _of_ranking(hits: Bool[Tensor, "q g"], ks: Sequence[int]) -> Float[Tensor, "q measures"]:
    """CMC at each k, average precision, inverse penalty, and how much there was to find, of each query."""
    so_far = hits.cumsum(dim=1)
    total = so_far[:, -1].double()
    ranks = torch.arange(1, hits.shape[1] + 1, device=hits.device)
    cmc = [so_far[:, min(k, hits.shape[1]) - 1] > 0 for k in ks]
    precision = (so_far.double() / ranks * hits).sum(dim=1) / total.clamp_min(1)
    last = (ranks * hits).amax(dim=1)
    penalty = total / last.clamp_min(1)
    return torch.stack([*(one.double() for one in cmc), precision, penalty, total], dim=1)


class ReidentificationMetric(ImageRecords):
    """`reidentification` of the images of a data set whose targets say ``is_query`` and ``camera``.

    Where no target says whether it is a query, each is one and looks among all others. The choices stand in the name of
    every number.

    Args:
        ks: see `reidentification`.
        camera_rule: see `reidentification`.
        without_match: see `reidentification`.
        rerank: see `reidentification`.
    """

    def __init__(
        self,
        *,
        ks: Sequence[int] = (1, 5, 10),
        camera_rule: bool = True,
        without_match: WithoutMatch = "skip",
        rerank: bool = False,
    ) -> None:
        super().__init__()
        if not ks or min(ks) < 1:
            raise ValueError(f"every k must be at least 1, not {tuple(ks)}")
        self.ks, self.camera_rule, self.without_match, self.rerank = tuple(ks), camera_rule, without_match, rerank

    @property
    def protocol(self) -> str:
        """The choices, in words."""
        cameras = "other cameras" if self.camera_rule else "all cameras"
        unmatched = f"unmatched {'skipped' if self.without_match == 'skip' else '0'}"
        return ", ".join([cameras, unmatched, *(["re-ranked"] if self.rerank else [])])

    @property
    def measures(self) -> Mapping[str, Measure]:
        """mAP comes first; every name ends in the protocol, as numbers of two protocols are not compared."""
        columns = ("mAP", "mINP", *(f"CMC-{k}" for k in self.ks))
        found = {self._named(name): Measure(headline=True, row=self.protocol, column=name) for name in columns}
        number = Measure(unit="number", curve=False, row=self.protocol, column="queries")
        return {**found, self._named("queries"): number}

    def _named(self, name: str) -> str:
        return f"{name} ({self.protocol})"

    def update(self, predictions: Sequence[EmbeddingPrediction], batch: Batch) -> None:
        """Adds images: their embeddings, classes, cameras and sides."""
        for prediction, target in zip(predictions, map(self.identified, batch.targets), strict=True):
            embedding = prediction.embedding.detach().float().cpu().numpy()
            self.add(target.image_id, (embedding, int(target.label), target.camera, target.is_query))

    def same_image(self, known: Any, record: Any) -> bool:
        """Whether both are of one class, by one camera and on one side."""
        return bool(known[1:] == record[1:])

    def same_prediction(self, known: Any, record: Any) -> bool:
        """Whether both have one embedding."""
        return np.array_equal(known[0], record[0])

    def compute(self) -> dict[str, float]:
        """All measures, as shares; -1 without any image, and the queries are not a number."""
        if not self.records():
            return {**dict.fromkeys(self.measures, -1.0), self._named("queries"): math.nan}
        vectors, labels, cameras, asks = zip(*self.records().values(), strict=True)
        if self.camera_rule and None in cameras:
            raise ValueError(
                "the rule of the cameras needs to know the camera of every image, and this data set does not say it: "
                "measure with camera_rule=False (--metric reid_all_cameras)"
            )
        told = [flag for flag in asks if flag is not None]
        if told and len(told) < len(asks):
            raise ValueError(f"{len(told)} of {len(asks)} images say whether they are queries: all must, or none")
        images = Sighting(
            vectors=torch.stack([torch.from_numpy(vector) for vector in vectors]),
            labels=torch.tensor(labels),
            cameras=torch.tensor([-1 if camera is None else camera for camera in cameras]),
            is_query=torch.tensor(told) if told else None,
        )
        found = reidentification(
            images, ks=self.ks, camera_rule=self.camera_rule, without_match=self.without_match, rerank=self.rerank
        )
        return {name: found[measure.column] for name, measure in self.measures.items()}
