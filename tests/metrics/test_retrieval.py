"""Recall@K against plain loops in exact arithmetic, its rules, and its sharing among processes."""

from __future__ import annotations

import pytest
import torch
import torch.distributed as dist
import torch.multiprocessing as mp
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional as F

from visus.metrics import nearest_positive
from visus.metrics.clustering import k_means, normalised_mutual_information
from visus.metrics.points import points_for
from visus.metrics.retrieval import RetrievalMetric, precision_at_r, recall_at_k
from visus.types import Batch, ClassTarget, EmbeddingPrediction


def plain_recall(embeddings, labels, ks, *, gallery=None, ties="optimistic", lone="keep"):
    """One query after the other, one neighbour after the other, in float64."""
    queries = F.normalize(embeddings, dim=1).double()
    others, other_labels = (
        (queries, labels) if gallery is None else (F.normalize(gallery[0], dim=1).double(), gallery[1])
    )
    hits, counted = dict.fromkeys(ks, 0), 0
    for i, (query, label) in enumerate(zip(queries, labels, strict=True)):
        scores = (query * others).sum(1)
        usable = torch.ones(len(others), dtype=torch.bool)
        if gallery is None:
            usable[i] = False
        positive = usable & (other_labels == label)
        if not positive.any():
            counted += lone == "keep"
            continue
        best = scores[positive].max()
        negative = scores[usable & (other_labels != label)]
        before = (negative > best).sum() if ties == "optimistic" else (negative >= best).sum()
        counted += 1
        for k in ks:
            hits[k] += int(1 + before <= k)
    return {k: hits[k] / counted for k in ks}


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Blocks so small that every way through them is taken."""
    monkeypatch.setattr(nearest_positive, "_BLOCK", 256)


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    count=st.integers(2, 700),
    classes=st.integers(1, 60),
    spread=st.sampled_from([0.2, 1.0, 5.0]),
    copies=st.booleans(),
    ties=st.sampled_from(["optimistic", "pessimistic"]),
    screen=st.sampled_from(["int8", "float32"]),
)
def test_equals_plain_loops(seed, count, classes, spread, copies, ties, screen) -> None:
    generator = torch.Generator().manual_seed(seed)
    labels = torch.randint(classes, (count,), generator=generator)
    centres = torch.randn(classes, 8, generator=generator)
    embeddings = centres[labels] + spread * torch.randn(count, 8, generator=generator)
    if copies:  # some images lie at the very same place
        embeddings[torch.randint(count, (count // 2,), generator=generator)] = embeddings[0].clone()
    ks = (1, 2, 5, 50, 10_000)
    found = recall_at_k(embeddings, labels, ks, ties=ties, screen=screen)
    assert found == plain_recall(embeddings, labels, ks, ties=ties)


@pytest.mark.parametrize("screen", ["int8", "float32"])
def test_a_gallery_of_others(screen) -> None:
    generator = torch.Generator().manual_seed(3)
    queries, others = torch.randn(300, 16, generator=generator), torch.randn(520, 16, generator=generator)
    labels, other_labels = (
        torch.randint(40, (300,), generator=generator),
        torch.randint(45, (520,), generator=generator),
    )
    labels[:5] = 99  # nobody in the gallery
    gallery = (others, other_labels)
    for lone in ("keep", "drop"):
        found = recall_at_k(queries, labels, (1, 10), gallery=gallery, lone=lone, screen=screen)
        assert found == pytest.approx(plain_recall(queries, labels, (1, 10), gallery=gallery, lone=lone))


def test_queries_that_are_told_look_in_the_gallery_only() -> None:
    vectors = torch.tensor([[1.0, 0.0], [1.0, 0.01], [1.0, 0.1], [0.0, 1.0], [0.1, 1.0]])
    labels, asks = [0, 0, 1, 1, 0], [True, True, False, False, False]
    metric = RetrievalMetric(ks=(1, 2, 3), precision=True)
    together = RetrievalMetric(ks=(1, 2, 3))
    for i, (vector, label, ask) in enumerate(zip(vectors, labels, asks, strict=True)):
        prediction = EmbeddingPrediction(vector, (8, 8))
        metric.update([prediction], Batch(None, [ClassTarget(torch.tensor(label), (8, 8), i, is_query=ask)]))
        together.update([prediction], Batch(None, [ClassTarget(torch.tensor(label), (8, 8), i)]))
    assert metric.compute() == {"R@1": 0.0, "R@2": 1.0, "R@3": 1.0, "MAP@R": 0.0, "R-precision": 0.0}
    assert together.compute()["R@1"] == pytest.approx(2 / 5)  # each other's neighbours
    metric.update([EmbeddingPrediction(vectors[0], (8, 8))], Batch(None, [ClassTarget(torch.tensor(0), (8, 8), 9)]))
    with pytest.raises(ValueError, match="5 of 6 images say whether they are queries"):
        metric.compute()


def test_one_self_is_left_out_by_its_index() -> None:
    embeddings = torch.tensor([[0.0], [0.0], [1.0], [1.0]])
    labels = torch.tensor([0, 1, 0, 1])
    for ties in ("optimistic", "pessimistic"):
        assert recall_at_k(embeddings, labels, (1,), similarity="euclidean", ties=ties)[1] == 0


def test_the_four_points_of_the_public_test() -> None:
    embeddings, labels = torch.tensor([[1.0, 0], [4, 0], [0, 1], [1, 2]]), torch.tensor([1, 1, 2, 2])
    found = recall_at_k(embeddings, labels, (1, 2, 3), similarity="euclidean", ties="pessimistic")
    assert found == {1: 0.5, 2: 0.75, 3: 1.0}
    assert recall_at_k(embeddings, labels, (1,))[1] == 1.0


def test_identical_images_follow_the_rule_for_ties() -> None:
    embeddings, labels = torch.ones(6, 4), torch.tensor([0, 0, 1, 1, 2, 2])
    assert recall_at_k(embeddings, labels, (1, 4, 5)) == pytest.approx({1: 0.2, 4: 0.8, 5: 1.0})
    assert recall_at_k(embeddings, labels, (1, 4, 5), ties="optimistic") == {1: 1.0, 4: 1.0, 5: 1.0}
    assert recall_at_k(embeddings, labels, (1, 4, 5), ties="pessimistic") == {1: 0.0, 4: 0.0, 5: 1.0}


def test_one_class_only_and_lone_queries() -> None:
    embeddings = torch.randn(5, 3)
    assert recall_at_k(embeddings, torch.zeros(5, dtype=torch.int64), (1,)) == {1: 1.0}
    assert recall_at_k(embeddings, torch.arange(5), (1, 100)) == {1: 0.0, 100: 0.0}
    with pytest.raises(ValueError, match="lone queries are dropped"):
        recall_at_k(embeddings, torch.arange(5), (1,), lone="drop")


def test_bad_embeddings_are_named() -> None:
    embeddings = torch.randn(5, 3)
    embeddings[3, 1] = torch.nan
    with pytest.raises(ValueError, match="number 3 holds NaN"):
        recall_at_k(embeddings, torch.zeros(5, dtype=torch.int64), (1,))
    with pytest.raises(ValueError, match="at least 1"):
        recall_at_k(torch.randn(5, 3), torch.zeros(5, dtype=torch.int64), (0,))
    with pytest.raises(ValueError, match="dimensions"):
        points_for(torch.randn(5, 3), torch.arange(5), (torch.randn(4, 2), torch.arange(4)), "cosine")


def test_empty_input_is_one_error() -> None:
    nothing, labels = torch.zeros(0, 3), torch.zeros(0, dtype=torch.int64)
    for measure in (lambda: recall_at_k(nothing, labels, (1,)), lambda: precision_at_r(nothing, labels)):
        with pytest.raises(ValueError, match=r"embeddings of shape \[0, 3\]"):
            measure()
    some = torch.ones(2, 3), torch.zeros(2, dtype=torch.int64)
    with pytest.raises(ValueError, match=r"gallery of shape \[0, 3\]"):
        recall_at_k(*some, (1,), gallery=(nothing, labels))
    metric = RetrievalMetric(ks=(1,))
    for size in (2, 3):
        metric.update([EmbeddingPrediction(torch.ones(size), (4, 4))], Batch(None, [ClassTarget(labels.sum(), (4, 4))]))
    with pytest.raises(ValueError, match="embeddings of 2 and of 3 dimensions"):
        metric.compute()


def test_precision_against_plain_loops() -> None:
    generator = torch.Generator().manual_seed(5)
    labels = torch.randint(30, (400,), generator=generator)
    embeddings = F.normalize(torch.randn(30, 8, generator=generator)[labels] + torch.randn(400, 8, generator=generator))
    average, precision = [], []
    for i in range(400):
        scores = (embeddings @ embeddings[i]).index_fill(0, torch.tensor(i), -2)
        wanted = int((labels == labels[i]).sum()) - 1
        if wanted == 0:
            continue
        right = labels[scores.argsort(descending=True)[:wanted]] == labels[i]
        precision.append(float(right.float().mean()))
        average.append(sum(float(right[: j + 1].float().mean()) for j in range(wanted) if right[j]) / wanted)
    found = precision_at_r(embeddings, labels)
    assert found["R-precision"] == pytest.approx(sum(precision) / len(precision))
    assert found["MAP@R"] == pytest.approx(sum(average) / len(average))


@pytest.mark.parametrize(
    ("average", "value"), [("arithmetic", 0.515804), ("geometric", 0.529541), ("max", 0.420620), ("min", 0.666667)]
)
def test_mutual_information_of_two_partitions(average, value) -> None:
    first, second = torch.tensor([0, 0, 0, 1, 1, 1]), torch.tensor([0, 0, 1, 1, 2, 2])
    assert normalised_mutual_information(first, second, average=average) == pytest.approx(value, abs=1e-6)


def test_mutual_information_is_that_of_scikit_learn() -> None:
    sklearn = pytest.importorskip("sklearn.metrics")
    generator = torch.Generator().manual_seed(0)
    a, b = torch.randint(7, (300,), generator=generator), torch.randint(12, (300,), generator=generator)
    assert normalised_mutual_information(a, b) == pytest.approx(sklearn.normalized_mutual_info_score(a, b))


def test_k_means_finds_separate_heaps() -> None:
    heaps = torch.arange(4).repeat_interleave(20)
    points = heaps[:, None] * 10 + torch.randn(80, 3, generator=torch.Generator().manual_seed(1))
    assert normalised_mutual_information(k_means(points, 4), heaps) == pytest.approx(1.0)


def test_k_means_ends_as_well_as_scikit_learn() -> None:
    cluster = pytest.importorskip("sklearn.cluster")
    ours, theirs = [], []
    for seed in range(6):
        generator = torch.Generator().manual_seed(seed)
        labels = torch.arange(600) % 40
        points = torch.randn(40, 12, generator=generator)[labels] + 0.3 * torch.randn(600, 12, generator=generator)
        ours.append(normalised_mutual_information(k_means(points, 40), labels))
        found = cluster.KMeans(40, n_init=1, random_state=0, max_iter=50).fit_predict(points.numpy())
        theirs.append(normalised_mutual_information(torch.from_numpy(found).long(), labels))
    assert sum(ours) / 6 == pytest.approx(sum(theirs) / 6, abs=0.015)
    assert sum(ours) / 6 > 0.95


def test_k_means_of_equal_points_or_more_clusters_than_points() -> None:
    assert len(k_means(torch.ones(5, 3), 3)) == 5
    assert len(torch.unique(k_means(torch.randn(5, 3), 9))) == 5


def metric_of(embeddings, labels, indices) -> RetrievalMetric:
    metric = RetrievalMetric(ks=(1, 5), precision=True, clusters=True)
    metric.update(
        [EmbeddingPrediction(embeddings[i], (4, 4)) for i in indices],
        Batch(None, [ClassTarget(labels[i], (4, 4), image_id=int(i)) for i in indices]),
    )
    return metric


def some_embeddings():
    generator = torch.Generator().manual_seed(7)
    labels = torch.randint(20, (300,), generator=generator)
    return torch.randn(20, 8, generator=generator)[labels] + torch.randn(300, 8, generator=generator), labels


def measure_a_share(rank: int, folder: str) -> None:
    nearest_positive._BLOCK = 256
    dist.init_process_group("gloo", init_method=f"file://{folder}/store", rank=rank, world_size=2)
    embeddings, labels = some_embeddings()
    share = range(170) if rank == 0 else range(150, 300)  # some images are measured twice
    torch.save(metric_of(embeddings, labels, share).compute(), f"{folder}/{rank}.pt")
    dist.destroy_process_group()


def test_two_processes_measure_what_one_does(tmp_path) -> None:
    mp.spawn(measure_a_share, args=(str(tmp_path),), nprocs=2)
    embeddings, labels = some_embeddings()
    alone = metric_of(embeddings, labels, range(300)).compute()
    assert alone["R@1"] == plain_recall(embeddings, labels, (1,))[1]
    for rank in range(2):
        assert torch.load(tmp_path / f"{rank}.pt") == pytest.approx(alone)
