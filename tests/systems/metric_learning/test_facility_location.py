"""The search for medoids against a plain one: NMI from scikit-learn for each candidate, one after the other."""

from __future__ import annotations

import time
from itertools import combinations

import numpy as np
import pytest
import torch

from visus.metrics.clustering import Average, normalised_mutual_information
from visus.systems.metric_learning.losses import clustering_loss
from visus.systems.metric_learning.losses.facility_location import (
    augmented_medoids,
    class_medoids,
    nearest_medoids,
)

metrics = pytest.importorskip("sklearn.metrics")


def assign(distances: np.ndarray, medoids: list[int]) -> np.ndarray:
    clusters = np.array([min(range(len(medoids)), key=lambda s: row[medoids[s]]) for row in distances])
    for place, medoid in enumerate(medoids):
        clusters[medoid] = place
    return clusters


def plain_medoids(distances: np.ndarray, classes: np.ndarray, gamma: float, average: Average) -> list[int]:
    """The algorithm as the paper tells it."""

    def margin(medoids: list[int]) -> float:
        nmi = metrics.normalized_mutual_info_score(classes, assign(distances, medoids), average_method=average)
        return gamma * (1 - nmi)

    def energy(medoids: list[int]) -> float:
        return -distances[:, medoids].min(axis=1).sum()

    medoids: list[int] = []
    for _ in range(classes.max() + 1):
        rest = [i for i in range(len(classes)) if i not in medoids]
        medoids.append(max(rest, key=lambda i: energy([*medoids, i]) + margin([*medoids, i])))
    for _ in range(5):
        clusters = assign(distances, medoids)
        for place in range(len(medoids)):
            members = np.flatnonzero(clusters == place).tolist()

            def score(i: int, place: int = place, members: list[int] = members) -> float:
                return -distances[members, i].sum() + margin([*medoids[:place], i, *medoids[place + 1 :]])

            medoids[place] = max(members, key=score)
    return medoids


def points(seed: int, n: int, classes: int, spread: float) -> tuple[np.ndarray, np.ndarray]:
    """Distances of blobs, and their classes."""
    random = np.random.default_rng(seed)
    labels = np.concatenate((np.arange(classes), random.integers(classes, size=n - classes)))
    at = random.normal(size=(classes, 6))[labels] + spread * random.normal(size=(n, 6))
    return np.linalg.norm(at[:, None] - at, axis=2), labels


@pytest.mark.parametrize(
    ("average", "gamma"), [("geometric", 0.0), ("geometric", 10.0), ("arithmetic", 300.0), ("max", 1.0), ("min", 10.0)]
)
def test_equals_the_plain_search(average: Average, gamma: float) -> None:
    for seed, spread in enumerate((0.2, 0.7, 1.5)):
        distances, classes = points(seed, 14, 4, spread)
        found = augmented_medoids(distances, classes, gamma, 5, average)
        assert found.tolist() == plain_medoids(distances, classes, gamma, average)


def test_refinement_raises_the_plain_energy() -> None:
    """Without the margin, PAM is the usual one and never worse than the greedy start."""
    for seed in range(5):
        distances, classes = points(seed, 60, 6, 1.0)
        greedy, refined = (distances[:, augmented_medoids(distances, classes, 0.0, k)].min(1).sum() for k in (0, 5))
        assert refined <= greedy + 1e-9


@pytest.mark.parametrize("average", ["geometric", "arithmetic", "max", "min"])
def test_nmi_equals_scikit_learn(average: Average) -> None:
    random = np.random.default_rng(0)
    pairs = [(random.integers(k, size=50), random.integers(m, size=50)) for k in (1, 2, 7, 50) for m in (1, 3, 20)]
    pairs += [(np.arange(50), np.arange(50)[::-1].copy())]
    for one, other in pairs:
        expected = metrics.normalized_mutual_info_score(one, other, average_method=average)
        found = normalised_mutual_information(torch.from_numpy(one), torch.from_numpy(other), average=average)
        assert found == pytest.approx(expected, abs=1e-9)


def test_medoids_of_classes_and_clusters() -> None:
    distances, classes = points(0, 40, 4, 1.0)
    expected = []
    for label in range(4):
        members = np.flatnonzero(classes == label)
        expected.append(members[distances[np.ix_(members, members)].sum(axis=0).argmin()])
    assert class_medoids(distances, classes).tolist() == expected
    same = np.zeros((3, 3))
    assert nearest_medoids(same, np.array([2, 1])).tolist() == [0, 1, 0]


def test_the_found_violation_is_at_most_the_greatest_of_all() -> None:
    """Against a search over all sets of three medoids."""
    distances, classes = points(3, 9, 3, 1.2)
    truth = distances[np.arange(9), class_medoids(distances, classes)[classes]].sum()

    def violation(medoids: tuple[int, ...]) -> float:
        nmi = metrics.normalized_mutual_info_score(
            classes, assign(distances, list(medoids)), average_method="geometric"
        )
        return truth - distances[:, medoids].min(axis=1).sum() + 2 * (1 - nmi)

    best = max(violation(medoids) for medoids in combinations(range(9), 3))
    found = violation(tuple(augmented_medoids(distances, classes, 2.0, 5)))
    assert 0 < found <= best + 1e-9


def test_a_usual_batch_takes_milliseconds() -> None:
    """128 items of 32 classes in 256 dimensions; the limit leaves room for a busy machine."""
    torch.manual_seed(0)
    labels = torch.arange(32).repeat_interleave(4)
    embeddings = torch.randn(32, 64)[labels] + 1.5 * torch.randn(128, 64)
    seconds = []
    for _ in range(3):
        start = time.perf_counter()
        clustering_loss(embeddings, labels)
        seconds.append(time.perf_counter() - start)
    assert min(seconds) < 0.2
