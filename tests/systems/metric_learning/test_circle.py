"""Circle loss against a plain loop, closed forms, and pytorch-metric-learning's.

Its gradient takes the weights of the pairs as constants, so it is not the slope of the value: the finite differences
here are those of a plain loop whose weights stay where they were.
"""

from __future__ import annotations

import math
from types import ModuleType

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from visus.systems.metric_learning.losses.circle import CircleLoss, circle_loss

SETTINGS = [(0.25, 256.0), (0.4, 80.0), (0.1, 2.0)]
each_setting = pytest.mark.parametrize(("m", "gamma"), SETTINGS)


def reference(embeddings: Tensor, labels: Tensor, m: float, gamma: float, weigh_at: Tensor | None = None) -> Tensor:
    """Equation 6, every pair of a positive and a negative by itself; the weights are those of ``weigh_at``."""
    unit = F.normalize(embeddings)
    cosines = unit @ unit.T
    unit = F.normalize((embeddings if weigh_at is None else weigh_at).detach())
    at = unit @ unit.T
    losses = []
    for a in range(len(labels)):
        positives = [p for p in range(len(labels)) if p != a and labels[p] == labels[a]]
        negatives = [n for n in range(len(labels)) if labels[n] != labels[a]]
        loss = cosines.new_zeros(())
        for p in positives:
            for n in negatives:
                from_positive = -gamma * max(0.0, 1 + m - at[a, p].item()) * (cosines[a, p] - (1 - m))
                from_negative = gamma * max(0.0, at[a, n].item() + m) * (cosines[a, n] - m)
                loss = torch.logaddexp(loss, from_positive + from_negative)
        if positives and negatives:
            losses.append(loss)
    return torch.stack(losses).mean()


def batch(seed: int = 0, items: int = 11, classes: int = 4, dimensions: int = 4) -> tuple[Tensor, Tensor]:
    """Random classes of unequal sizes, the last item alone in its own."""
    generator = torch.Generator().manual_seed(seed)
    labels = torch.randint(classes, (items,), generator=generator)
    labels[-1] = classes
    centres = torch.randn(classes + 1, dimensions, generator=generator, dtype=torch.float64)
    return centres[labels] + torch.randn(items, dimensions, generator=generator, dtype=torch.float64), labels


def value_and_gradient(
    embeddings: Tensor, labels: Tensor, m: float = 0.4, gamma: float = 80.0
) -> tuple[Tensor, Tensor]:
    embeddings = embeddings.detach().clone().requires_grad_()
    value = circle_loss(embeddings, labels, m=m, gamma=gamma)
    (gradient,) = torch.autograd.grad(value, embeddings)
    return value.detach(), gradient


@each_setting
@pytest.mark.parametrize("seed", range(5))
def test_value_and_gradient_are_those_of_a_plain_loop(seed: int, m: float, gamma: float) -> None:
    embeddings, labels = batch(seed)
    at = embeddings.clone().requires_grad_()
    expected = reference(at, labels, m, gamma)
    (slopes,) = torch.autograd.grad(expected, at)
    value, gradient = value_and_gradient(embeddings, labels, m, gamma)
    assert value > 0
    torch.testing.assert_close(value, expected.detach())
    torch.testing.assert_close(gradient, slopes)


@each_setting
def test_gradient_is_the_finite_difference_with_constant_weights(m: float, gamma: float) -> None:
    embeddings, labels = batch(items=7, classes=2, dimensions=3)
    _, gradient = value_and_gradient(embeddings, labels, m, gamma)
    step = 1e-6
    expected = torch.zeros_like(embeddings)
    for place in range(embeddings.numel()):
        moved = torch.zeros_like(embeddings)
        moved.view(-1)[place] = step
        up, down = (
            reference(at, labels, m, gamma, weigh_at=embeddings) for at in (embeddings + moved, embeddings - moved)
        )
        expected.view(-1)[place] = (up - down) / (2 * step)
    torch.testing.assert_close(gradient, expected, rtol=1e-5, atol=1e-6)


