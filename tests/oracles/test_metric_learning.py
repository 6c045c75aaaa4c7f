"""Metric-learning losses against closed forms, and against pytorch-metric-learning where the definitions agree."""

from __future__ import annotations

import math
from collections.abc import Callable
from types import ModuleType

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from visus.metrics.clustering import Average, normalised_mutual_information
from visus.systems.metric_learning.losses import (
    clustering_loss,
    contrastive_loss,
    lifted_structure_loss,
    margin_loss,
    npairs_loss,
    proxy_nca_loss,
    triplet_loss,
)
from visus.systems.metric_learning.losses.distance_weighted import negative_log_weights, sample_negatives
from visus.systems.metric_learning.losses.distances import distances_of, positive_pairs, unit_length
from visus.systems.metric_learning.losses.facility_location import (
    augmented_medoids,
    class_medoids,
)
from visus.systems.metric_learning.losses.margin import margin_of_triplets
from visus.systems.metric_learning.losses.triplet import semi_hard_triplets

Loss = Callable[[Tensor], Tensor]


def column(*values: float) -> Tensor:
    return torch.tensor(values, dtype=torch.float64)[:, None]


def batch(seed: int = 0, classes: int = 6, per_class: int = 3, dimensions: int = 8) -> tuple[Tensor, Tensor]:
    """Classes that overlap, in no order."""
    generator = torch.Generator().manual_seed(seed)
    labels = torch.arange(classes).repeat(per_class)[torch.randperm(classes * per_class, generator=generator)]
    centres = torch.randn(classes, dimensions, generator=generator, dtype=torch.float64)
    return centres[labels] + torch.randn(len(labels), dimensions, generator=generator, dtype=torch.float64), labels


def assert_same_value_and_gradient(ours: Loss, theirs: Loss, embeddings: Tensor) -> None:
    results = []
    for loss in (ours, theirs):
        at = embeddings.clone().requires_grad_()
        value = loss(at)
        results.append((value.detach(), torch.autograd.grad(value, at)[0]))
    assert results[0][0] != 0
    torch.testing.assert_close(*results)


@pytest.fixture(scope="module")
def pml() -> ModuleType:
    module = pytest.importorskip("pytorch_metric_learning")
    for name in ("losses", "miners", "distances", "reducers", "regularizers"):
        pytest.importorskip(f"pytorch_metric_learning.{name}")
    return module


# --- contrastive ---


def test_contrastive_by_hand() -> None:
    """At 0, 0.5, 0.8 of classes 0, 0, 1: distances .5 | .8, .3."""
    points, labels = column(0, 0.5, 0.8), torch.tensor([0, 0, 1])

    def value(power: int = 2, hinge_on: str = "distance", average: str = "pairs") -> float:
        return contrastive_loss(points, labels, power=power, hinge_on=hinge_on, average=average, normalise=False).item()

    assert value() == pytest.approx((0.25 + 0.04 + 0.49) / 3)
    assert value(power=1) == pytest.approx((0.5 + 0.2 + 0.7) / 3)
    assert value(power=1, hinge_on="squared_distance") == pytest.approx((0.25 + 0.36 + 0.91) / 3)
    assert value(average="kinds") == pytest.approx(0.25 + (0.04 + 0.49) / 2)
    far = torch.cat((points, column(9)))
    found = contrastive_loss(far, torch.tensor([0, 0, 1, 2]), average="nonzero", normalise=False)
    assert found.item() == pytest.approx(0.25 + (0.04 + 0.49) / 2)


def test_contrastive_equals_the_published_one(pml: ModuleType) -> None:
    embeddings, labels = batch()
    theirs = pml.losses.ContrastiveLoss(pos_margin=0, neg_margin=1.4)
    assert_same_value_and_gradient(
        lambda x: contrastive_loss(x, labels, margin=1.4, power=1, average="nonzero"),
        lambda x: theirs(x, labels),
        embeddings,
    )


# --- lifted structure ---


