"""Every loss: gradients against finite differences, symmetries, extreme and bad input, half precision."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import pytest
import torch
from torch import Tensor

from visus.names import build
from visus.systems.metric_learning.abe import ABECriterion
from visus.systems.metric_learning.abier import ABIERCriterion
from visus.systems.metric_learning.losses import (
    LOSSES,
    MarginLoss,
    arcface_loss,
    circle_loss,
    clustering_loss,
    contrastive_loss,
    cosface_loss,
    lifted_structure_loss,
    margin_loss,
    npairs_loss,
    proxy_nca_loss,
    triplet_loss,
)
from visus.systems.metric_learning.losses.distances import unit_length

Loss = Callable[[Tensor, Tensor], Tensor]
CLASSES, DIMENSIONS = 4, 5


def seeded_margin(embeddings: Tensor, labels: Tensor, nu: float = 0.0) -> Tensor:
    """The same negatives at each call."""
    torch.manual_seed(3)
    beta = torch.linspace(0.9, 1.3, CLASSES, dtype=torch.float64)
    return margin_loss(embeddings, labels, beta, nu=nu)


PROXIES = torch.randn(CLASSES, DIMENSIONS, dtype=torch.float64, generator=torch.Generator().manual_seed(5))

CASES: dict[str, Loss] = {
    "contrastive": contrastive_loss,
    "contrastive, margin 1.5": partial(contrastive_loss, margin=1.5),
    "contrastive, power 1": partial(contrastive_loss, margin=1.5, power=1, average="nonzero"),
    "contrastive, squares": partial(contrastive_loss, margin=1.7, hinge_on="squared_distance", average="kinds"),
    "contrastive, hdc": partial(contrastive_loss, margin=1.7, power=1, hinge_on="squared_distance"),
    "contrastive, any length": partial(contrastive_loss, margin=3.0, normalise=False),
    "lifted": lifted_structure_loss,
    "lifted, unit length": partial(lifted_structure_loss, normalise=True),
    "lifted, generalised": partial(lifted_structure_loss, variant="generalised"),
    "npairs": npairs_loss,
    "npairs, scaled": partial(npairs_loss, normalise=True, scale=8.0),
    "clustering": clustering_loss,
    "clustering, gamma 10": partial(clustering_loss, gamma=10.0, nmi_average="arithmetic"),
    "proxy_nca": partial(proxy_nca_loss, proxies=PROXIES),
    "proxy_nca, included": partial(proxy_nca_loss, proxies=PROXIES, positive_in_denominator=True, scale=3.0),
    "proxy_nca, any length": partial(proxy_nca_loss, proxies=PROXIES, normalise=False, scale=0.3),
    "arcface": partial(arcface_loss, weights=PROXIES, s=8.0),
    "arcface, wide": partial(arcface_loss, weights=PROXIES, s=4.0, m=1.5),
    "arcface, easy": partial(arcface_loss, weights=PROXIES, s=8.0, easy_margin=True),
    "cosface": partial(cosface_loss, weights=PROXIES, s=8.0),
    "margin": seeded_margin,
    "margin, nu": partial(seeded_margin, nu=0.1),
    "triplet": triplet_loss,
    "triplet, roots": partial(triplet_loss, squared=False, margin=0.5),
    "triplet, batch hard": partial(triplet_loss, mining="batch_hard", margin=0.3),
    "triplet, soft margin": partial(triplet_loss, mining="batch_hard", margin=None),
}
each_case = pytest.mark.parametrize("loss", CASES.values(), ids=CASES.keys())


def batch(seed: int = 0, per_class: int = 3) -> tuple[Tensor, Tensor]:
    """Embeddings of classes that overlap, and labels in no order."""
    generator = torch.Generator().manual_seed(seed)
    labels = torch.arange(CLASSES).repeat(per_class)
    centres = torch.randn(CLASSES, DIMENSIONS, generator=generator, dtype=torch.float64)
    embeddings = centres[labels] + torch.randn(len(labels), DIMENSIONS, generator=generator, dtype=torch.float64)
    order = torch.randperm(len(labels), generator=generator)
    return embeddings[order], labels[order]


def value_and_gradient(loss: Loss, embeddings: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    embeddings = embeddings.detach().clone().requires_grad_()
    value = loss(embeddings, labels)
    (gradient,) = torch.autograd.grad(value, embeddings)
    return value.detach(), gradient


@each_case
@pytest.mark.parametrize("seed", [0, 1])
def test_gradient_is_the_finite_difference(loss: Loss, seed: int) -> None:
    embeddings, labels = batch(seed)
    value, gradient = value_and_gradient(loss, embeddings, labels)
    assert value != 0
    assert gradient.abs().max() > 0
    assert torch.autograd.gradcheck(lambda x: loss(x, labels), embeddings.requires_grad_())


@pytest.mark.parametrize("block", [1, 8, 20])
def test_proxy_nca_in_blocks(block: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Blocks of 1, 2 and 5 of the 12 items."""
    embeddings, labels = batch()
    function = partial(proxy_nca_loss, embeddings, labels, normalise=False)
    expected = function(PROXIES)
    monkeypatch.setattr("visus.systems.metric_learning.losses.proxy_nca.BLOCK", block)
    torch.testing.assert_close(function(PROXIES), expected)
    assert torch.autograd.gradcheck(function, PROXIES.clone().requires_grad_())
    assert torch.autograd.gradcheck(lambda x: proxy_nca_loss(x, labels, PROXIES), embeddings.requires_grad_())


