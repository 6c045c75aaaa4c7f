"""How well clusters agree with classes: normalised mutual information, and k-means to make clusters of embeddings."""

from __future__ import annotations

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
    """The cluster of each point after Lloyd's iterations from k-means++ seeds (Arthur and Vassilvitskii, 2007).

    Args:
        points: what is clustered.
        clusters: how many; more than there are points gives each its own.
        iterations: at most so many; fewer where nothing moves any more.
        seed: of the first centres.
    """
    clusters = min(clusters, len(points))
    generator = torch.Generator(device=points.device).manual_seed(seed)
    centres = _spread(points, clusters, generator)
    assigned = torch.full((len(points),), -1, device=points.device)
    for _ in range(iterations):
        nearest = _nearest(points, centres)
        if torch.equal(nearest, assigned):
            break
        assigned = nearest
        sums = torch.zeros_like(centres).index_add_(0, assigned, points)
        counts = torch.bincount(assigned, minlength=clusters)
        centres = torch.where(counts[:, None] > 0, sums / counts.clamp(min=1)[:, None], centres)
    return assigned


def _spread(points: Tensor, clusters: int, generator: torch.Generator) -> Tensor:
    """Centres drawn one by one, each with a chance that grows with its squared distance to the others."""
    first = int(torch.randint(len(points), (), generator=generator, device=points.device))
    chosen = [first]
    distance = (points - points[first]).square().sum(1)
    for _ in range(clusters - 1):
        weights = (distance if float(distance.sum()) > 0 else torch.ones_like(distance)).double().cumsum(0)
        drawn = torch.rand((), generator=generator, dtype=torch.float64, device=points.device) * weights[-1]
        pick = min(int(torch.searchsorted(weights, drawn, right=True)), len(points) - 1)
        chosen.append(pick)
        distance = torch.minimum(distance, (points - points[pick]).square().sum(1))
    return points[torch.tensor(chosen, device=points.device)].clone()


def _nearest(points: Tensor, centres: Tensor) -> Tensor:
    half = centres.square().sum(1) / 2
    return torch.cat([(part @ centres.T - half).argmax(1) for part in torch.split(points, 4096)])
