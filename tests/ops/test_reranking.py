"""k-reciprocal re-ranking against the paper's steps written out densely."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from visus.ops import reranking
from visus.ops.reranking import Reranked, k_reciprocal_distances


def dense(points: np.ndarray, queries: int, k1: int, k2: int, original: float) -> np.ndarray:
    """Equations 1 to 12 of arXiv 1701.08398 with n x n matrices; an item is its own nearest."""
    count = len(points)
    squared = ((points[:, None] - points) ** 2).sum(axis=2)
    distances = squared / squared.max(axis=1, keepdims=True)
    ranks = np.argsort(np.where(np.eye(count), -1, distances), axis=1, kind="stable")

    def reciprocal(item: int, k: int) -> set[int]:
        return {j for j in ranks[item, : k + 1].tolist() if item in ranks[j, : k + 1]}

    encodings = np.zeros((count, count))
    for item in range(count):
        own = reciprocal(item, k1)
        members = set(own)
        for neighbour in own:
            theirs = reciprocal(neighbour, round(k1 / 2))
            if len(theirs & own) > 2 / 3 * len(theirs):
                members |= theirs
        places = sorted(members)
        encodings[item, places] = np.exp(-distances[item, places])
    encodings /= encodings.sum(axis=1, keepdims=True)
    if k2 > 1:
        encodings = np.stack([encodings[ranks[item, :k2]].mean(axis=0) for item in range(count)])
    lesser = np.minimum(encodings[:, None], encodings).sum(axis=2)
    jaccard = 1 - lesser / np.maximum(encodings[:, None], encodings).sum(axis=2)
    return ((1 - original) * jaccard + original * distances)[:queries, queries:]


def clustered(count: int, seed: int) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    centres = torch.randn(count // 6 + 1, 5, generator=generator, dtype=torch.float64)
    which = torch.randint(len(centres), (count,), generator=generator)
    return centres[which] + 0.3 * torch.randn(count, 5, generator=generator, dtype=torch.float64)


@pytest.mark.parametrize(("k1", "k2"), [(20, 6), (5, 2), (3, 1), (9, 4)])
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_equals_the_dense_reference(k1: int, k2: int, seed: int) -> None:
    points = clustered(50, seed)
    found = k_reciprocal_distances(points[:12], points[12:], k1=k1, k2=k2, original=0.3)
    np.testing.assert_allclose(found.numpy(), dense(points.numpy(), 12, k1, k2, 0.3), atol=1e-10)


def test_fewer_items_than_neighbours() -> None:
    points = clustered(9, 3)
    found = k_reciprocal_distances(points[:2], points[2:])
    np.testing.assert_allclose(found.numpy(), dense(points.numpy(), 2, 20, 6, 0.3), atol=1e-10)


def test_blocks_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    points = clustered(40, 4)
    whole = Reranked(points, k1=6, k2=3).distances(torch.arange(40), torch.arange(40))
    monkeypatch.setattr(reranking, "BLOCK", 300)
    blocks = Reranked(points, k1=6, k2=3)
    torch.testing.assert_close(blocks.distances(torch.arange(40), torch.arange(40)), whole)
    torch.testing.assert_close(blocks.distances(torch.tensor([7, 3]), torch.tensor([0, 39])), whole[[7, 3]][:, [0, 39]])


@pytest.mark.parametrize("columns", [3, 8, 37, 40])
def test_the_smallest_are_those_of_sorting(columns: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """In pieces of four, with a rest behind the last one and without; sorted, and with what is infinite."""
    monkeypatch.setattr(reranking, "PIECE", 4)
    values = torch.rand(50, columns, generator=torch.Generator().manual_seed(columns))
    values[:, 1] = -torch.inf
    found = reranking._smallest(values, 3)
    assert torch.equal(found, values.argsort(dim=1)[:, :3])


def test_reciprocal_neighbours_help() -> None:
    """Clusters that touch: the mean rank of the right items falls."""
    generator = torch.Generator().manual_seed(5)
    labels = torch.arange(8).repeat_interleave(12)
    centres = torch.randn(8, 16, generator=generator)
    points = centres[labels] + 1.1 * torch.randn(96, 16, generator=generator)

    def precision(distances: Tensor) -> float:
        right = labels[distances.argsort(dim=1)[:, 1:12]] == labels[:, None]
        return float(right.double().mean())

    every = torch.arange(96)
    assert (
        precision(Reranked(points, k1=10, k2=4).distances(every, every)) > precision(torch.cdist(points, points)) + 0.02
    )


def test_bad_numbers_are_refused() -> None:
    with pytest.raises(ValueError, match="at least 1"):
        k_reciprocal_distances(torch.ones(2, 2), torch.ones(3, 2), k1=0)
    with pytest.raises(ValueError, match="NaN or infinite"):
        k_reciprocal_distances(torch.ones(2, 2) / 0, torch.ones(3, 2))