def test_proxies_and_boundaries_have_the_gradient_of_finite_differences() -> None:
    embeddings, labels = batch()
    for settings in ({}, {"positive_in_denominator": True, "scale": 3.0}, {"normalise": False, "scale": 0.3}):
        function = partial(proxy_nca_loss, embeddings, labels, **settings)
        assert torch.autograd.gradcheck(function, PROXIES.clone().requires_grad_())

    def boundaries(beta: Tensor) -> Tensor:
        torch.manual_seed(0)
        return margin_loss(embeddings, labels, beta, nu=0.3)

    assert torch.autograd.gradcheck(boundaries, torch.linspace(0.8, 1.4, 4, dtype=torch.float64).requires_grad_())
    assert torch.autograd.gradcheck(boundaries, torch.tensor(1.1, dtype=torch.float64, requires_grad=True))


@pytest.mark.parametrize("length", [1e-37, 1e-30, 1e-20, 1e-10, 1e20])
def test_the_gradient_of_proxy_nca_at_any_length(length: float) -> None:
    generator = torch.Generator().manual_seed(0)
    labels = torch.tensor([0, 1, 2, 2])
    points = unit_length(torch.randn(4, 8, generator=generator)) * length
    proxies = torch.randn(3, 8, generator=generator)
    found, expected = points.requires_grad_(), points.detach().double().requires_grad_()
    loss = proxy_nca_loss(found, labels, proxies)
    units = expected / expected.norm(dim=1, keepdim=True)
    distances = torch.cdist(units, torch.nn.functional.normalize(proxies.double(), dim=1)).square()
    own = distances.gather(1, labels[:, None])
    plain = (own[:, 0] + (-distances).scatter(1, labels[:, None], -torch.inf).logsumexp(1)).mean()
    assert loss.item() == pytest.approx(plain.item(), rel=1e-5)
    loss.backward()
    plain.backward()
    assert torch.allclose(found.grad.double() * length, expected.grad * length, atol=1e-5)


@pytest.mark.parametrize(
    "name", [name for name in CASES if not name.startswith(("proxy", "margin", "arcface", "cosface"))]
)
def test_names_of_classes_do_not_matter(name: str) -> None:
    embeddings, labels = batch()
    renamed = torch.tensor([40, 7, 900_000_000_000, -3])[labels]
    torch.testing.assert_close(CASES[name](embeddings, renamed), CASES[name](embeddings, labels))


def test_classes_may_change_names_with_their_parameters() -> None:
    embeddings, labels = batch()
    moved = torch.tensor([2, 0, 3, 1])
    proxies = torch.empty_like(PROXIES).index_copy_(0, moved, PROXIES)
    expected = proxy_nca_loss(embeddings, labels, PROXIES)
    torch.testing.assert_close(proxy_nca_loss(embeddings, moved[labels], proxies), expected)
    for loss in (arcface_loss, cosface_loss):
        torch.testing.assert_close(loss(embeddings, moved[labels], proxies), loss(embeddings, labels, PROXIES))
    beta = torch.linspace(0.9, 1.3, CLASSES, dtype=torch.float64)
    torch.manual_seed(3)
    found = margin_loss(embeddings, moved[labels], torch.empty_like(beta).index_copy_(0, moved, beta))
    torch.testing.assert_close(found, seeded_margin(embeddings, labels))


