"""Verification of embeddings as a metric: are two images of one class, at a stated rate of false accepts.

The functions are those of `visus.metrics.verification`. Of a list of pairs (LFW), images come one pair after the other,
and the folds are those of the list. Without one, all pairs of images count for the rates, and the accuracy is that of
the genuine pairs and as many impostor pairs, drawn.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, Final, Literal, TypeAlias

import numpy as np
import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor
from torch.nn import functional as F

from visus.metrics.by_image import ImageRecords
from visus.metrics.metric import Measure
from visus.metrics.verification import k_fold_accuracy, pair_distances, roc, tar_at_far
from visus.types import Batch, EmbeddingPrediction

Pairs: TypeAlias = Literal["all", "listed"]

MOST_IMAGES: Final = 20_000
"""Images of which all pairs are compared, at most."""


class VerificationMetric(ImageRecords):
    """Accuracy in ten folds, TAR@FAR, the area under the ROC, and how many pairs that was measured on.

    A rate at which not even one impostor pair could pass is not measured. The rule for pairs is in the name of every
    number.

    Args:
        fars: the false-accept rates.
        pairs: ``all`` pairs of images, or ``listed``: images 0 and 1 are a pair, 2 and 3 the next.
        folds: of the accuracy: of a list its parts, as long as each other.
        normalise: compare directions; else the embeddings as they are.
    """

    def __init__(
        self,
        *,
        fars: Sequence[float] = (1e-2, 1e-3, 1e-4),
        pairs: Pairs = "all",
        folds: int = 10,
        normalise: bool = True,
    ) -> None:
        super().__init__()
        if not all(0 < far < 1 for far in fars) or folds < 2:
            raise ValueError(f"rates lie between 0 and 1 and there are two folds at least; not {tuple(fars)}, {folds}")
        self.fars, self.pairs, self.folds, self.normalise = tuple(fars), pairs, folds, normalise

    @property
    def measures(self) -> Mapping[str, Measure]:
        """The area under the ROC comes first: a few pairs of both kinds are enough for it."""
        shares = ["ROC area", f"accuracy ({self.folds} folds)", *(f"TAR@FAR={far:g}" for far in self.fars)]
        found = {
            self._named(name): Measure(headline=not place, row=self.pairs, column=name)
            for place, name in enumerate(shares)
        }
        error = Measure(smaller_is_better=True, curve=False, row=self.pairs, column="standard error")
        number = [Measure(unit="number", curve=False, row=self.pairs, column=name) for name in _COUNTED]
        return {**found, self._named("standard error"): error, **{self._named(one.column): one for one in number}}

    def _named(self, name: str) -> str:
        return f"{name} ({self.pairs} pairs)"

    def update(self, predictions: Sequence[EmbeddingPrediction], batch: Batch) -> None:
        """Adds images: their embeddings and classes."""
        for prediction, target in zip(predictions, map(self.identified, batch.targets), strict=True):
            self.add(target.image_id, (prediction.embedding.detach().float().cpu().numpy(), int(target.label)))

    def same_image(self, known: Any, record: Any) -> bool:
        """Whether both are of one class."""
        return bool(known[1] == record[1])

    def same_prediction(self, known: Any, record: Any) -> bool:
        """Whether both have one embedding."""
        return np.array_equal(known[0], record[0])

    def compute(self) -> dict[str, float]:
        """All measures; -1, and numbers that are none, where there are no pairs of both kinds."""
        found = dict.fromkeys(self.measures, -1.0)
        found |= {self._named(name): math.nan for name in _COUNTED}
        if len(self.records()) < 2:
            return found
        vectors, labels = zip(*self.records().values(), strict=True)
        points = torch.stack([torch.from_numpy(vector) for vector in vectors]).double()
        if self.normalise:
            points = F.normalize(points, dim=1)
        distances, same = _PAIRED[self.pairs](points, torch.tensor(labels))
        genuine, impostors = distances[same], distances[~same]
        if not len(genuine) or not len(impostors):
            return found
        numbers = {"ROC area": roc(genuine, impostors).area}
        numbers |= dict(zip(_COUNTED, (float(len(genuine)), float(len(impostors))), strict=True))
        seen = [far for far in self.fars if far * len(impostors) >= 1]
        numbers |= {f"TAR@FAR={one.wanted:g}": one.tar for one in tar_at_far(genuine, impostors, seen)}
        numbers |= self._accuracy(distances, same)
        return {**found, **{self._named(name): value for name, value in numbers.items()}}

    def _accuracy(self, distances: Float[Tensor, " n"], same: Bool[Tensor, " n"]) -> dict[str, float]:
        if self.pairs == "all":
            distances, same = _drawn(distances, same)
        if len(distances) < self.folds:
            return {}
        folded = k_fold_accuracy(distances, same, folds=self.folds)
        return {f"accuracy ({self.folds} folds)": folded.mean, "standard error": folded.standard_error}


_COUNTED: Final = ("genuine pairs", "impostor pairs")


def _all_pairs(
    points: Float[Tensor, "n d"], labels: Int64[Tensor, " n"]
) -> tuple[Float[Tensor, " p"], Bool[Tensor, " p"]]:
    """The distance of all pairs, and whether each is of one class.

    Raises:
        ValueError: there are too many images.
    """
    if len(points) > MOST_IMAGES:
        raise ValueError(f"{len(points)} images: all pairs of at most {MOST_IMAGES} are compared; measure a part")
    genuine, impostors = pair_distances(points, labels)
    same = torch.arange(len(genuine) + len(impostors)) < len(genuine)
    return torch.cat([genuine, impostors]), same


def _listed_pairs(
    points: Float[Tensor, "n d"], labels: Int64[Tensor, " n"]
) -> tuple[Float[Tensor, " p"], Bool[Tensor, " p"]]:
    """The same of images that come one pair after the other.

    Raises:
        ValueError: an image is without its other.
    """
    if len(points) % 2:
        raise ValueError(f"{len(points)} images do not make pairs: of a list of pairs they come two by two")
    return (points[::2] - points[1::2]).norm(dim=1), labels[::2] == labels[1::2]


_PAIRED: Final = {"all": _all_pairs, "listed": _listed_pairs}


def _drawn(distances: Tensor, same: Tensor) -> tuple[Tensor, Tensor]:
    """As many impostor pairs as genuine ones (at most), drawn, all in a drawn order."""
    generator = torch.Generator().manual_seed(0)
    impostors, genuine = (~same).nonzero()[:, 0], same.nonzero()[:, 0]
    some = impostors[torch.randperm(len(impostors), generator=generator)[: len(genuine)]]
    places = torch.cat([genuine, some])
    places = places[torch.randperm(len(places), generator=generator)]
    return distances[places], same[places]
