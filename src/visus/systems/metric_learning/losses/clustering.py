"""Clustering by facility location (arXiv 1612.01213): the true clusters shall beat every other clustering.

With D the Euclidean distance of embeddings of length 1, medoids S and ``F(S) = -sum_i min_{j in S} D_ij``:

    loss = max(0, max_S [ F(S) + gamma (1 - NMI(y, clusters of S)) ] - F~)

where F~ gives each true class its best medoid. ``facility_location.py`` looks for the maximum; the gradient flows
through the distances to the medoids of both sides alone.
"""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Float, Int64
from torch import Tensor

from visus.metrics.clustering import Average, normalised_mutual_information
from visus.systems.metric_learning.losses.distances import (
    Distances,
    checked_embeddings,
    distances_of,
    distances_of_pairs,
    safe_root,
)
from visus.systems.metric_learning.losses.facility_location import (
    augmented_medoids,
    class_medoids,
    nearest_medoids,
)
from visus.systems.metric_learning.losses.settings import with_settings


def clustering_loss(
    embeddings: Float[Tensor, "n d"],
    labels: Int64[Tensor, " n"],
    *,
    gamma: float = 1.0,
    pam_iterations: int = 5,
    nmi_average: Average = "geometric",
    normalise: bool = True,
) -> Float[Tensor, ""]:
    """The structured hinge of one batch, a sum over its items.

    A batch of one class, or with one item of each class, has the value 0 with the gradient 0: there is nothing to
    confuse.

    Args:
        embeddings: one row per item.
        labels: the class of each item.
        gamma: weight of ``1 - NMI``. It is to be tuned, and is usually lowered while training.
        pam_iterations: rounds that refine the medoids.
        nmi_average: of the two entropies that normalise mutual information. The default is [unverified].
        normalise: give the embeddings length 1 first.

    Raises:
        ValueError: an embedding is NaN or infinite, or ``nmi_average`` is no such name.
    """
    found = distances_of(checked_embeddings(embeddings, labels, normalise))
    distances = found.root().cpu().double().numpy()
    classes = np.unique(labels.cpu().numpy(), return_inverse=True)[1]
    medoids = augmented_medoids(distances, classes, gamma, pam_iterations, nmi_average)
    clusters = nearest_medoids(distances, medoids)
    agreement = normalised_mutual_information(
        torch.from_numpy(classes), torch.from_numpy(clusters), average=nmi_average
    )
    margin = gamma * (1 - agreement)
    violating = _sum_to_medoids(found, torch.from_numpy(medoids[clusters]))
    truth = _sum_to_medoids(found, torch.from_numpy(class_medoids(distances, classes)[classes]))
    return torch.relu(truth - violating + margin)


def _sum_to_medoids(found: Distances, medoids: Int64[Tensor, " n"]) -> Float[Tensor, ""]:
    """The sum over items of the distance to their medoid."""
    items = torch.arange(len(medoids), device=found.squared.device)
    return safe_root(distances_of_pairs(found, items, medoids.to(items.device))).sum()


ClusteringLoss = with_settings(clustering_loss)