@each_case
def test_the_order_of_the_batch_does_not_matter(loss: Loss, request: pytest.FixtureRequest) -> None:
    embeddings, labels = batch(per_class=2)
    order = torch.randperm(len(labels), generator=torch.Generator().manual_seed(1))
    case = request.node.callspec.id
    if case.startswith("npairs"):  # the first of a class is the anchor: only whole classes may change places
        order = torch.cat([(labels == label).nonzero()[:, 0] for label in (2, 0, 3, 1)])
    if case.startswith("margin"):  # which negatives are drawn depends on the order, so leave one to draw from
        kept = torch.cat(((labels == 0).nonzero()[:, 0], (labels == 1).nonzero()[:1, 0]))
        embeddings, labels, order = embeddings[kept], labels[kept], torch.tensor([2, 0, 1])
    value, gradient = value_and_gradient(loss, embeddings, labels)
    shuffled, moved = value_and_gradient(loss, embeddings[order], labels[order])
    torch.testing.assert_close(shuffled, value)
    torch.testing.assert_close(moved, gradient[order])


def extremes() -> dict[str, tuple[Tensor, Tensor]]:
    embeddings, labels = batch()
    same, one = embeddings[:1].repeat(12, 1), torch.zeros(12, dtype=torch.int64)
    twins = embeddings[:6].repeat(2, 1)
    opposite = torch.cat((same[:6], -same[:6]))
    halves = torch.tensor([0, 1]).repeat_interleave(6)
    return {
        "all equal": (same, labels),
        "all zero": (torch.zeros_like(same), labels),
        "equal across classes": (twins, halves),
        "opposite": (opposite, labels),
        "opposite classes": (opposite, halves),
        "one class": (embeddings, one),
        "one class, all equal": (same, one),
        "one item of each class": (embeddings[:4], torch.arange(4)),
        "a single item": (embeddings[:1], labels[:1]),
        "two of one class": (embeddings[:2], one[:2]),
        "long": (embeddings * 1e4, labels),
        "tiny": (embeddings * 1e-15, labels),
        "one dimension": (embeddings[:, :1].repeat(1, DIMENSIONS) * torch.eye(DIMENSIONS)[0], labels),
        "far from the origin": (embeddings + 1e3, labels),
    }


EXTREMES = extremes()


@each_case
@pytest.mark.parametrize("name", EXTREMES)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_extreme_batches_stay_finite(loss: Loss, name: str, dtype: torch.dtype) -> None:
    embeddings, labels = EXTREMES[name]
    value, gradient = value_and_gradient(loss, embeddings.to(dtype), labels)
    assert value.isfinite()
    assert gradient.isfinite().all()


@pytest.mark.parametrize("name", ["lifted", "lifted, generalised", "clustering", "triplet", "triplet, batch hard"])
@pytest.mark.parametrize("kind", ["one class", "one item of each class", "a single item"])
def test_nothing_to_compare_is_zero_with_a_gradient(name: str, kind: str) -> None:
    value, gradient = value_and_gradient(CASES[name], *EXTREMES[kind])
    assert value == 0
    assert (gradient == 0).all()


def test_batches_of_one_kind_of_pairs_have_the_documented_values() -> None:
    embeddings, labels = EXTREMES["one class"]
    unit = torch.nn.functional.normalize(embeddings)
    squares = torch.pdist(unit).square()
    torch.testing.assert_close(contrastive_loss(embeddings, labels), squares.mean())
    alone = torch.arange(len(embeddings))
    torch.testing.assert_close(contrastive_loss(embeddings, alone), (1 - torch.pdist(unit)).relu().square().mean())
    near = (torch.pdist(unit) - 1.2 + 0.2).relu()
    found = margin_loss(embeddings, labels, torch.tensor(1.2))
    torch.testing.assert_close(found, near.sum() / (near > 0).sum())
    assert margin_loss(embeddings, alone, torch.tensor(1.2)) == 0
    penalty = 0.002 / 4 * (embeddings[0].square().sum() + embeddings[1].square().sum())
    torch.testing.assert_close(npairs_loss(embeddings, labels), penalty)
    value, gradient = value_and_gradient(npairs_loss, embeddings, alone)
    assert value == 0
    assert (gradient == 0).all()


@each_case
@pytest.mark.parametrize("bad", [torch.nan, torch.inf, -torch.inf])
def test_embeddings_that_are_not_finite_are_refused(loss: Loss, bad: float) -> None:
    embeddings, labels = batch()
    embeddings[2, 1] = bad
    with pytest.raises(ValueError, match=r"embeddings \[2\] are NaN or infinite"):
        loss(embeddings, labels)


@each_case
def test_labels_have_to_belong_to_the_embeddings(loss: Loss) -> None:
    embeddings, labels = batch()
    with pytest.raises(Exception, match=r"(?i)labels need the shape|type-check"):
        loss(embeddings, labels[:-1])


