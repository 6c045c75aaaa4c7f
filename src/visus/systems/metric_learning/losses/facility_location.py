"""Loss-augmented inference of the clustering loss: medoids that cluster well and wrongly (arXiv 1612.01213).

Greedy rounds add the item that raises ``F(S) + gamma (1 - NMI)`` most, as many as there are classes. Then rounds of
PAM (partitioning around medoids) try, cluster by cluster, every member as its medoid.

NMI of all candidates at once: a new medoid moves some items, each out of a cell (class, cluster) of the contingency
table into the new cluster. How many leave each cell is one matrix product for all candidates, and NMI needs no more
than ``sum x log x`` over the cells, the classes and the clusters.
"""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from visus.metrics.clustering import Average, nmi_of_sums

Reals: TypeAlias = NDArray[np.float64]
Indices: TypeAlias = NDArray[np.int64]


def augmented_medoids(
    distances: Reals, classes: Indices, gamma: float, pam_iterations: int, average: Average = "geometric"
) -> Indices:
    """As many medoids as there are classes, chosen to violate the loss as much as they can.

    Args:
        distances: [n, n], symmetric.
        classes: [n], the class of each item, counted from 0 without gaps.
        gamma: weight of ``1 - NMI``.
        pam_iterations: rounds of refinement; they end early once a round changes nothing.
        average: see `visus.metrics.clustering.normalised_mutual_information`.
    """
    agreement = _Agreement(classes, average)
    medoids = _grow(distances, classes, gamma, agreement)
    for _ in range(pam_iterations):
        refined = _refine(distances, medoids, gamma, agreement)
        if np.array_equal(refined, medoids):
            break
        medoids = refined
    return medoids


def nearest_medoids(distances: Reals, medoids: Indices) -> Indices:
    """The cluster of each item: its nearest medoid, the first of equals; a medoid is always in its own."""
    clusters: Indices = distances[:, medoids].argmin(axis=1)
    clusters[medoids] = np.arange(len(medoids))
    return clusters


def class_medoids(distances: Reals, classes: Indices) -> Indices:
    """The member of each class with the smallest sum of distances to the others."""
    sums = (distances * (classes[:, None] == classes)).sum(axis=0)
    order = np.lexsort((sums, classes))
    return order[np.searchsorted(classes[order], np.arange(classes.max() + 1))]


class _Agreement:
    """NMI with the true classes."""

    def __init__(self, classes: Indices, average: Average) -> None:
        self.classes, self.average = classes, average
        counts = np.arange(len(classes) + 1, dtype=np.float64)
        self.x_log_x = counts * np.log(np.maximum(counts, 1))
        self.one_hot = (classes[:, None] == np.arange(classes.max() + 1)).astype(np.float32)
        self.sum_of_classes = self.x_log_x[np.bincount(classes)].sum()

    def with_one_more(self, clusters: Indices, moved: NDArray[np.bool_]) -> Reals:
        """NMI after candidate i gathers the items ``moved[:, i]`` in a cluster of its own."""
        moved = moved.astype(np.float32)  # counts below 2^24 are exact
        count = int(clusters.max()) + 1
        cells, cell_of = np.unique(self.classes * count + clusters, return_inverse=True)
        in_cell = (cell_of[:, None] == np.arange(len(cells))).astype(np.float32)
        left = in_cell.sum(axis=0) - moved.T @ in_cell  # [candidates, cells]
        in_cluster = (cells[:, None] % count == np.arange(count)).astype(np.float32)
        left_of_clusters = left @ in_cluster
        gathered = moved.T @ self.one_hot
        lookup = self.x_log_x
        sum_of_cells = lookup[left.astype(np.intp)].sum(axis=1) + lookup[gathered.astype(np.intp)].sum(axis=1)
        sum_of_clusters = lookup[left_of_clusters.astype(np.intp)].sum(axis=1)
        sum_of_clusters += lookup[moved.sum(axis=0).astype(np.intp)]
        return nmi_of_sums(
            sum_of_cells, sum_of_clusters, self.sum_of_classes, items=len(self.classes), average=self.average
        )


def _grow(distances: Reals, classes: Indices, gamma: float, agreement: _Agreement) -> Indices:
    """The greedy rounds."""
    n, medoids = len(classes), np.zeros(0, dtype=np.int64)
    nearest, clusters = np.full(n, np.inf), np.zeros(n, dtype=np.int64)
    for _ in range(int(classes.max()) + 1):
        moved = distances < nearest[:, None]
        np.fill_diagonal(moved, True)
        moved[medoids] = False
        scores = -np.minimum(distances, nearest[:, None]).sum(axis=0)
        scores += gamma * (1 - agreement.with_one_more(clusters, moved))
        scores[medoids] = -np.inf
        best = int(scores.argmax())
        clusters[moved[:, best]] = len(medoids)
        nearest = np.minimum(nearest, distances[:, best])
        medoids = np.append(medoids, best)
    return medoids


def _refine(distances: Reals, medoids: Indices, gamma: float, agreement: _Agreement) -> Indices:
    """One round of PAM. The clusters stay those of its start, the medoids change one after the other."""
    medoids = medoids.copy()
    members_of = nearest_medoids(distances, medoids)
    for cluster in range(len(medoids)):
        members = np.flatnonzero(members_of == cluster)
        if len(members) == 1:
            continue
        scores = -distances[np.ix_(members, members)].sum(axis=0)
        scores += gamma * (1 - _nmi_with(distances, medoids, cluster, members, agreement))
        medoids[cluster] = members[scores.argmax()]
    return medoids


def _nmi_with(distances: Reals, medoids: Indices, cluster: int, members: Indices, agreement: _Agreement) -> Reals:
    """NMI of the clusters that follow when each of the members in turn is the medoid of ``cluster``."""
    others = np.delete(medoids, cluster)
    if not len(others):
        return np.zeros(len(members))
    clusters = nearest_medoids(distances, others)
    nearest = distances[np.arange(len(distances)), others[clusters]][:, None]
    offered = distances[:, members]
    # the first of equally near medoids wins: those after this cluster lose to it
    moved = (offered < nearest) | ((offered == nearest) & (clusters >= cluster)[:, None])
    moved[others] = False
    moved[members, np.arange(len(members))] = True
    return agreement.with_one_more(clusters, moved)