@pytest.mark.parametrize(
    ("points", "expected"),
    [
        ((0, 1, 3, 4), 2 * math.log(1 + math.exp(-1)) ** 2),
        ((0, 1, 3, 4), 0.196266),
        ((0, 1, 1.5, 4), (1.892151**2 + 3.392151**2) / 4),
        ((0, 1, 1.5, 4), 3.771732),
        ((0, 0.1, 30, 30.1), 0.0),
    ],
)
def test_lifted_structure_closed_forms(points: tuple[float, ...], expected: float) -> None:
    found = lifted_structure_loss(column(*points), torch.tensor([0, 0, 1, 1]))
    assert found.item() == pytest.approx(expected, abs=2e-6)


def test_lifted_structure_equals_the_published_ones(pml: ModuleType) -> None:
    embeddings, labels = batch()
    distance = pml.distances.LpDistance(normalize_embeddings=False)
    paper = pml.losses.LiftedStructureLoss(distance=distance)
    assert_same_value_and_gradient(lambda x: lifted_structure_loss(x, labels), lambda x: paper(x, labels), embeddings)
    generalised = pml.losses.GeneralizedLiftedStructureLoss(distance=distance)
    assert_same_value_and_gradient(
        lambda x: lifted_structure_loss(x, labels, variant="generalised"),
        lambda x: generalised(x, labels),
        embeddings,
    )


# --- N-pair ---


def test_npairs_closed_forms() -> None:
    points, labels = torch.tensor([[1.0, 0], [0, 1], [2, 0], [0, 2]]), torch.tensor([3, 1, 3, 1])
    assert npairs_loss(points, labels, l2_weight=0).item() == pytest.approx(0.126928, abs=1e-6)
    found = npairs_loss(points, labels, l2_weight=0.02).item()
    assert found == pytest.approx(math.log(1 + math.exp(-2)) + 0.02 / 4 * 5, abs=1e-6)
    square = torch.tensor([[1.0, 1], [1, -1], [-1, -1], [-1, 1]]).repeat(2, 1)
    found = npairs_loss(square, torch.arange(4).repeat(2), l2_weight=0).item()
    assert found == pytest.approx(2 * math.log(1 + math.exp(-2)), abs=1e-6)
    assert found == pytest.approx(0.253856, abs=1e-6)


@pytest.mark.parametrize(("classes", "least"), [(30, 1.594), (60, 2.196)])
def test_npairs_of_unit_vectors_need_a_scale(classes: int, least: float) -> None:
    """Equal pairs and opposite classes cannot exist beyond two; the bound log(1 + (n - 1) e^-2) is what unit allows."""
    assert math.log(1 + (classes - 1) * math.exp(-2)) == pytest.approx(least, abs=1e-3)
    points = torch.eye(classes, dtype=torch.float64).repeat(2, 1)
    labels = torch.arange(classes).repeat(2)
    assert npairs_loss(points, labels, normalise=True).item() > least
    assert npairs_loss(points, labels, normalise=True, scale=20, l2_weight=0).item() < 1e-6


def test_npairs_equals_the_published_one(pml: ModuleType) -> None:
    embeddings, labels = batch()
    theirs = pml.losses.NPairsLoss(distance=pml.distances.DotProductSimilarity(normalize_embeddings=False))
    assert_same_value_and_gradient(
        lambda x: npairs_loss(x, labels, l2_weight=0), lambda x: theirs(x, labels), embeddings
    )
    theirs = pml.losses.NPairsLoss()  # normalises by default
    assert_same_value_and_gradient(
        lambda x: npairs_loss(x, labels, l2_weight=0, normalise=True), lambda x: theirs(x, labels), embeddings
    )


# --- Proxy-NCA ---

PROXIES = torch.tensor([[1.0, 0], [0, 1], [-1, 0]], dtype=torch.float64)


