"""Recall@K and MAP@R where similarities are equal, far from the origin, huge or tiny: against plain float64 loops."""

from __future__ import annotations

import itertools
import math
import time

import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from torch import Tensor

from visus.metrics import nearest_positive
from visus.metrics.retrieval import _check_rules, precision_at_r, recall_at_k
from visus.names import UnknownNameError

KS = (1, 2, 3, 5, 40)
EXAMPLES = 25  # of each kind


def similarities(queries: Tensor, gallery: Tensor, similarity: str) -> Tensor:
    """Float64, one query after the other."""
    queries, gallery = queries.double(), gallery.double()
    if similarity == "euclidean":
        return torch.stack([-(query - gallery).square().sum(1) for query in queries])
    products = torch.stack([(query * gallery).sum(1) for query in queries])
    if similarity == "dot":
        return products
    lengths = queries.norm(dim=1)[:, None] * gallery.norm(dim=1)
    return torch.where(lengths > 0, products / lengths, 0.0)


def plain_recall(
    queries: Tensor, labels: Tensor, ks, *, gallery=None, own: bool = True, similarity="cosine", ties="expected"
) -> dict[int, float]:
    """The share of hits, each query by the counts of a loop; lone queries are misses."""
    others, other_labels = (queries, labels) if gallery is None else gallery
    scores = similarities(queries, others, similarity)
    slack = 1e-14 if similarity == "cosine" else 0.0  # of square roots and quotients the last digits say nothing
    totals = dict.fromkeys(ks, 0.0)
    for i, label in enumerate(labels.tolist()):
        usable = torch.ones(len(others), dtype=torch.bool)
        if own and i < len(others):
            usable[i] = False
        positive, negative = usable & (other_labels == label), usable & (other_labels != label)
        if not positive.any():
            continue
        ahead = scores[i] - scores[i][positive].max()
        before = int((ahead[negative] > slack).sum())
        tied, right = (int((ahead[side].abs() <= slack).sum()) for side in (negative, positive))
        for k in ks:
            left = max(k - before, 0)
            if ties == "expected":
                totals[k] += 1 - math.comb(tied, left) / math.comb(tied + right, min(left, tied + right))
            else:
                totals[k] += left > (tied if ties == "pessimistic" else 0)
    return {k: total / len(labels) for k, total in totals.items()}


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Blocks so small that every way through them is taken."""
    monkeypatch.setattr(nearest_positive, "_BLOCK", 128)


def made(kind: str, count: int, similarity: str, generator: torch.Generator) -> Tensor:
    """Embeddings in which much is equal, or hard to tell apart in single precision.

    Not so hard for angles that double precision cannot tell them apart, where no two ways to compute agree.
    """
    far, little = (30.0, 1e-5) if similarity == "cosine" else (1e4, 1e-12)
    plain = torch.randn(count, 6, generator=generator)
    where = torch.randint(max(count // 4, 1), (count,), generator=generator)
    return {
        "plain": plain,
        "all equal": torch.ones(count, 6),
        "zero": torch.zeros(count, 6),
        "copies": plain[where],
        "whole numbers": torch.randint(-2, 3, (count, 3), generator=generator).float(),
        "signs": torch.randint(0, 2, (count, 8), generator=generator).float() * 2 - 1,
        "far away": plain + far,
        "two clouds": plain + far * (torch.arange(count) % 2 * 2 - 1)[:, None],
        "one outlier": torch.cat((plain[:-1], plain[-1:] + 1e7)),
        "huge": plain * 1e20,
        "tiny": plain * 1e-25,
        "half": plain[where].half(),
        "double": plain[where].double() + little * plain,
        "all lengths": plain[where] * 2.0 ** torch.randint(-60, 60, (count, 1), generator=generator),
    }[kind]


KINDS = (
    "plain", "all equal", "zero", "copies", "whole numbers", "signs", "far away", "two clouds", "one outlier", "huge",
    "tiny", "half", "double", "all lengths",
)  # fmt: skip


def told_apart(scores: Tensor) -> bool:
    """Whether no two cosines of a query differ by so little that rounding decides between equal and unequal."""
    gaps = scores.double().sort(dim=1).values.diff(dim=1)
    return not bool(((gaps > 2e-15) & (gaps < 2e-14)).any())


def test_the_loop_is_not_asked_about_cosines_that_rounding_decides() -> None:
    generator = torch.Generator().manual_seed(265)  # its two nearest neighbours of one query are 4e-15 apart
    embeddings = made("double", 275, "cosine", generator)
    assert not told_apart(similarities(embeddings, embeddings, "cosine"))
    assert told_apart(torch.tensor([[0.1, 0.1, 0.1 + 1e-16, 0.3]], dtype=torch.float64))


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=EXAMPLES, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    count=st.integers(2, 300),
    classes=st.integers(1, 60),
    similarity=st.sampled_from(["cosine", "euclidean", "dot"]),
    ties=st.sampled_from(["expected", "optimistic", "pessimistic"]),
    sides=st.sampled_from(["themselves", "others", "within"]),
    screen=st.sampled_from(["int8", "float32"]),
    few=st.sampled_from([0, 256]),
)
def test_equals_plain_loops(kind, seed, count, classes, similarity, ties, sides, screen, few) -> None:
    generator = torch.Generator().manual_seed(seed)
    embeddings, labels = made(kind, count, similarity, generator), torch.randint(classes, (count,), generator=generator)
    if similarity != "cosine" and kind == "all lengths":
        embeddings = made("double", count, similarity, generator)  # a distance of 1 is nothing beside one of 2 ** 60
    gallery, queries, query_labels = None, embeddings, labels
    if sides != "themselves":
        half = (count + 1) // 2
        queries, query_labels = embeddings[:half], labels[:half]
        gallery = (embeddings, labels) if sides == "within" else (embeddings[half - 1 :], labels[half - 1 :])
    if similarity == "cosine":
        assume(told_apart(similarities(queries, gallery[0] if gallery else queries, similarity)))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(nearest_positive, "_FEW_CANDIDATES", few)
        found = recall_at_k(
            queries, query_labels, KS, gallery=gallery, ref_includes_query=sides == "within",
            similarity=similarity, ties=ties, screen=screen,
        )  # fmt: skip
    expected = plain_recall(
        queries, query_labels, KS, gallery=gallery, own=sides != "others", similarity=similarity, ties=ties
    )
    assert found == pytest.approx(expected, abs=1e-12)


def test_of_equal_points_recall_is_chance() -> None:
    embeddings, labels = torch.ones(6, 4), torch.tensor([0, 0, 1, 1, 2, 2])
    assert recall_at_k(embeddings, labels, (1,))[1] == pytest.approx(0.2)
    assert precision_at_r(embeddings, labels) == pytest.approx({"MAP@R": 0.2, "R-precision": 0.2})


def test_the_expected_value_is_the_mean_over_all_orders() -> None:
    vectors = torch.tensor([[0.0], [1.0], [1.0], [1.0], [1.0], [2.0]])
    labels = torch.tensor([0, 0, 1, 1, 0, 0])
    recalls = dict.fromkeys((1, 2, 3), 0.0)
    average = precision = 0.0
    orders = list(itertools.permutations(range(4)))
    for order in orders:  # the four equal ones, as the first sees them; then the last
        seen = [*[bool(labels[1 + place] == 0) for place in order], True]
        for k in recalls:
            recalls[k] += any(seen[:k]) / len(orders)
        hits = [sum(seen[: r + 1]) / (r + 1) for r in range(3) if seen[r]]
        average += sum(hits) / 3 / len(orders)
        precision += sum(seen[:3]) / 3 / len(orders)
    query, gallery = (vectors[:1], labels[:1]), (vectors[1:], labels[1:])
    found = recall_at_k(*query, tuple(recalls), gallery=gallery, similarity="euclidean")
    assert found == pytest.approx(recalls)
    found = precision_at_r(*query, gallery=gallery, similarity="euclidean")
    assert found == pytest.approx({"MAP@R": average, "R-precision": precision})


def test_two_clouds_far_from_the_origin() -> None:
    generator = torch.Generator().manual_seed(0)
    labels = torch.arange(400) % 40
    near = torch.randn(40, 16, generator=generator)[labels] + 0.45 * torch.randn(400, 16, generator=generator)
    side = (labels % 2 * 2 - 1)[:, None].double()
    for offset in (0.0, 1000.0, 1e6):
        points = near.double() + offset * side
        expected = plain_recall(points, labels, (1,), similarity="euclidean")[1]
        assert recall_at_k(points, labels, (1,), similarity="euclidean")[1] == expected
        assert expected > 0.95
    assert precision_at_r(near.double() + 1000 * side, labels, similarity="euclidean")["MAP@R"] == pytest.approx(
        precision_at_r(near.double() + 10 * side, labels, similarity="euclidean")["MAP@R"]
    )


@pytest.mark.parametrize("factor", [1e20, 1e-20, 1e-30, 3.0])
@pytest.mark.parametrize("similarity", ["cosine", "euclidean", "dot"])
def test_the_length_of_embeddings_does_not_matter(factor: float, similarity: str) -> None:
    generator = torch.Generator().manual_seed(1)
    labels = torch.arange(200) % 20
    embeddings = torch.randn(20, 8, generator=generator)[labels] + torch.randn(200, 8, generator=generator)
    found = recall_at_k(embeddings * factor, labels, KS, similarity=similarity)
    assert found == recall_at_k(embeddings, labels, KS, similarity=similarity)
    found = precision_at_r(embeddings * factor, labels, similarity=similarity)
    assert found == pytest.approx(precision_at_r(embeddings, labels, similarity=similarity))


@pytest.mark.parametrize("kind", ["equal", "twenty places", "equal within classes"])
def test_equal_rows_take_no_quadratic_time(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nearest_positive, "_BLOCK", 2048)
    labels = torch.arange(5209) % 100
    places = {"equal": 0 * labels, "twenty places": torch.arange(5209) // 300, "equal within classes": labels}[kind]
    embeddings = torch.randn(100, 64, generator=torch.Generator().manual_seed(2))[places]
    start = time.process_time()
    found = recall_at_k(embeddings, labels, (1, 10))
    assert time.process_time() - start < 10  # 50 s before
    if kind == "equal":
        right = [int((labels == label).sum()) - 1 for label in labels.tolist()]
        assert found[1] == pytest.approx(sum(right) / 5208 / 5209)
    elif kind == "equal within classes":
        assert found == {1: 1.0, 10: 1.0}


def test_lone_queries_follow_one_rule() -> None:
    embeddings = torch.tensor([[0.0, 1.0], [0.1, 1.0], [1.0, 0.0]])
    labels = torch.tensor([0, 0, 1])
    assert recall_at_k(embeddings, labels, (1,))[1] == precision_at_r(embeddings, labels)["MAP@R"] == 2 / 3
    assert recall_at_k(embeddings, labels, (1,), lone="drop")[1] == 1
    assert precision_at_r(embeddings, labels, lone="drop") == {"MAP@R": 1.0, "R-precision": 1.0}
    with pytest.raises(ValueError, match="lone queries are dropped"):
        precision_at_r(embeddings, torch.arange(3), lone="drop")


def test_queries_within_a_larger_gallery_are_left_out_of_their_own_search() -> None:
    vectors, labels = torch.tensor([[1.0, 0.0], [0.0, 1.0], [1.0, 0.3], [0.3, 1.0]]), torch.tensor([0, 1, 1, 1])
    query, gallery = (vectors[:2], labels[:2]), (vectors, labels)
    assert recall_at_k(*query, (1,), gallery=gallery)[1] == 1.0  # each finds itself
    assert recall_at_k(*query, (1,), gallery=gallery, ref_includes_query=True)[1] == 0.5
    assert precision_at_r(*query, gallery=gallery, ref_includes_query=True)["MAP@R"] == pytest.approx(0.5)
    with pytest.raises(ValueError, match="must begin with the queries"):
        recall_at_k(*query, (1,), gallery=(vectors.flip(0), labels.flip(0)), ref_includes_query=True)
    with pytest.raises(ValueError, match="needs a gallery"):
        recall_at_k(*query, (1,), ref_includes_query=True)


@pytest.mark.parametrize("names", [[-1, -2, -3], [10**17, -(10**17), 5]])
def test_any_numbers_may_name_classes(names: list[int]) -> None:
    generator = torch.Generator().manual_seed(4)
    labels = torch.randint(3, (400,), generator=generator)
    embeddings = torch.randn(30, 4, generator=generator)[torch.randint(30, (400,), generator=generator)]
    found = recall_at_k(embeddings, torch.tensor(names)[labels], KS)
    assert found == pytest.approx(recall_at_k(embeddings, labels, KS))
    assert found == pytest.approx(plain_recall(embeddings, labels, KS))


def test_unknown_rules_are_named() -> None:
    with pytest.raises(UnknownNameError, match="ties called 'optimistc'; did you mean optimistic"):
        _check_rules(ties="optimistc")
    with pytest.raises(UnknownNameError, match="lone called 'none'; there are: drop, keep"):
        _check_rules(lone="none")
    with pytest.raises(UnknownNameError, match="similarity called 'l2'"):
        _check_rules(similarity="l2")
