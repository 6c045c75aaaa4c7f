"""Retrieval by similarity: recall@K, MAP@R, R-precision.

Recall@K is the metric-learning one: the share of queries with at least one image of the same class among the K nearest
(Song et al., arXiv 1511.06452, section 5). MAP@R and R-precision are those of Musgrave et al., "A Metric Learning
Reality Check", arXiv 2003.08505, section 3.2, where R is the number of images that there are to find. An image is never
its own neighbour: it is left out by its index, not by being nearest, as copies of it are just as near.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, get_args

import numpy as np
import torch
from jaxtyping import Bool, Float, Int64, Shaped
from torch import Tensor
from torch.nn import functional as F

from visus.metrics.by_image import ImageRecords
from visus.metrics.clustering import k_means, normalised_mutual_information
from visus.metrics.metric import Measure
from visus.metrics.nearest_positive import Screen, hits_at
from visus.metrics.points import Points, Similarity, points_for
from visus.metrics.ties import Ties
from visus.names import find
from visus.types import Batch, EmbeddingPrediction

Lone = Literal["keep", "drop"]
Side = tuple[Shaped[Tensor, " ..."], Int64[Tensor, " ..."]]

_MANY = 4096  # from so many images on, the first pass in whole numbers pays
_ROWS_AT_ONCE = 256
_FEW_TO_FIND = 64  # up to so many neighbours are compared pair by pair
_SPARE = 8  # so many neighbours more are looked at for some that are as near as the last
_HEADLINES = 6
_MOST_CLUSTERED = 20_000_000  # images times classes: k-means takes seconds


def recall_at_k(
    embeddings: Shaped[Tensor, "q d"],
    labels: Int64[Tensor, " q"],
    ks: Sequence[int] = (1, 10, 100, 1000),
    *,
    gallery: tuple[Shaped[Tensor, "g d"], Int64[Tensor, " g"]] | None = None,
    ref_includes_query: bool = False,
    similarity: Similarity = "cosine",
    ties: Ties = "expected",
    lone: Lone = "keep",
    screen: Screen | None = None,
) -> dict[int, float]:
    """The share of queries with an image of their class among the K nearest, for each K.

    Exact for any number of images, with memory for a few blocks of the similarity matrix. Where several processes hold
    the same embeddings, they share the work.

    Args:
        embeddings: of the queries, of any floating type.
        labels: the class of each query.
        ks: the numbers of neighbours; one that is larger than the gallery takes all of it.
        gallery: embeddings and labels of what is searched; None searches the queries themselves, each without itself.
        ref_includes_query: the gallery begins with the queries, in their order, and each is searched without itself.
        similarity: cosine; euclidean, by distance; or dot, the inner product.
        ties: who comes first of a positive and a negative that are equally near: either with the same chance
            (``expected``), the positive (``optimistic``) or the negative (``pessimistic``).
        lone: queries without any image of their class in the gallery count as misses, as in the official code, or are
            left out (``drop``).
        screen: the arithmetic of the first pass, see `visus.metrics.nearest_positive`; None chooses. The result does
            not depend on it.

    Raises:
        ValueError: embeddings that are not finite or of different dimensions, a K below 1, no query at all.
        UnknownNameError: an unknown similarity or rule.
    """
    if not ks or min(ks) < 1:
        raise ValueError(f"every K must be at least 1, not {tuple(ks)}")
    _check_rules(similarity=similarity, ties=ties, lone=lone)
    points, row = points_for(embeddings, labels, gallery, similarity, includes_queries=ref_includes_query)
    if screen is None:
        even = similarity == "cosine" and embeddings.device.type == "cpu"
        screen = "int8" if even and len(points.gallery) >= _MANY else "float32"
    shares, known = hits_at(points, ks, ties=ties, screen=screen)
    counted = torch.bincount(row, minlength=len(known)) * (known | (lone == "keep"))
    total = int(counted.sum())
    if not total:
        raise ValueError("no query has an image of its class in the gallery, and lone queries are dropped")
    return dict(zip(ks, ((shares * counted[:, None]).sum(0) / total).tolist(), strict=True))


def precision_at_r(
    embeddings: Shaped[Tensor, "q d"],
    labels: Int64[Tensor, " q"],
    *,
    gallery: tuple[Shaped[Tensor, "g d"], Int64[Tensor, " g"]] | None = None,
    ref_includes_query: bool = False,
    similarity: Similarity = "cosine",
    lone: Lone = "keep",
) -> dict[str, float]:
    """``MAP@R`` and ``R-precision``; of neighbours that are equally near, the expected value over their orders.

    Args:
        embeddings: of the queries.
        labels: the class of each query.
        gallery: as for `recall_at_k`.
        ref_includes_query: as for `recall_at_k`.
        similarity: as for `recall_at_k`.
        lone: queries with nothing to find count as 0, or are left out, as for `recall_at_k`.

    Raises:
        ValueError: as for `recall_at_k`.
        UnknownNameError: an unknown similarity or rule.
    """
    _check_rules(similarity=similarity, lone=lone)
    points, _ = points_for(embeddings, labels, gallery, similarity, includes_queries=ref_includes_query, merge=False)
    classes, sizes = torch.unique(points.gallery.labels, return_counts=True)
    place = torch.searchsorted(classes, points.queries.labels).clamp(max=len(classes) - 1)
    here = (points.own >= 0).long()
    wanted = torch.where(classes[place] == points.queries.labels, sizes[place] - here, 0)
    total = len(wanted) if lone == "keep" else int((wanted > 0).sum())
    if not total:
        raise ValueError("no query has an image of its class in the gallery, and lone queries are dropped")
    queries = points.all_stand_ins("queries", torch.float32)
    others = queries if points.symmetric else points.all_stand_ins("gallery", torch.float32)
    finer: Tensor | None = None
    sums = torch.zeros(2, dtype=torch.float64, device=labels.device)
    for rows in torch.split((wanted > 0).nonzero()[:, 0], _ROWS_AT_ONCE):
        most = int(wanted[rows].max())
        scores, found, slack = _candidates(points, rows, queries[rows] @ others.T, most)
        if found.shape[1] <= _FEW_TO_FIND:
            scores = _exact_rows(points, rows, found)
            slack = points.slack(scores[:, 0])
        else:
            finer = points.all_stand_ins("gallery", torch.float64) if finer is None else finer
            ours = points.stand_ins("queries", rows, torch.float64)
            scores, found, slack = _candidates(points, rows, ours @ finer.T, most)
        scores, order = scores.sort(dim=1, descending=True)
        right = points.gallery.labels[found.gather(1, order)] == points.queries.labels[rows, None]
        sums += _precision(scores, right & scores.isfinite(), wanted[rows], slack)
    average, precision = (sums / total).tolist()
    return {"MAP@R": average, "R-precision": precision}


def _candidates(
    points: Points, rows: Int64[Tensor, " m"], scores: Float[Tensor, "m g"], count: int
) -> tuple[Float[Tensor, "m n"], Int64[Tensor, "m n"], Float[Tensor, " m"]]:
    """What may be among the ``count`` nearest of each query: scores, rows of the gallery, and the scores' error."""
    own = points.own[rows]
    here = (own >= 0).nonzero()[:, 0]
    scores[here, own[here]] = -torch.inf
    best, found = scores.topk(min(count + _SPARE, scores.shape[1]))
    last = best[:, min(count, best.shape[1]) - 1].double()
    off = 2 * points.errors(rows, last, scores.dtype) + points.slack(last)
    if bool((best[:, -1] >= last - off).any()):  # there may be more
        best, found = scores.topk(int((scores >= (last - off)[:, None]).sum(1).max()))
    return best, found, off


