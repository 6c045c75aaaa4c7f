"""Verification and identification: is it the same, and who is it, at a stated rate of false accepts.

All functions take distances, whatever they are of; two things are held to be the same where their distance is *less*
than a threshold. A false-accept rate says something only beside the number of pairs that it was measured on: of 3,000
impostor pairs, one false accept in 10,000 cannot be seen.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor

BLOCK = 1 << 22
"""Entries of the matrix of distances that exist at a time."""


@dataclass(frozen=True)
class ThresholdAtFar:
    """A threshold, the share of impostor pairs that it accepts, and how many impostor pairs there were."""

    threshold: float
    far: float
    pairs: int


@dataclass(frozen=True)
class TarAtFar:
    """The share of genuine pairs that is accepted at a wanted false-accept rate.

    ``far`` is what was attained, at most ``wanted``; ``genuine`` and ``impostors`` are numbers of pairs.
    """

    wanted: float
    tar: float
    far: float
    threshold: float
    genuine: int
    impostors: int


@dataclass(frozen=True)
class Roc:
    """False and true accept rates at each threshold at which one of them changes, from none accepted to all."""

    thresholds: Float[Tensor, " t"]
    far: Float[Tensor, " t"]
    tar: Float[Tensor, " t"]

    @property
    def area(self) -> float:
        """Under the curve: how likely a genuine pair is nearer than an impostor pair; ties count half."""
        return float(torch.trapezoid(self.tar, self.far))


@dataclass(frozen=True)
class FoldedAccuracy:
    """The mean over folds, its standard error, and of each fold its accuracy and the threshold from the others."""

    mean: float
    standard_error: float
    folds: tuple[float, ...]
    thresholds: tuple[float, ...]


@dataclass(frozen=True)
class OpenSet:
    """Identification among enrolled people and others, at a wanted false-positive identification rate.

    ``tpir`` is the share of searches for enrolled people whose nearest is the right one *and* under the threshold;
    ``fpir`` the share of searches for others whose nearest, whoever it is, is under it; it is at most ``wanted``.
    """

    wanted: float
    tpir: float
    fpir: float
    threshold: float
    mated: int
    non_mated: int


def pair_distances(
    embeddings: Float[Tensor, "n d"], labels: Int64[Tensor, " n"]
) -> tuple[Float[Tensor, " genuine"], Float[Tensor, " impostors"]]:
    """The Euclidean distances of all pairs, each counted once: those of one label, and those of two.

    Raises:
        ValueError: an embedding is NaN or infinite.
    """
    if not bool(embeddings.isfinite().all()):
        raise ValueError("an embedding is NaN or infinite")
    genuine, impostors = [], []
    step = max(1, BLOCK // max(len(embeddings), 1))
    for start in range(0, len(embeddings), step):
        rows = embeddings[start : start + step]
        distances = torch.cdist(rows, embeddings, compute_mode="donot_use_mm_for_euclid_dist")
        places = torch.arange(len(embeddings), device=embeddings.device)
        later = places > places[start : start + step, None]
        same = labels[start : start + step, None] == labels
        genuine.append(distances[later & same])
        impostors.append(distances[later & ~same])
    empty = embeddings.new_zeros(0)
    return torch.cat([*genuine, empty]), torch.cat([*impostors, empty])


def threshold_at(impostors: Float[Tensor, " n"], *, far: float = 1e-3) -> ThresholdAtFar:
    """The largest threshold that accepts at most a share ``far`` of the impostor pairs; infinite where all may pass.

    Args:
        impostors: distances of pairs that are not the same.
        far: the wanted false-accept rate, 0 to 1.

    Raises:
        ValueError: there is no pair, or ``far`` is no share.
    """
    if not len(impostors):
        raise ValueError("a false-accept rate needs pairs that are not the same, and there are none")
    if not 0 <= far <= 1:
        raise ValueError(f"a false-accept rate lies between 0 and 1; this one is {far}")
    # floor with some room: .3 of 10 pairs are 3, whatever the binary digits of .3 say
    allowed = math.floor(far * len(impostors) + 1e-9)
    if allowed >= len(impostors):
        return ThresholdAtFar(math.inf, 1.0, len(impostors))
    threshold = float(impostors.kthvalue(allowed + 1).values)
    return ThresholdAtFar(threshold, float((impostors < threshold).double().mean()), len(impostors))


def tar_at_far(
    genuine: Float[Tensor, " g"], impostors: Float[Tensor, " n"], fars: Sequence[float] = (1e-2, 1e-3)
) -> tuple[TarAtFar, ...]:
    """The share of genuine pairs accepted at each of the wanted false-accept rates.

    Raises:
        ValueError: there are no pairs of one of the two kinds, or a rate is no share.
    """
    if not len(genuine):
        raise ValueError("a true-accept rate needs pairs that are the same, and there are none")
    found = []
    for wanted in fars:
        at = threshold_at(impostors, far=wanted)
        tar = float((genuine < at.threshold).double().mean())
        found.append(TarAtFar(wanted, tar, at.far, at.threshold, len(genuine), len(impostors)))
    return tuple(found)


def roc(genuine: Float[Tensor, " g"], impostors: Float[Tensor, " n"]) -> Roc:
    """Both rates at every distance that occurs, and at infinity.

    Raises:
        ValueError: there are no pairs of one of the two kinds.
    """
    if not len(genuine) or not len(impostors):
        raise ValueError("a ROC curve needs pairs of both kinds")
    distances = torch.cat([genuine, impostors]).double()
    thresholds = torch.cat([torch.unique(distances), distances.new_tensor([math.inf])])  # sorted
    rates = [
        torch.searchsorted(part.double().sort().values, thresholds).double() / len(part)
        for part in (impostors, genuine)
    ]
    return Roc(thresholds, *rates)


def k_fold_accuracy(
    distances: Float[Tensor, " n"], same: Bool[Tensor, " n"], *, folds: int | Int64[Tensor, " n"] = 10
) -> FoldedAccuracy:
    """Accuracy on each fold at the threshold that is best on the others (the protocol of LFW).

    All thresholds that tell the given distances apart are tried, halfway between neighbours; of equally good ones the
    middle one is taken.

    Args:
        distances: of pairs.
        same: whether each pair is genuine.
        folds: how many, in the order of the pairs; or the fold of each pair.

    Raises:
        ValueError: there are fewer than two folds, or a fold is empty.
    """
    numbers = folds if isinstance(folds, Tensor) else torch.arange(len(distances)) * folds // max(len(distances), 1)
    names = torch.unique(numbers).tolist()
    if len(names) < 2 or (isinstance(folds, int) and len(names) != folds):
        raise ValueError(f"{len(distances)} pairs do not fill {folds if isinstance(folds, int) else len(names)} folds")
    accuracies, thresholds = [], []
    for name in names:
        own = numbers == name
        threshold = _best_threshold(distances[~own].double(), same[~own])
        accuracies.append(float(((distances[own] < threshold) == same[own]).double().mean()))
        thresholds.append(threshold)
    values = torch.tensor(accuracies, dtype=torch.float64)
    error = float(values.std() / math.sqrt(len(values)))
    return FoldedAccuracy(float(values.mean()), error, tuple(accuracies), tuple(thresholds))


def _best_threshold(distances: Tensor, same: Tensor) -> float:
    """Of the thresholds that divide the distances best, the middle one."""
    values, order = distances.sort()
    right = same[order].long()
    # Accepting the first i: the genuine among them are right, and so are the impostors behind.
    accepted = torch.cat([right.new_zeros(1), right.cumsum(0)])
    ahead = torch.arange(len(values) + 1)
    correct = accepted + (len(values) - int(right.sum())) - (ahead - accepted)
    edges = torch.cat([values[:1] - 1, (values[1:] + values[:-1]) / 2, values[-1:] + 1])
    apart = torch.cat(
        [torch.tensor([True]), values[1:] > values[:-1], torch.tensor([True])]
    )  # of equal ones, all or none
    correct = torch.where(apart, correct, -1)
    best = (correct == correct.max()).nonzero().flatten()
    return float(edges[best[(len(best) - 1) // 2]])


def open_set(
    distances: Float[Tensor, "q n"],
    people: Int64[Tensor, " n"],
    searched: Int64[Tensor, " q"],
    *,
    fpirs: Sequence[float] = (1e-2,),
) -> tuple[OpenSet, ...]:
    """Searches for people among enrolled ones, where some are not enrolled.

    Args:
        distances: of each search to each enrolled face.
        people: whose the enrolled faces are; a person may have several.
        searched: who is searched for. Those who are not among ``people`` are non-mated: nobody should be found.
        fpirs: the wanted false-positive identification rates.

    Raises:
        ValueError: there are no mated or no non-mated searches, or nobody is enrolled.
    """
    if not len(people):
        raise ValueError("nobody is enrolled")
    mated = (searched[:, None] == people).any(dim=1)
    if not bool(mated.any()) or bool(mated.all()):
        raise ValueError("an open set needs searches for people who are enrolled and for people who are not")
    smallest, nearest = distances.min(dim=1)
    right = people[nearest] == searched
    found = []
    for wanted in fpirs:
        at = threshold_at(smallest[~mated], far=wanted)
        hits = right[mated] & (smallest[mated] < at.threshold)
        tpir = float(hits.double().mean())
        found.append(OpenSet(wanted, tpir, at.far, at.threshold, int(mated.sum()), int((~mated).sum())))
    return tuple(found)
