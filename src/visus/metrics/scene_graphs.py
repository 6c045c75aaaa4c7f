"""Recalls of scene graphs: R@K, mR@K, zR@K and A@K, with and without the graph constraint.

R@K is the share of the annotated relationships of an image that is among its K best predicted ones (Lu et al. 2016,
arXiv 1608.00187); mR@K the mean over predicates (Chen et al. 2019, arXiv 1903.03326; Tang et al. 2019, arXiv
1812.01880). With the graph constraint a pair of objects has one predicate, without it ("ng") any number (Zellers et al.
2018, arXiv 1711.06640). Conventions differ from paper to paper and change the digits; see `Protocol`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
from jaxtyping import Bool
from torch import Tensor

from visus.metrics.by_image import ImageRecords, check_frame
from visus.metrics.metric import Measure, PerCategory
from visus.metrics.scene_graph_matches import (
    Protocol,
    found_at,
    on_annotated_pairs,
    ranked,
    relationships_of,
    triplets,
)
from visus.types import Batch, GraphPrediction, InstanceTarget, Schema

Mode = Literal["predcls", "sgcls", "sgdet"]
"""What is given to the network: boxes and classes of objects, boxes alone, or nothing."""

Seen = Callable[[], Bool[Tensor, "c p c"]]
"""Says which triplets (subject, predicate, object) occurred in training."""


@dataclass(frozen=True)
class Conventions:
    """How the numbers of a metric came about, in words that belong beside them."""

    text: str


class SceneGraphMetric(ImageRecords):
    """``R@K``, ``mR@K`` and ``pooled mR@K``, the same without the graph constraint (``ng``), and more.

    ``mR@K`` is the mean over the predicates that are annotated of the mean recall of the images that have the
    predicate; ``pooled mR@K`` takes all its relationships together instead. Predicates that are not annotated are left
    out of both. ``zR@K`` is R@K of triplets that did not occur in training. ``A@K`` looks at annotated pairs alone and
    is no recall. ``attribute mAP`` is the mean over attributes of the average precision of scores of given objects.

    Args:
        schema: the names of the predicates.
        mode: what the network was given; A@K and attributes are measured where that is the boxes.
        seen: tells the triplets of training; None measures no zR@K.
        protocol: the conventions.
    """

    def __init__(
        self, schema: Schema, *, mode: Mode = "predcls", seen: Seen | None = None, protocol: Protocol | None = None
    ) -> None:
        super().__init__()
        self.schema, self.mode, self.seen = schema, mode, seen
        self.protocol = protocol or Protocol()
        self._by_predicate: PerCategory | None = None

    @property
    def measures(self) -> Mapping[str, Measure]:
        """R@K comes first."""
        names = [f"{name}@{k}" for name in ("R", "mR", "pooled mR", "ng R", "ng mR", "ng pooled mR") for k in self._ks]
        names += [f"{name}@{k}" for name in ("zR", "ng zR") for k in self._ks if self.seen is not None]
        names += [f"A@{k}" for k in self._ks if self.given]
        names += ["attribute mAP"] if self.given else []
        headlines = {f"R@{self._ks[0]}", f"mR@{self._ks[0]}", "attribute mAP"}
        measures = {}
        for name in names:
            row, _, k = name.partition("@")
            shown = name in headlines
            measures[name] = Measure(headline=shown, curve=shown, row=row if k else "", column=f"@{k}" if k else "")
        return measures

    @property
    def _ks(self) -> tuple[int, ...]:
        return self.protocol.ks

    @property
    def given(self) -> bool:
        """Whether the objects of predictions are those of the targets, in their order."""
        return self.mode != "sgdet"

    def update(self, predictions: Sequence[GraphPrediction], batch: Batch) -> None:
        """Adds images.

        Raises:
            ValueError: sizes differ, two images share an ``image_id``, or given objects are not those of the target.
        """
        self._by_predicate = None
        for prediction, target in zip(predictions, map(self.identified, batch.targets), strict=True):
            check_frame(prediction, target)
            self.add(target.image_id, self._image(prediction, target))

    def _image(self, prediction: GraphPrediction, target: InstanceTarget) -> _Image:
        if self.given and len(prediction) != len(target):
            raise ValueError(
                f"image {target.image_id}: in mode {self.mode!r} predictions have the {len(target)} objects of the "
                f"target, not {len(prediction)}; measure what a detector found in mode 'sgdet'"
            )
        best, every = (ranked(prediction, constrained=constrained) for constrained in (True, False))
        among = on_annotated_pairs(best, target) if self.given else best[:0]
        attributed = self.given and target.attributes is not None
        truth = relationships_of(target)
        return _Image(
            triplets=triplets(truth, target.labels.cpu()).numpy(),
            best=found_at(best, prediction, target, self.protocol).numpy(),
            every=found_at(every, prediction, target, self.protocol).numpy(),
            among=found_at(among, prediction, target, self.protocol).numpy(),
            predicted=len(best),
            scores=prediction.attribute_scores.cpu().float().numpy() if attributed else np.zeros((0, 0)),
            attributes=target.attributes.cpu().numpy() if attributed and target.attributes is not None else _NOTHING,
            annotations=_annotations(target),
        )

    def compute(self) -> dict[str, float]:
        """The numbers; -1 where nothing is annotated."""
        images = list(self.records().values())
        left_out = self.protocol.without_predictions == "left_out"
        related = [one for one in images if len(one.triplets) and (one.predicted or not left_out)]
        numbers = self._recalls(related, "", _best) | self._recalls(related, "ng ", _every)
        if self.seen is not None:
            new = ~self.seen().cpu().numpy()
            chosen = [one.only(new[tuple(one.triplets.T)]) for one in related]
            chosen = [one for one in chosen if len(one.triplets)]
            for prefix, ranks in (("", _best), ("ng ", _every)):
                numbers |= {f"{prefix}zR@{k}": self._recall(chosen, ranks, k) for k in self._ks}
        if self.given:
            numbers |= {f"A@{k}": _pooled(one.among < k for one in related) for k in self._ks}
            numbers["attribute mAP"] = _attribute_precision(images)
        last = self._ks[-1]
        by_predicate = _by_predicate(related, _best, last)
        names = self.schema.predicates
        named = {names[number]: float(np.concatenate(hits).mean()) for number, hits in by_predicate.items()}
        self._by_predicate = PerCategory({f"R@{last} of predicates": named})
        return numbers

    def details(self) -> list[Any]:
        """The conventions, and the recall of each predicate.

        Raises:
            RuntimeError: before ``compute``. It is not called here because all processes have to take part in it.
        """
        if self._by_predicate is None:
            raise RuntimeError("there is no result: call compute() first")
        given = {"predcls": "boxes and classes of the objects", "sgcls": "boxes of the objects", "sgdet": "nothing"}
        text = f"{self.mode}: given {given[self.mode]}; {self.protocol}; mR over the predicates that are annotated."
        return [Conventions(text), self._by_predicate]

    def reset(self) -> None:
        """Forgets all images."""
        super().reset()
        self._by_predicate = None

    def same_image(self, known: _Image, record: _Image) -> bool:
        """Whether two records hold the same annotations."""
        return known.annotations == record.annotations

    def same_prediction(self, known: _Image, record: _Image) -> bool:
        """Whether two records found the same."""
        pairs = ((known.best, record.best), (known.every, record.every), (known.scores, record.scores))
        return all(np.array_equal(first, second) for first, second in pairs)

    def _recalls(self, images: Sequence[_Image], prefix: str, ranks: Ranks) -> dict[str, float]:
        numbers = {f"{prefix}R@{k}": self._recall(images, ranks, k) for k in self._ks}
        for name, merged in (("mR", _mean_of_means), ("pooled mR", _mean_of_shares)):
            numbers |= {f"{prefix}{name}@{k}": merged(_by_predicate(images, ranks, k)) for k in self._ks}
        return numbers

    def _recall(self, images: Sequence[_Image], ranks: Ranks, k: int) -> float:
        hits = [ranks(one) < k for one in images]
        if self.protocol.mean == "relationships":
            return _pooled(hits)
        return float(np.mean([one.mean() for one in hits])) if hits else -1.0


@dataclass(frozen=True)
class _Image:
    """Where each annotated relationship of an image was found: with the constraint, without, among annotated pairs."""

    triplets: np.ndarray
    best: np.ndarray
    every: np.ndarray
    among: np.ndarray
    predicted: int
    scores: np.ndarray
    attributes: np.ndarray
    annotations: bytes

    def only(self, chosen: np.ndarray) -> _Image:
        """Some of the relationships alone."""
        best, every, among = self.best[chosen], self.every[chosen], self.among[chosen]
        return replace(self, triplets=self.triplets[chosen], best=best, every=every, among=among)


Ranks = Callable[[_Image], np.ndarray]
_NOTHING = np.zeros((0, 0), dtype=bool)


def _best(image: _Image) -> np.ndarray:
    return image.best


def _every(image: _Image) -> np.ndarray:
    return image.every


def average_precision(scores: np.ndarray, positive: np.ndarray) -> float:
    """The mean, over the positives, of the precision among all that score at least as much; ties count together."""
    order = np.argsort(-scores, kind="stable")
    ordered, hits = scores[order], np.cumsum(positive[order])
    ends = np.searchsorted(-ordered, -ordered, side="right")  # how many score at least as much
    precision = hits[ends - 1] / ends
    return float(precision[positive[order]].mean())


def _attribute_precision(images: Sequence[_Image]) -> float:
    known = [one for one in images if one.attributes.size]
    if not known:
        return -1.0
    scores, truth = np.concatenate([one.scores for one in known]), np.concatenate([one.attributes for one in known])
    values = [average_precision(column, right) for column, right in zip(scores.T, truth.T, strict=True) if right.any()]
    return float(np.mean(values)) if values else -1.0


def _by_predicate(images: Iterable[_Image], ranks: Ranks, k: int) -> dict[int, list[np.ndarray]]:
    """For each predicate that occurs: which of its relationships were found, image by image."""
    found: dict[int, list[Any]] = {}
    for image in images:
        predicates, hits = image.triplets[:, 1], ranks(image) < k
        for predicate in np.unique(predicates):
            found.setdefault(int(predicate), []).append(hits[predicates == predicate])
    return dict(sorted(found.items()))


def _mean_of_means(found: Mapping[int, list[np.ndarray]]) -> float:
    """The mean over predicates of the mean recall of the images with each."""
    values = [np.mean([one.mean() for one in hits]) for hits in found.values()]
    return float(np.mean(values)) if values else -1.0


def _mean_of_shares(found: Mapping[int, list[np.ndarray]]) -> float:
    """The mean over predicates of the share of all their relationships that was found."""
    values = [np.concatenate(hits).mean() for hits in found.values()]
    return float(np.mean(values)) if values else -1.0


def _pooled(hits: Iterable[np.ndarray]) -> float:
    parts = list(hits)
    return float(np.concatenate(parts).mean()) if parts else -1.0


def _annotations(target: InstanceTarget) -> bytes:
    parts = (target.boxes_xyxy, target.labels, relationships_of(target))
    return b"".join(part.cpu().numpy().tobytes() for part in parts)