@pytest.mark.parametrize(
    ("label", "excluded", "included"), [(0, -1.873072, 0.142932), (1, 2.018150, 2.142932), (2, 4.126928, 4.142932)]
)
def test_proxy_nca_closed_forms(label: int, excluded: float, included: float) -> None:
    point, labels = torch.tensor([[1.0, 0]], dtype=torch.float64), torch.tensor([label])
    for length in (1, 5):
        assert proxy_nca_loss(length * point, labels, PROXIES).item() == pytest.approx(excluded, abs=1e-6)
        found = proxy_nca_loss(point, labels, length * PROXIES, positive_in_denominator=True)
        assert found.item() == pytest.approx(included, abs=1e-6)


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 2**31),
    classes=st.integers(2, 9),
    scale=st.floats(0.01, 30),
    normalise=st.booleans(),
)
def test_proxy_nca_included_is_the_softplus_of_excluded(seed: int, classes: int, scale: float, normalise: bool) -> None:
    generator = torch.Generator().manual_seed(seed)
    point, *proxies = torch.randn(classes + 1, 5, generator=generator, dtype=torch.float64)
    labels = torch.randint(classes, (1,), generator=generator)
    excluded, included = (
        proxy_nca_loss(
            point[None],
            labels,
            torch.stack(proxies),
            scale=scale,
            positive_in_denominator=inside,
            normalise=normalise,
        )
        for inside in (False, True)
    )
    torch.testing.assert_close(included, torch.log1p(excluded.exp()), rtol=1e-9, atol=1e-9)


def test_proxy_nca_equals_the_published_one(pml: ModuleType) -> None:
    embeddings, labels = batch()
    for scale in (1, 9):
        theirs = pml.losses.ProxyNCALoss(6, 8, softmax_scale=scale).double()
        proxies = theirs.proxies.detach().clone().requires_grad_()
        assert_same_value_and_gradient(
            lambda x, p=proxies, s=scale: proxy_nca_loss(x, labels, p, scale=s, positive_in_denominator=True),
            lambda x, theirs=theirs: theirs(x, labels),
            embeddings,
        )
        proxy_nca_loss(embeddings, labels, proxies, scale=scale, positive_in_denominator=True).backward()
        theirs(embeddings, labels).backward()
        torch.testing.assert_close(proxies.grad, theirs.proxies.grad)


# --- margin ---


def test_margin_closed_form() -> None:
    found = margin_of_triplets(torch.tensor([0.9, 1.3, 0.5]), torch.tensor([1.5, 1.1, 1.0]), torch.full((3,), 1.2))
    assert found.item() == pytest.approx(1 / 3, abs=1e-6)
    found = margin_of_triplets(
        torch.tensor([0.9, 1.3, 0.5]), torch.tensor([1.5, 1.1, 1.0]), torch.full((3,), 1.2), nu=0.1
    )
    assert found.item() == pytest.approx((1 + 0.1 * 3.6) / 3, abs=1e-6)


@pytest.mark.parametrize(
    ("dimensions", "table"),
    [
        (64, (44.94, 26.10, 8.77, 0.48, -0.35)),
        (128, (91.37, 53.11, 17.98, 1.26, -0.35)),
        (512, (369.9, 215.2, 73.2, 5.93, -0.35)),
    ],
)
def test_distance_weights_closed_form(dimensions: int, table: tuple[float, ...]) -> None:
    squared = torch.zeros(6, 6, dtype=torch.float64)
    squared[0, 1:] = torch.tensor([0.5, 0.7, 1.0, 1.3, math.sqrt(2)], dtype=torch.float64).square()
    labels = torch.tensor([0, 1, 1, 1, 1, 1])
    row = negative_log_weights(squared, labels, dimensions, nonzero_loss_cutoff=1.5)[0, 1:]
    expected = torch.tensor(table, dtype=torch.float64)
    torch.testing.assert_close(
        row - row[-1], expected - expected[-1], rtol=0, atol=0.06 if dimensions == 512 else 0.011
    )


