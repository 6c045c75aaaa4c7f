"""How well clusters agree with classes: normalised mutual information, and k-means to make clusters of embeddings."""

from __future__ import annotations

import math
from typing import Literal, TypeAlias, get_args

import numpy as np
import torch
from jaxtyping import Float, Int64
from numpy.typing import NDArray
from torch import Tensor

Average = Literal["arithmetic", "geometric", "max", "min"]
Sums: TypeAlias = NDArray[np.float64] | float
_TINY = 1e-12


def normalised_mutual_information(
    clusters: Int64[Tensor, " n"], labels: Int64[Tensor, " n"], *, average: Average = "arithmetic"
) -> float:
    """2 I(C; Y) / (H(C) + H(Y)) with the arithmetic mean, the form of arXiv 1511.06452; 1 where both are constant.

    Args:
        clusters: any numbers; equal ones are one cluster.
        labels: the classes.
        average: what I is divided by: a mean of the two entropies, the larger or the smaller one.

    Raises:
        ValueError: nothing to compare, or an average that does not exist.
    """
    if not len(labels):
        raise ValueError("mutual information needs at least one image")
    one, other = (np.unique(part.cpu().numpy(), return_inverse=True)[1] for part in (clusters, labels))
    cells = one * (int(other.max()) + 1) + other
    sums = [_sum_x_log_x(np.unique(part, return_counts=True)[1]) for part in (cells, one, other)]
    return float(nmi_of_sums(*sums, items=len(labels), average=average))


def nmi_of_sums(cells: Sums, clusters: Sums, classes: Sums, *, items: int, average: Average) -> NDArray[np.float64]:
    """Normalised mutual information from ``sum x log x`` over the counts x of a contingency table, or of many tables.

    Args:
        cells: over the cells of the table.
        clusters: over the sizes of the clusters.
        classes: over the sizes of the classes.
        items: how many are clustered.
        average: as for `normalised_mutual_information`.

    Raises:
        ValueError: an average that does not exist.
    """
    whole = items * np.log(items)
    information = np.maximum((cells - clusters - classes + whole) / items, 0)
    one, other = np.asarray((whole - clusters) / items), np.asarray((whole - classes) / items)
    means = {
        "arithmetic": (one + other) / 2,
        "geometric": np.sqrt(np.maximum(one * other, 0)),
        "max": np.maximum(one, other),
        "min": np.minimum(one, other),
    }
    if average not in means:
        raise ValueError(f"average must be one of {', '.join(get_args(Average))}, not {average!r}")
    share = information / np.maximum(means[average], _TINY)
    both_constant = np.maximum(one, other) <= _TINY
    return np.where(means[average] > _TINY, share, np.where(both_constant, 1.0, 0.0))


def _sum_x_log_x(counts: NDArray[np.int64]) -> float:
    return float((counts * np.log(counts)).sum())


def k_means(points: Float[Tensor, "n d"], clusters: int, *, iterations: int = 50, seed: int = 0) -> Int64[Tensor, " n"]:
    """The cluster of each point after Lloyd's iterations from greedy k-means++ seeds, as in scikit-learn.

    Seeds are those of Arthur and Vassilvitskii (2007, sections 2.2 and 6): of 2 + log(clusters) points that are drawn
    for a seed, the one stays that leaves the least sum of squared distances. A cluster that loses all of its points
    goes on with the point that is farthest from its own centre.

    Args:
        points: what is clustered.
        clusters: how many; more than there are points gives each its own.
        iterations: at most so many; fewer where nothing moves any more.
        seed: of the first centres.
    """
    clusters = min(clusters, len(points))
    points = points - points.mean(0)  # nearer to the origin fewer digits are lost
    generator = torch.Generator(device=points.device).manual_seed(seed)
    centres = _spread(points, clusters, generator)
    assigned = torch.full((len(points),), -1, device=points.device)
    for _ in range(iterations):
        nearest = _nearest(points, centres)
        if torch.equal(nearest, assigned):
            break
        assigned = nearest
        centres = _means(points, _without_empty(points, centres, assigned), clusters)
    return assigned


def _spread(points: Tensor, clusters: int, generator: torch.Generator) -> Tensor:
    """Centres drawn one by one, with a chance that grows with the squared distance to the others, the best of some."""
    chosen = [int(torch.randint(len(points), (), generator=generator, device=points.device))]
    distance = (points - points[chosen[0]]).square().sum(1)
    trials = 2 + int(math.log(clusters))
    squares = points.square().sum(1)
    for _ in range(clusters - 1):
        weights = (distance if float(distance.sum()) > 0 else torch.ones_like(distance)).double().cumsum(0)
        drawn = torch.rand(trials, generator=generator, dtype=torch.float64, device=points.device) * weights[-1]
        picks = torch.searchsorted(weights, drawn, right=True).clamp_(max=len(points) - 1)
        apart = (squares[:, None] - 2 * points @ points[picks].T + squares[picks]).clamp_(min=0)  # [n, trials]
        apart[picks, torch.arange(trials, device=picks.device)] = 0
        left = torch.minimum(distance[:, None], apart)
        best = int(left.sum(0, dtype=torch.float64).argmin())
        chosen.append(int(picks[best]))
        distance = left[:, best]
    return points[torch.tensor(chosen, device=points.device)].clone()


def _without_empty(points: Tensor, centres: Tensor, assigned: Int64[Tensor, " n"]) -> Int64[Tensor, " n"]:
    """The clusters, each empty one with one of the points that are farthest from their centres."""
    counts = torch.bincount(assigned, minlength=len(centres))
    empty = (counts == 0).nonzero()[:, 0]
    if not len(empty):
        return assigned
    apart = (points - centres[assigned]).square().sum(1)
    farthest = apart.argsort(descending=True, stable=True)[: len(empty)]
    assigned = assigned.clone()
    assigned[farthest] = empty[: len(farthest)]
    return assigned


def _means(points: Tensor, assigned: Int64[Tensor, " n"], clusters: int) -> Tensor:
    counts = torch.bincount(assigned, minlength=clusters)
    sums = points.new_zeros(clusters, points.shape[1]).index_add_(0, assigned, points)
    return sums / counts.clamp(min=1)[:, None]


def _nearest(points: Tensor, centres: Tensor) -> Tensor:
    half = centres.square().sum(1) / 2
    return torch.cat([(part @ centres.T - half).argmax(1) for part in torch.split(points, 4096)])
