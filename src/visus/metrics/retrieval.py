"""Retrieval by similarity: recall@K, MAP@R, R-precision.

Recall@K is the metric-learning one: the share of queries with at least one image of the same class among the K nearest
(Song et al., arXiv 1511.06452, section 5). MAP@R and R-precision are those of Musgrave et al., "A Metric Learning
Reality Check", arXiv 2003.08505, section 3.2, where R is the number of images that there are to find. An image is never
its own neighbour: it is left out by its index, not by being nearest, as copies of it are just as near.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
import torch
from jaxtyping import Bool, Float, Int64, Shaped
from torch import Tensor
from torch.nn import functional as F

from visus.metrics.by_image import ImageRecords
from visus.metrics.clustering import k_means, normalised_mutual_information
from visus.metrics.metric import Measure
from visus.metrics.nearest_positive import Points, Screen, Ties, hits_at
from visus.types import Batch, EmbeddingPrediction

Similarity = Literal["cosine", "euclidean", "dot"]
Lone = Literal["keep", "drop"]
Side = tuple[Shaped[Tensor, "..."], Int64[Tensor, " _"]]

_MANY = 4096  # from so many images on, the first pass in whole numbers pays
_ROWS_AT_ONCE = 256
_HEADLINES = 6
_MOST_CLUSTERED = 20_000_000  # images times classes: k-means takes seconds


def recall_at_k(
    embeddings: Float[Tensor, "q d"],
    labels: Int64[Tensor, " q"],
    ks: Sequence[int] = (1, 10, 100, 1000),
    *,
    gallery: tuple[Float[Tensor, "g d"], Int64[Tensor, " g"]] | None = None,
    similarity: Similarity = "cosine",
    ties: Ties = "optimistic",
    lone: Lone = "keep",
    screen: Screen | None = None,
) -> dict[int, float]:
    """The share of queries with an image of their class among the K nearest, for each K.

    Exact for any number of images, with memory for a few blocks of the similarity matrix. Where several processes hold
    the same embeddings, they share the work.

    Args:
        embeddings: of the queries.
        labels: the class of each query.
        ks: the numbers of neighbours; one that is larger than the gallery takes all of it.
        gallery: embeddings and labels of what is searched; None searches the queries themselves, each without itself.
        similarity: cosine; euclidean, by distance; or dot, the inner product.
        ties: who comes first of a positive and a negative that are equally near.
        lone: queries without any image of their class in the gallery count as misses, as in the official code, or are
            left out.
        screen: the arithmetic of the first pass, see `visus.metrics.nearest_positive`; None chooses. The result does
            not depend on it.

    Raises:
        ValueError: embeddings that are not finite or of different dimensions, a K below 1, no query at all.
    """
    if not ks or min(ks) < 1:
        raise ValueError(f"every K must be at least 1, not {tuple(ks)}")
    points = points_for(embeddings, labels, gallery, similarity)
    if screen is None:
        even = similarity == "cosine" and embeddings.device.type == "cpu"
        screen = "int8" if even and len(points.gallery) >= _MANY else "float32"
    hits, known = hits_at(points, ks, ties=ties, screen=screen)
    if lone == "drop":
        hits = hits[known]
    if not len(hits):
        raise ValueError("no query has an image of its class in the gallery, and lone queries are dropped")
    shares = hits.double().mean(0).tolist()
    return dict(zip(ks, shares, strict=True))


def precision_at_r(
    embeddings: Float[Tensor, "q d"],
    labels: Int64[Tensor, " q"],
    *,
    gallery: tuple[Float[Tensor, "g d"], Int64[Tensor, " g"]] | None = None,
    similarity: Similarity = "cosine",
) -> dict[str, float]:
    """``MAP@R`` and ``R-precision`` over the queries that have something to find; 0 where none has.

    Neighbours that are equally near come in no particular order.

    Args:
        embeddings: of the queries.
        labels: the class of each query.
        gallery: as for `recall_at_k`.
        similarity: as for `recall_at_k`.
    """
    points = points_for(embeddings, labels, gallery, similarity)
    classes, sizes = torch.unique(points.gallery_labels, return_counts=True)
    place = torch.searchsorted(classes, points.query_labels).clamp(max=len(classes) - 1)
    wanted = torch.where(classes[place] == points.query_labels, sizes[place], 0) - int(points.shared)
    average, precision = [embeddings.new_zeros(0)], [embeddings.new_zeros(0)]
    for rows in torch.split(torch.arange(len(wanted), device=wanted.device), _ROWS_AT_ONCE):
        rows = rows[wanted[rows] > 0]
        if not len(rows):
            continue
        scores = points.queries[rows] @ points.gallery.T
        if points.shared:
            scores[torch.arange(len(rows), device=rows.device), rows] = -torch.inf
        found = scores.topk(int(wanted[rows].max())).indices
        right = points.gallery_labels[found] == points.query_labels[rows, None]
        ranks = torch.arange(1, found.shape[1] + 1, device=rows.device)
        counted = right & (ranks <= wanted[rows, None])
        average.append((counted * (counted.cumsum(1) / ranks)).sum(1) / wanted[rows])
        precision.append(counted.sum(1) / wanted[rows])
    values = {"MAP@R": torch.cat(average), "R-precision": torch.cat(precision)}
    return {name: float(value.double().mean()) if len(value) else 0.0 for name, value in values.items()}


def points_for(
    embeddings: Shaped[Tensor, ...], labels: Int64[Tensor, " q"], gallery: Side | None, similarity: Similarity
) -> Points:
    """Vectors whose dot products order a gallery as ``similarity`` does, sorted by label.

    Raises:
        ValueError: embeddings that are not finite, that do not fit their labels or the gallery, or none at all.
    """
    others, other_labels = gallery if gallery is not None else (embeddings, labels)
    for name, vectors, named in (("embeddings", embeddings, labels), ("gallery", others, other_labels)):
        if vectors.ndim != 2 or len(vectors) != len(named) or not len(vectors):
            raise ValueError(f"{name} of shape {list(vectors.shape)} with {len(named)} labels: need [n, d] with n > 0")
        if not bool(vectors.isfinite().all()):
            bad = int((~vectors.isfinite().all(1)).nonzero()[0, 0])
            raise ValueError(f"{name} must be finite: number {bad} holds NaN or infinity; did the training diverge?")
    if embeddings.shape[1] != others.shape[1]:
        raise ValueError(f"embeddings of {embeddings.shape[1]} dimensions in a gallery of {others.shape[1]}")
    order, other_order = labels.argsort(stable=True), other_labels.argsort(stable=True)
    queries, targets = _vectors(embeddings.float(), others.float(), similarity)
    return Points(
        queries[order].contiguous(),
        labels[order],
        targets[other_order].contiguous(),
        other_labels[other_order],
        shared=gallery is None,
    )


def _vectors(queries: Tensor, gallery: Tensor, similarity: Similarity) -> tuple[Tensor, Tensor]:
    """Both sides, changed so that their dot products are the similarities."""
    if similarity == "dot":
        return queries, gallery
    if similarity == "cosine":
        return F.normalize(queries, dim=1), F.normalize(gallery, dim=1)
    if similarity != "euclidean":
        raise ValueError(f"similarity must be cosine, euclidean or dot, not {similarity!r}")
    centre = gallery.mean(0)  # distances stay, and their terms cancel less
    queries, gallery = queries - centre, gallery - centre
    ones = queries.new_ones((1, 1))
    half_q, half_g = (-0.5 * part.double().square().sum(1, keepdim=True).float() for part in (queries, gallery))
    wide_q = torch.cat((queries, half_q, ones.expand(len(queries), 1)), dim=1)
    return wide_q, torch.cat((gallery, ones.expand(len(gallery), 1), half_g), dim=1)  # -(distance ** 2) / 2


@dataclass(frozen=True)
class Embedded:
    """Images as points, in the order of their identifiers.

    ``is_query`` says who looks for its class and, where False, who is looked at; None where every image is both.
    """

    vectors: Float[Tensor, "n d"]
    labels: Int64[Tensor, " n"]
    image_ids: list[int]
    is_query: Bool[Tensor, " n"] | None = None

    def to(self, device: torch.device) -> Embedded:
        """The same on a device."""
        asks = None if self.is_query is None else self.is_query.to(device)
        return replace(self, vectors=self.vectors.to(device), labels=self.labels.to(device), is_query=asks)

    def recall(
        self,
        ks: Sequence[int],
        *,
        similarity: Similarity = "cosine",
        ties: Ties = "optimistic",
        lone: Lone = "keep",
    ) -> dict[int, float]:
        """`recall_at_k` of the queries in their gallery."""
        (vectors, labels), gallery = self.sides()
        return recall_at_k(vectors, labels, ks, gallery=gallery, similarity=similarity, ties=ties, lone=lone)

    def sides(self) -> tuple[Side, Side | None]:
        """Queries and gallery; None for the gallery where the queries look among themselves.

        Raises:
            ValueError: only queries, or none.
        """
        if self.is_query is None:
            return (self.vectors, self.labels), None
        asks = self.is_query
        if bool(asks.all()) or not bool(asks.any()):
            raise ValueError(f"{int(asks.sum())} of {len(asks)} images are queries: it takes queries and a gallery")
        return (self.vectors[asks], self.labels[asks]), (self.vectors[~asks], self.labels[~asks])


class RetrievalMetric(ImageRecords):
    """Recall@K of embeddings: every image looks for its class among all others, or the queries in the gallery.

    Which of the two is told by the targets, `ClassTarget.is_query`.

    Args:
        ks: the numbers of neighbours.
        similarity: as for `recall_at_k`.
        ties: as for `recall_at_k`.
        lone: as for `recall_at_k`.
        precision: measure MAP@R and R-precision too, which takes longer.
        clusters: measure NMI too, of as many k-means clusters as there are classes.
    """

    def __init__(
        self,
        *,
        ks: Sequence[int] = (1, 10, 100, 1000),
        similarity: Similarity = "cosine",
        ties: Ties = "optimistic",
        lone: Lone = "keep",
        precision: bool = False,
        clusters: bool = False,
    ) -> None:
        super().__init__()
        self.ks = tuple(ks)
        self.similarity, self.ties, self.lone = similarity, ties, lone
        self.precision, self.clusters = precision, clusters

    @property
    def measures(self) -> Mapping[str, Measure]:
        """Recall at the first K comes first."""
        names = [f"R@{k}" for k in self.ks]
        names += ["MAP@R", "R-precision"] if self.precision else []
        names += ["NMI"] if self.clusters else []
        return {name: Measure(headline=place < _HEADLINES) for place, name in enumerate(names)}

    def measure_all(self, *, inputs: int, num_classes: int) -> None:
        """Adds MAP@R and R-precision, and NMI where clustering takes seconds, not minutes."""
        self._computed = None  # what torchmetrics remembers of a compute before lacks them
        self.precision = True
        self.clusters = inputs * num_classes <= _MOST_CLUSTERED

    def details(self) -> list[Any]:
        """The embeddings, where there are any."""
        return [self.embeddings()] if self.records() else []

    def update(self, predictions: Sequence[EmbeddingPrediction], batch: Batch) -> None:
        """Adds images: their embeddings and classes."""
        for prediction, target in zip(predictions, map(self.identified, batch.targets), strict=True):
            embedding = prediction.embedding.detach().float().cpu()
            self.add(target.image_id, (embedding.numpy(), int(target.label), target.is_query))

    def same_image(self, known: Any, record: Any) -> bool:
        """Whether both are of one class and on one side."""
        return bool(known[1:] == record[1:])

    def same_prediction(self, known: Any, record: Any) -> bool:
        """Whether both have one embedding."""
        return np.array_equal(known[0], record[0])

    def embeddings(self) -> Embedded:
        """What was measured so far.

        Raises:
            ValueError: nothing was, or some images say whether they are queries, and others do not.
        """
        records = self.records()
        if not records:
            raise ValueError("no image was measured yet, so there are no embeddings")
        vectors, labels, asks = zip(*records.values(), strict=True)
        told = [flag for flag in asks if flag is not None]
        if told and len(told) < len(asks):
            raise ValueError(f"{len(told)} of {len(asks)} images say whether they are queries: all must, or none")
        stacked = torch.stack([torch.from_numpy(vector) for vector in vectors])
        return Embedded(stacked, torch.tensor(labels), list(records), torch.tensor(told) if told else None)

    def compute(self) -> dict[str, float]:
        """``R@1`` and so on, as shares; -1 without any image."""
        if not self.records():
            return dict.fromkeys(self.measures, -1.0)
        images = self.embeddings().to(self.device)
        recall = images.recall(self.ks, similarity=self.similarity, ties=self.ties, lone=self.lone)
        numbers = {f"R@{k}": share for k, share in recall.items()}
        if self.precision:
            (vectors, labels), gallery = images.sides()
            numbers |= precision_at_r(vectors, labels, gallery=gallery, similarity=self.similarity)
        if self.clusters:
            found = k_means(F.normalize(images.vectors, dim=1), len(torch.unique(images.labels)))
            numbers["NMI"] = normalised_mutual_information(found, images.labels)
        return numbers