def test_margin_equals_the_published_one(pml: ModuleType) -> None:
    """With the same triplets."""
    embeddings, labels = batch()
    for nu in (0.0, 0.2):
        theirs = pml.losses.MarginLoss(learn_beta=True, num_classes=6, nu=nu).double()
        beta = theirs.beta.detach().clone().requires_grad_()
        anchors, positives = positive_pairs(labels, ordered=True)
        torch.manual_seed(7)
        squared = distances_of(unit_length(embeddings)).squared
        negatives = sample_negatives(negative_log_weights(squared, labels, 8), anchors)

        def ours(x: Tensor, nu: float = nu, beta: Tensor = beta) -> Tensor:
            torch.manual_seed(7)
            return margin_loss(x, labels, beta, nu=nu)

        triplets = (anchors, positives, negatives)
        assert_same_value_and_gradient(ours, lambda x, m=theirs, t=triplets: m(x, labels, t), embeddings)
        ours(embeddings).backward()
        theirs(embeddings, labels, triplets).backward()
        torch.testing.assert_close(beta.grad, theirs.beta.grad)


# --- triplet ---


def test_batch_hard_equals_the_published_one(pml: ModuleType) -> None:
    embeddings, labels = batch()
    distance = pml.distances.LpDistance(normalize_embeddings=False)
    settings_ = {"distance": distance, "reducer": pml.reducers.MeanReducer()}
    for margin in (0.3, None):
        theirs = pml.losses.TripletMarginLoss(margin=margin or 0.0, smooth_loss=margin is None, **settings_)
        miner = pml.miners.BatchHardMiner(distance=distance)
        assert_same_value_and_gradient(
            lambda x, margin=margin: triplet_loss(x, labels, mining="batch_hard", margin=margin),
            lambda x, theirs=theirs, miner=miner: theirs(x, labels, miner(x, labels)),
            embeddings,
        )


@pytest.mark.parametrize("seed", range(4))
def test_semi_hard_triplets_are_those_of_a_plain_loop(seed: int) -> None:
    embeddings, labels = batch(seed, per_class=4)
    labels[labels == 1] = 0  # classes of unequal sizes
    found = distances_of(embeddings)
    expected = []
    for a in range(len(labels)):
        for p in range(len(labels)):
            if p == a or labels[p] != labels[a]:
                continue
            negatives = [n for n in range(len(labels)) if labels[n] != labels[a]]
            beyond = [n for n in negatives if found.squared[a, n] > found.squared[a, p]]
            far = found.squared[a]
            expected.append((a, p, min(beyond, key=far.__getitem__) if beyond else max(negatives, key=far.__getitem__)))
    triplets = torch.stack(semi_hard_triplets(found, labels), dim=1).tolist()
    assert [tuple(triplet) for triplet in triplets] == expected


# --- clustering ---

NINE = column(-11, -10, -8, 0, 1, 2, 9, 10, 11)
NINE_LABELS = torch.tensor([1, 1, 1, 2, 2, 2, 0, 0, 0])


def test_clustering_of_nine_points() -> None:
    distances, classes = (NINE - NINE.T).abs().numpy(), NINE_LABELS.numpy()
    medoids = augmented_medoids(distances, classes, 10.0, 5)
    assert sorted(medoids.tolist()) == [1, 4, 7]
    assert sorted(class_medoids(distances, classes).tolist()) == [1, 4, 7]
    assert -distances[np.arange(9), class_medoids(distances, classes)[classes]].sum() == -7
    assert clustering_loss(NINE, NINE_LABELS, gamma=10.0, normalise=False) == 0


def test_clustering_by_hand() -> None:
    """Points 0, 1, 10, 11 whose labels disagree with where they lie: F = -2, NMI 0, F~ = -20."""
    found = clustering_loss(column(0, 1, 10, 11), torch.tensor([0, 1, 0, 1]), gamma=3.0, normalise=False)
    assert found.item() == pytest.approx(20 - 2 + 3)


@pytest.mark.parametrize(
    ("average", "expected"),
    [("arithmetic", 0.515804), ("geometric", 0.529541), ("max", 0.420620), ("min", 0.666667)],
)
def test_nmi_closed_forms(average: Average, expected: float) -> None:
    one, other = torch.tensor([0, 0, 0, 1, 1, 1]), torch.tensor([0, 0, 1, 1, 2, 2])
    assert normalised_mutual_information(one, other, average=average) == pytest.approx(expected, abs=1e-6)