@each_case
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_agrees_with_float64(loss: Loss, dtype: torch.dtype) -> None:
    embeddings, labels = batch()
    half = embeddings.to(dtype)
    expected = value_and_gradient(loss, half.double(), labels)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        value = value_and_gradient(loss, half, labels)
    assert value[0].dtype == torch.float32
    assert value[1].dtype == dtype
    torch.testing.assert_close(value[0].double(), expected[0], rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(value[1].double(), expected[1], rtol=2e-2, atol=2e-3)


@each_case
def test_float32_agrees_with_float64(loss: Loss) -> None:
    embeddings, labels = batch()
    expected = value_and_gradient(loss, embeddings, labels)
    found = value_and_gradient(loss, embeddings.float(), labels)
    torch.testing.assert_close(found[0].double(), expected[0], rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(found[1].double(), expected[1], rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("name", LOSSES)
def test_modules_are_their_functions(name: str) -> None:
    functions = {"lifted_structure": lifted_structure_loss, "npairs": npairs_loss, "clustering": clustering_loss}
    functions |= {"contrastive": contrastive_loss, "triplet": triplet_loss, "circle": circle_loss}
    embeddings, labels = batch()
    embeddings = embeddings.float()
    if name == "proxy_nca":
        module = LOSSES[name](num_classes=CLASSES, embedding_dim=DIMENSIONS)
        expected = proxy_nca_loss(embeddings, labels, module.proxies)
    elif name in ("arcface", "cosface"):
        module = LOSSES[name](num_classes=CLASSES, embedding_dim=DIMENSIONS)
        expected = {"arcface": arcface_loss, "cosface": cosface_loss}[name](embeddings, labels, module.weights)
    elif name == "margin":
        module = LOSSES[name](num_classes=CLASSES)
        torch.manual_seed(0)
        expected = margin_loss(embeddings, labels, torch.full((CLASSES,), 1.2))
    else:
        module, expected = LOSSES[name](), functions[name](embeddings, labels)
    torch.manual_seed(0)
    value = module(embeddings.requires_grad_(), labels)
    torch.testing.assert_close(value, expected)
    value.backward()
    assert embeddings.grad is not None
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in module.parameters())


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (partial(contrastive_loss, power=3), "power is 1 or 2"),
        (partial(lifted_structure_loss, variant="x"), "generalised"),
        (partial(triplet_loss, mining="easy"), "semi_hard"),
        (partial(clustering_loss, nmi_average="x"), "geometric"),
    ],
)
def test_unknown_names_say_which_exist(call: Loss, words: str) -> None:
    with pytest.raises(Exception, match=f"(?i){words}|type-check"):
        call(*batch())


def test_options_that_nothing_reads_are_refused() -> None:
    with pytest.raises(ValueError, match="nu pulls at boundaries that learn"):
        MarginLoss(num_classes=3, learn_beta=False, nu=0.1)
    with pytest.raises(ValueError, match="divergence_margin is read by the divergence loss alone"):
        ABECriterion(divergence_weight=0.0, divergence_margin=1.0)
    for option in ("unit_weight", "hidden"):
        with pytest.raises(ValueError, match="read by the diversity loss alone"):
            build(ABIERCriterion, {"diversity": 0.0, option: 64}, what="the loss abier")


def test_labels_without_a_proxy_or_boundary_are_refused() -> None:
    embeddings, labels = batch()
    with pytest.raises(ValueError, match="labels go from 0 to 3, but there are 3 proxies"):
        proxy_nca_loss(embeddings, labels, PROXIES[:3])
    with pytest.raises(ValueError, match="labels go from 0 to 3, but there are 2 boundaries"):
        margin_loss(embeddings, labels, torch.ones(2))
    for loss in (arcface_loss, cosface_loss):
        with pytest.raises(ValueError, match="labels go from 0 to 3, but there are weights of 3 classes"):
            loss(embeddings, labels, PROXIES[:3])
        with pytest.raises(ValueError, match="at least 2"):
            loss(embeddings, labels * 0, PROXIES[:1])
    with pytest.raises(ValueError, match="an angle of 0 to pi"):
        arcface_loss(embeddings, labels, PROXIES, m=4.0)
    with pytest.raises(ValueError, match="at least 2"):
        proxy_nca_loss(embeddings, labels * 0, PROXIES[:1])


def test_length_matters_exactly_where_it_should() -> None:
    embeddings, labels = batch()
    for name in ("contrastive", "clustering", "proxy_nca", "margin", "triplet", "arcface", "cosface"):
        torch.testing.assert_close(CASES[name](embeddings * 3, labels), CASES[name](embeddings, labels))
    for name in ("lifted", "npairs", "triplet, batch hard"):
        assert not torch.isclose(CASES[name](embeddings * 3, labels), CASES[name](embeddings, labels))