def test_by_hand() -> None:
    """Angles 0 and 60 degrees of one class, 90 of another: cosines 1/2 | 0, root(3)/2. The third has no positive.

    Exponents with m = 1/4: the positive 3/4 * 1/4 = 3/16, the negatives 1/4 * -1/4 = -1/16 and 3/4 - 1/16 = 11/16.
    """
    root = math.sqrt(3) / 2
    points = torch.tensor([[1.0, 0], [0.5, root], [0, 1]], dtype=torch.float64)
    value, gradient = value_and_gradient(points, torch.tensor([0, 0, 1]), m=0.25, gamma=8.0)
    assert value.item() == pytest.approx((math.log(1 + math.exp(1)) + math.log(1 + math.exp(7))) / 2)
    assert value.item() == pytest.approx(4.157087, abs=1e-6)
    first, second = 1 / (1 + math.exp(-1)), 1 / (1 + math.exp(-7))  # softplus' slopes of both anchors
    pull = -8 * 0.75 * (first + second) / 2
    # what is left of d/ds_ab b + d/ds_ac c once its part along a, which is (1, 0), is gone
    torch.testing.assert_close(gradient[0], torch.tensor([0, pull * root + 8 * 0.25 * first / 2], dtype=torch.float64))
    push = 8 * (root + 0.25) * second / 2
    # the third, at (0, 1), keeps what comes from the first coordinate of both
    expected = torch.tensor([8 * 0.25 * first / 2 + push / 2, 0], dtype=torch.float64)
    torch.testing.assert_close(gradient[2], expected)


@pytest.mark.parametrize("angle", [0.1, 0.8, 1.5, 2.0])
@each_setting
def test_the_boundary_is_a_circle(angle: float, m: float, gamma: float) -> None:
    """On it (equation 9) one positive and one negative cost log 2, whatever gamma is."""
    gap, s_n = math.sqrt(2) * m * math.sin(angle), math.sqrt(2) * m * math.cos(angle)
    cosines = torch.tensor([[1, 1 - gap, s_n], [1 - gap, 1, s_n], [s_n, s_n, 1]], dtype=torch.float64)
    points = torch.linalg.cholesky(cosines)
    assert circle_loss(points, torch.tensor([0, 0, 1]), m=m, gamma=gamma).item() == pytest.approx(math.log(2))


@each_setting
def test_order_names_and_length_do_not_matter(m: float, gamma: float) -> None:
    embeddings, labels = batch()
    value, gradient = value_and_gradient(embeddings, labels, m, gamma)
    order = torch.randperm(len(labels), generator=torch.Generator().manual_seed(1))
    renamed = torch.tensor([40, 7, 900_000_000_000, -3, 5])[labels]
    shuffled, moved = value_and_gradient(embeddings[order], renamed[order], m, gamma)
    torch.testing.assert_close(shuffled, value)
    torch.testing.assert_close(moved, gradient[order])
    longer, slower = value_and_gradient(embeddings * 3, labels, m, gamma)
    torch.testing.assert_close(longer, value)
    torch.testing.assert_close(slower, gradient / 3)
    found = circle_loss(F.normalize(embeddings), labels, m=m, gamma=gamma, normalise=False)
    torch.testing.assert_close(found, value)