def _exact_rows(points: Points, rows: Int64[Tensor, " m"], found: Int64[Tensor, "m n"]) -> Float[Tensor, "m n"]:
    """The exact similarity of each query with each image found for it; -inf with itself."""
    query = rows[:, None].expand_as(found)
    exact = points.exact(query.flatten(), found.flatten()).view(found.shape)
    return exact.where(found != points.own[rows, None], -torch.inf)


def _precision(
    scores: Float[Tensor, "m n"], right: Bool[Tensor, "m n"], wanted: Int64[Tensor, " m"], slack: Float[Tensor, " m"]
) -> Float[Tensor, 2]:
    """The sums of MAP@R and R-precision over the queries, from neighbours in falling order.

    Neighbours that are equally near, by ``slack``, are one group, of m with c right ones. The one at its j-th place is
    right with the probability c / m, and then j (c - 1) / (m - 1) of the group before it are expected to be right.
    """
    places = torch.arange(scores.shape[1], device=scores.device)
    new = torch.ones_like(right)
    new[:, 1:] = scores[:, :-1] - scores[:, 1:] > slack[:, None]
    group = new.long().cumsum(1) - 1
    size = torch.zeros_like(scores).scatter_add_(1, group, torch.ones_like(scores)).gather(1, group)
    hits = torch.zeros_like(scores).scatter_add_(1, group, right.double()).gather(1, group)
    start = torch.where(new, places, 0).cummax(1).values
    before = (right.long().cumsum(1) - right.long()).gather(1, start)
    among = (places - start) * (hits - 1) / (size - 1).clamp(min=1)
    counted = (places < wanted[:, None]) * (hits / size)
    average = (counted * (before + 1 + among) / (places + 1)).sum(1) / wanted
    return torch.stack((average.sum(), (counted.sum(1) / wanted).sum()))


def _check_rules(**chosen: str) -> None:
    """Whether each rule has the name of one.

    Raises:
        UnknownNameError: it has not.
    """
    known = {"similarity": get_args(Similarity), "ties": get_args(Ties), "lone": get_args(Lone)}
    for rule, name in chosen.items():
        find(dict.fromkeys(known[rule]), name, f"rule for {rule}")


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
        ties: Ties = "expected",
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
        ties: Ties = "expected",
        lone: Lone = "keep",
        precision: bool = False,
        clusters: bool = False,
    ) -> None:
        super().__init__()
        _check_rules(similarity=similarity, ties=ties, lone=lone)
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
            ValueError: nothing was, dimensions differ, or some images say whether they are queries, and others do not.
        """
        records = self.records()
        if not records:
            raise ValueError("no image was measured yet, so there are no embeddings")
        vectors, labels, asks = zip(*records.values(), strict=True)
        told = [flag for flag in asks if flag is not None]
        if told and len(told) < len(asks):
            raise ValueError(f"{len(told)} of {len(asks)} images say whether they are queries: all must, or none")
        dimensions = sorted({len(vector) for vector in vectors})
        if len(dimensions) > 1:
            raise ValueError(f"embeddings of {dimensions[0]} and of {dimensions[1]} dimensions cannot be compared")
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
            numbers |= precision_at_r(vectors, labels, gallery=gallery, similarity=self.similarity, lone=self.lone)
        if self.clusters:
            found = k_means(F.normalize(images.vectors, dim=1), len(torch.unique(images.labels)))
            numbers["NMI"] = normalised_mutual_information(found, images.labels)
        return numbers
