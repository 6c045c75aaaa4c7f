"""The scan finds what looking at every pair in double precision finds, ties in the order of the rows."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import functional as F

from visus.galleries import scan, screens
from visus.galleries.scan import at_least, nearest, table_of
from visus.galleries.screens import PACKED, Closeness, Screen


def by_hand(vectors: Tensor, queries: Tensor, k: int, closeness: str, allowed: Tensor | None = None) -> Tensor:
    """The rows of the k nearest, from a plain loop over the queries."""
    rows = torch.arange(len(vectors)) if allowed is None else allowed.nonzero()[:, 0]
    found = []
    for query in queries.double():
        others = vectors[rows].double()
        if closeness == "euclidean":
            key = (query[None] - others).square().sum(1).sqrt()
        else:
            lengths = query.norm() * others.norm(dim=1)
            key = -torch.where(lengths > 0, (query[None] * others).sum(1) / lengths, 0.0)
        found.append(rows[key.argsort(stable=True)[:k]])
    return torch.stack(found)


def clustered(n: int, d: int, generator: torch.Generator, spread: float = 0.2) -> Tensor:
    centres = torch.randn(max(n // 50, 1), d, generator=generator)
    return centres[torch.arange(n) % len(centres)] + spread * torch.randn(n, d, generator=generator)


@pytest.mark.parametrize("screen", ["int8", "packed", "float32", None])
@pytest.mark.parametrize("closeness", ["cosine", "euclidean"])
@pytest.mark.parametrize(("n", "d", "q", "k"), [(1, 3, 1, 1), (127, 5, 3, 10), (1000, 32, 70, 10), (5000, 16, 2, 200)])
def test_the_nearest_are_those_of_a_plain_loop(
    closeness: Closeness, n: int, d: int, q: int, k: int, screen: Screen | None
) -> None:
    d = PACKED * d if screen == "packed" else d
    generator = torch.Generator().manual_seed(n)
    vectors = clustered(n, d, generator)
    queries = clustered(q, d, generator)
    rows, scores = nearest(table_of(vectors, closeness), queries, k, screen=screen)
    assert torch.equal(rows, by_hand(vectors, queries, k, closeness))
    assert scores.shape == rows.shape
    larger = scores.diff(dim=1) <= 0 if closeness == "cosine" else scores.diff(dim=1) >= 0
    assert bool(larger.all())


@settings(deadline=None, max_examples=120)
@given(
    st.integers(0, 10_000),
    st.integers(1, 300),
    st.integers(1, 9),
    st.integers(1, 320),
    st.sampled_from(["cosine", "euclidean"]),
    st.sampled_from(["plain", "copies", "zeros", "tiny", "huge", "mixed"]),
    st.floats(0, 1),
    st.sampled_from(["int8", "packed", "float32"]),
)
def test_no_kind_of_vectors_changes_that(
    seed: int, n: int, d: int, k: int, closeness: Closeness, kind: str, share: float, screen: Screen
) -> None:
    generator = torch.Generator().manual_seed(seed)
    d = PACKED * d if screen == "packed" else d
    vectors = clustered(n, d, generator)
    if kind == "copies":
        vectors = vectors[torch.randint(0, max(n // 7, 1), (n,), generator=generator)]
    if kind == "zeros":
        vectors[torch.rand(n, generator=generator) < 0.5] = 0
    powers = torch.randint(-15, 15, (n, 1), generator=generator)
    factor = {"tiny": 1e-30, "huge": 1e30, "mixed": 10.0**powers}
    vectors = vectors * factor.get(kind, 1.0)
    queries = torch.cat((vectors[:2], clustered(3, d, generator)))
    allowed = None if share > 0.9 else torch.rand(n, generator=generator) < share
    table = table_of(vectors, closeness)
    chosen = screen if table.plain else None
    rows, _ = nearest(table, queries, k, allowed=allowed, screen=chosen)
    assert torch.equal(rows, by_hand(vectors, queries, k, closeness, allowed))


def test_many_blocks_find_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    generator = torch.Generator().manual_seed(0)
    vectors = clustered(3000, 24, generator)
    queries = vectors[::97] + 0.01
    table = table_of(vectors)
    whole, _ = nearest(table, queries, 10)
    monkeypatch.setattr(scan, "_PRODUCTS", 4096)
    monkeypatch.setattr(scan, "_QUERIES", 7)
    parts, _ = nearest(table, queries, 10)
    assert torch.equal(whole, parts)
    allowed = torch.arange(3000) % 3 != 0
    assert torch.equal(
        nearest(table, queries, 10, allowed=allowed)[0], by_hand(vectors, queries, 10, "cosine", allowed)
    )


def test_the_margin_is_what_keeps_it_exact(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the bound, near neighbours that rounding brings out of order are lost."""
    generator = torch.Generator().manual_seed(0)
    vectors = F.normalize(torch.randn(1, 64, generator=generator) + 1e-4 * torch.randn(500, 64, generator=generator))
    queries = vectors[:20]
    right = by_hand(vectors, queries, 5, "cosine")
    assert torch.equal(nearest(table_of(vectors), queries, 5, screen="int8")[0], right)
    monkeypatch.setattr(screens, "product_errors", lambda queries, *_, **__: queries.new_zeros(len(queries)).double())
    assert not torch.equal(nearest(table_of(vectors), queries, 5, screen="int8")[0], right)


def test_equal_vectors_come_in_their_order() -> None:
    vectors = torch.ones(700, 8)
    rows, scores = nearest(table_of(vectors), torch.ones(2, 8), 300)
    assert torch.equal(rows, torch.arange(300).expand(2, 300))
    assert len(scores.unique()) == 1


@pytest.mark.parametrize("closeness", ["cosine", "euclidean"])
@pytest.mark.parametrize("limit", [-1.0, 0.3, 0.9, 5.0])
def test_pairs_that_reach_a_limit_are_all_there(closeness: Closeness, limit: float) -> None:
    generator = torch.Generator().manual_seed(3)
    vectors = clustered(400, 6, generator)
    queries = vectors[:90]
    query, row, score = at_least(table_of(vectors, closeness), queries, limit)
    if closeness == "cosine":
        every = F.normalize(queries.double()) @ F.normalize(vectors.double()).T
        wanted = every >= limit
    else:
        every = torch.cdist(queries.double(), vectors.double(), compute_mode="donot_use_mm_for_euclid_dist")
        wanted = every <= limit
    clear = (every - limit).abs() > 1e-12
    got = torch.zeros_like(wanted)
    got[query, row] = True
    assert torch.equal(got & clear, wanted & clear)
    assert torch.allclose(score, every[query, row])


def test_nothing_is_found_in_nothing() -> None:
    table = table_of(torch.ones(5, 4))
    assert nearest(table, torch.ones(2, 4), 3, allowed=torch.zeros(5, dtype=torch.bool))[0].shape == (2, 0)
    assert nearest(table_of(torch.zeros(0, 4)), torch.ones(2, 4), 3)[0].shape == (2, 0)
