"""How well clusters agree with classes: normalised mutual information, and k-means to make clusters of embeddings."""

from __future__ import annotations

from typing import Literal

import torch
from jaxtyping import Float, Int64
from torch import Tensor

Average = Literal["arithmetic", "geometric", "max", "min"]


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
    _, rows = torch.unique(clusters, return_inverse=True)
    _, columns = torch.unique(labels, return_inverse=True)
    wide = int(columns.max()) + 1
    joint = torch.bincount(rows * wide + columns).double()
    p_rows, p_columns = (torch.bincount(part).double() / len(labels) for part in (rows, columns))
    both = joint.nonzero()[:, 0]
    p = joint[both] / len(labels)
    information = float((p * (p / (p_rows[both // wide] * p_columns[both % wide])).log()).sum())
    entropies = [float(-(q * q.log()).sum()) for q in (p_rows, p_columns)]
    means = {
        "arithmetic": sum(entropies) / 2,
        "geometric": (entropies[0] * entropies[1]) ** 0.5,
        "max": max(entropies),
        "min": min(entropies),
    }
    if average not in means:
        raise ValueError(f"average must be one of {', '.join(means)}, not {average!r}")
    if max(entropies) == 0:
        return 1.0
    return max(0.0, information / means[average]) if means[average] > 0 else 0.0


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