@pytest.mark.parametrize("labels", [[0, 0, 0, 0], [0, 1, 2, 3], [0]], ids=["no negatives", "no positives", "one item"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_nothing_to_compare_is_zero_with_a_gradient(labels: list[int], dtype: torch.dtype) -> None:
    embeddings = batch()[0][: len(labels)].to(dtype)
    value, gradient = value_and_gradient(embeddings, torch.tensor(labels))
    assert value == 0
    assert (gradient == 0).all()


def test_items_alone_in_their_class_are_negatives_only() -> None:
    embeddings, labels = batch()
    assert (labels == labels[-1]).sum() == 1
    _, gradient = value_and_gradient(embeddings, labels)
    assert (gradient[-1] != 0).any()
    torch.testing.assert_close(circle_loss(embeddings, labels), reference(embeddings, labels, 0.4, 80.0))


def test_empty_batches_are_refused() -> None:
    with pytest.raises(ValueError, match="n > 0"):
        circle_loss(torch.zeros(0, 4), torch.zeros(0, dtype=torch.int64))


@pytest.mark.parametrize("bad", [torch.nan, torch.inf, -torch.inf])
def test_embeddings_that_are_not_finite_are_refused(bad: float) -> None:
    embeddings, labels = batch()
    embeddings[2, 1] = bad
    with pytest.raises(ValueError, match=r"embeddings \[2\] are NaN or infinite"):
        circle_loss(embeddings, labels)


def test_labels_have_to_belong_to_the_embeddings() -> None:
    embeddings, labels = batch()
    with pytest.raises(Exception, match=r"(?i)labels need the shape|type-check"):
        circle_loss(embeddings, labels[:-1])


def extremes() -> dict[str, tuple[Tensor, Tensor]]:
    embeddings, labels = batch()
    same = embeddings[:1].repeat(8, 1)
    halves = torch.tensor([0, 1]).repeat_interleave(4)
    opposite = torch.cat((same[:4], -same[:4]))
    return {
        "random": (embeddings, labels),
        "all equal": (same, halves),
        "all zero": (same * 0, halves),
        "solved": (opposite, halves),
        "as wrong as can be": (opposite, halves.view(2, 4).T.flatten()),
        "long": (embeddings * 1e4, labels),
        "tiny": (embeddings * 1e-15, labels),
    }


EXTREMES = extremes()


@pytest.mark.parametrize("name", EXTREMES)
@pytest.mark.parametrize("gamma", [256.0, 1e5])
def test_large_gamma_stays_finite_in_float32(name: str, gamma: float) -> None:
    """Terms of e^(4 gamma): far beyond what exists in float32, and in float64 too."""
    embeddings, labels = EXTREMES[name]
    value, gradient = value_and_gradient(embeddings.float(), labels, gamma=gamma)
    assert value.isfinite()
    assert gradient.isfinite().all()
    expected, _ = value_and_gradient(embeddings, labels, gamma=gamma)
    torch.testing.assert_close(value.double(), expected, rtol=1e-4, atol=1e-5)


def test_embeddings_of_length_zero_have_no_gradient() -> None:
    embeddings, labels = batch()
    embeddings[0] = 0
    _, gradient = value_and_gradient(embeddings, labels)
    assert (gradient[0] == 0).all()
    assert gradient.isfinite().all()


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_is_computed_in_float32(dtype: torch.dtype) -> None:
    embeddings, labels = batch()
    half = embeddings.to(dtype)
    expected = value_and_gradient(half.double(), labels)
    half.requires_grad_()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        value = circle_loss(half, labels)
    (gradient,) = torch.autograd.grad(value, half)
    assert value.dtype == torch.float32
    assert gradient.dtype == dtype
    torch.testing.assert_close(value.detach().double(), expected[0], rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(gradient.double(), expected[1], rtol=1e-2, atol=1e-3)


def test_module_is_its_function() -> None:
    embeddings, labels = batch()
    torch.testing.assert_close(CircleLoss()(embeddings, labels), circle_loss(embeddings, labels))
    found = CircleLoss(m=0.4, gamma=80.0, normalise=False)(embeddings, labels)
    torch.testing.assert_close(found, circle_loss(embeddings, labels, m=0.4, gamma=80.0, normalise=False))
    assert not torch.isclose(found, circle_loss(embeddings, labels, m=0.4, gamma=80.0))


# --- the published one ---


@pytest.fixture(scope="module")
def pml() -> ModuleType:
    module: ModuleType = pytest.importorskip("pytorch_metric_learning")
    for name in ("losses", "reducers"):
        pytest.importorskip(f"pytorch_metric_learning.{name}")
    return module


@each_setting
@pytest.mark.parametrize("seed", range(3))
def test_equals_the_published_one(pml: ModuleType, seed: int, m: float, gamma: float) -> None:
    """Its default is another: m = 0.4, gamma = 80."""
    embeddings, labels = batch(seed, items=24, classes=6, dimensions=8)
    theirs = pml.losses.CircleLoss(m=m, gamma=gamma)
    at = embeddings.clone().requires_grad_()
    expected = theirs(at, labels)
    (slopes,) = torch.autograd.grad(expected, at)
    value, gradient = value_and_gradient(embeddings, labels, m, gamma)
    torch.testing.assert_close(value, expected.detach())
    torch.testing.assert_close(gradient, slopes)


def test_the_published_one_leaves_out_anchors_that_cost_exactly_nothing(pml: ModuleType) -> None:
    """Angles 0, 0 | 120, 180 degrees. Two anchors cost e^-1249, which is 0; ours counts them, theirs does not."""
    angles = torch.tensor([0, 0, 2 * math.pi / 3, math.pi], dtype=torch.float64)
    points, labels = torch.stack((angles.cos(), angles.sin()), dim=1), torch.tensor([0, 0, 1, 1])
    cost = 20_000 * 0.75 * 0.25 + math.log(2)  # one positive at 1/2; negatives below -m have the exponent 0
    assert circle_loss(points, labels, m=0.25, gamma=20_000.0).item() == pytest.approx(cost / 2)
    assert pml.losses.CircleLoss(m=0.25, gamma=20_000)(points, labels).item() == pytest.approx(cost)


def test_their_mean_counts_anchors_without_a_positive(pml: ModuleType) -> None:
    embeddings, labels = batch()
    theirs = pml.losses.CircleLoss(m=0.4, gamma=80, reducer=pml.reducers.MeanReducer())
    anchors = (torch.bincount(labels)[labels] > 1).sum()
    assert anchors < len(labels)
    torch.testing.assert_close(circle_loss(embeddings, labels) * anchors / len(labels), theirs(embeddings, labels))
