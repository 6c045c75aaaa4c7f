"""A-BIER: the deviance, the boosting, the reversed gradient, and what the regularisation may move."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch
from tiny_networks import backbone, idle, images, targets, transform
from torch.nn import functional as F

from visus.systems.metric_learning import PROBLEM
from visus.systems.metric_learning.abier import (
    ABIER,
    ABIERCriterion,
    boosted_deviance,
    boosting_weights,
    pair_scores,
    reverse_gradient,
    weighted_row,
)
from visus.types import ImageBatch

SIZES = (2, 3, 5)
LABELS = (0, 0, 1, 1, 2, 2)


def tiny() -> ABIER:
    torch.manual_seed(0)
    return ABIER(transform=transform(), backbone=backbone(), sizes=SIZES)


def unit_parts(count: int = 5) -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(1)
    return [F.normalize(torch.randn(count, d, dtype=torch.float64, generator=generator), dim=1) for d in SIZES]


def test_the_deviance_has_the_closed_form_values() -> None:
    cosines = torch.tensor([1.0, 0.5, 0.0, -1.0], dtype=torch.float64)
    positive = F.softplus(-pair_scores(cosines, torch.ones(4, dtype=torch.bool)))
    negative = F.softplus(-pair_scores(cosines, torch.zeros(4, dtype=torch.bool)))
    expected = torch.tensor([0.313262, 0.693147, 1.313262, 3.048587], dtype=torch.float64)
    torch.testing.assert_close(positive, expected, rtol=0, atol=1e-6)
    torch.testing.assert_close(negative[:2], torch.tensor([25.0, 0.693147]).double(), rtol=0, atol=1e-6)
    assert negative[2] < 1e-10
    assert negative[3] < 1e-30


def test_weights_lie_in_zero_to_one_fall_with_the_score_and_stop_the_gradient() -> None:
    scores = torch.linspace(-30, 30, 13, dtype=torch.float64, requires_grad=True)
    weights = boosting_weights(scores)
    assert not weights.requires_grad
    assert ((weights > 0) & (weights <= 1)).all()
    assert (weights.diff() < 0).all()
    slope = torch.autograd.grad(F.softplus(-scores).sum(), scores)[0]
    torch.testing.assert_close(weights, -slope)


def test_similarity_of_rows_weighs_cosines_by_squared_shares() -> None:
    parts = unit_parts()
    row = weighted_row(parts)
    expected = sum((part.shape[1] / 10) ** 2 * (part @ part.T) for part in parts)
    torch.testing.assert_close(row @ row.T, expected)
    torch.testing.assert_close(row.norm(dim=1), torch.full((5,), math.sqrt(0.04 + 0.09 + 0.25)).double())


@pytest.mark.parametrize("boosting", ["online", "shrinkage"])
def test_the_boosted_loss_is_the_double_sum_of_the_definition(boosting: str) -> None:
    parts, labels = unit_parts(), (0, 0, 1, 1, 1)
    same = torch.tensor(labels)[:, None] == torch.tensor(labels)
    loss = boosted_deviance(parts, same, boosting=boosting)  # type: ignore[arg-type]
    total, pull, push = 0.0, 2 + 6, 12
    for i in range(5):
        for j in range(5):
            if i == j:
                continue
            positive = labels[i] == labels[j]
            running, weight = (0.0 if boosting == "online" else 0.5), 1.0
            for m, part in enumerate(parts, 1):
                score = 2 * (float(part[i] @ part[j]) - 0.5) * (1 if positive else -25)
                total += weight * math.log1p(math.exp(-score)) / (pull if positive else push) / 3
                if boosting == "online":
                    running = (1 - 2 / (m + 1)) * running + 2 / (m + 1) * score
                else:
                    running += 0.06 * score
                weight = 1 / (1 + math.exp(running))
                weight *= 1 if positive or boosting == "online" else 2
    assert float(loss) == pytest.approx(total, rel=1e-9)


def test_a_learner_does_not_move_the_ones_after_it_by_their_weights() -> None:
    parts = [part.requires_grad_() for part in unit_parts()]
    same = torch.eye(5, dtype=torch.bool)
    same[0, 1] = same[1, 0] = True
    first = torch.autograd.grad(boosted_deviance(parts, same), parts[0])[0]
    alone = torch.autograd.grad(boosted_deviance(parts[:1], same), parts[0])[0]
    torch.testing.assert_close(first, alone / 3)


def test_gradients_are_exact_for_the_first_learner() -> None:
    # Those after it have weights that are constants to autograd but not to finite differences in the first.
    parts = unit_parts()
    same = torch.eye(5, dtype=torch.bool)
    same[0, 1] = same[1, 0] = same[2, 3] = same[3, 2] = True
    last = parts[-1].requires_grad_()
    assert torch.autograd.gradcheck(lambda x: boosted_deviance([*parts[:-1], x], same), (last,))


def test_reversing_keeps_values_and_turns_gradients() -> None:
    x = torch.tensor([1.5, -0.1, 3e8], requires_grad=True)
    y = reverse_gradient(x)
    assert torch.equal(y, x)
    (y * torch.tensor([2.0, 3.0, 4.0])).sum().backward()
    assert x.grad is not None
    assert x.grad.tolist() == [-2.0, -3.0, -4.0]


def test_the_regularisation_moves_matrices_and_regressors_only_against_each_other() -> None:
    model, criterion = tiny(), ABIERCriterion(sizes=SIZES, hidden=7, unit_weight=0.0, diversity=1.0)
    with torch.no_grad():
        for regressor in criterion.regressors:
            regressor[2].bias.fill_(0.3)  # type: ignore[index, union-attr, operator]
    outputs = model(images())
    criterion(outputs, targets(*LABELS))["adversary"].backward()
    assert all(p.grad is None for p in model.backbone.parameters())
    assert all(learner.bias.grad is None for learner in model.embedding)
    before = float(criterion(outputs, targets(*LABELS))["adversary"].detach())
    for module, better in ((criterion, before), (model, None)):
        saved = [p.detach().clone() for p in module.parameters()]
        with torch.no_grad():
            for p in module.parameters():
                p -= 1e-3 * (p.grad if p.grad is not None else 0)
            after = float(criterion(model(images()), targets(*LABELS))["adversary"])
            for p, old in zip(module.parameters(), saved, strict=True):
                p.copy_(old)
        # Regressors descend it, matrices climb.
        assert after < before if better is not None else after > before


def test_rows_start_at_unit_length_and_the_penalty_holds_them_there() -> None:
    model, criterion = tiny(), ABIERCriterion(sizes=SIZES, hidden=7)
    outputs = model(images())
    assert float(criterion(outputs, targets(*LABELS))["unit"].detach()) == pytest.approx(0, abs=1e-6)
    longer = replace(outputs, matrices=[2**0.5 * matrix for matrix in outputs.matrices])
    found = float(criterion(longer, targets(*LABELS))["unit"].detach())
    assert found == pytest.approx(5e-5 * 1e5 * 3, rel=1e-4)


def test_every_parameter_learns() -> None:
    model, criterion = tiny(), ABIERCriterion(sizes=SIZES, hidden=7)
    torch.stack(list(criterion(model(images()), targets(*LABELS)).values())).sum().backward()
    assert not idle(model)
    assert not idle(criterion)


@pytest.mark.parametrize("labels", [(0, 0, 0, 0, 0, 0), (0, 1, 2, 3, 4, 5)])
def test_batches_of_one_class_or_without_pairs_of_one_give_finite_losses(labels: tuple[int, ...]) -> None:
    model = tiny()
    losses = ABIERCriterion(sizes=SIZES, hidden=7)(model(images()), targets(*labels))
    torch.stack(list(losses.values())).sum().backward()
    assert not idle(model)


@pytest.mark.parametrize("name", ["abier_lite0", "abier_googlenet"])
def test_the_published_dimensions(name: str) -> None:
    model = PROBLEM.models[name](size=64, pretrained=False).eval()
    with torch.no_grad():
        outputs = model(ImageBatch(torch.rand(1, 3, 64, 64), torch.full((1, 2), 64)))
    assert [part.shape[1] for part in outputs.parts] == [96, 160, 256]
    assert outputs.embeddings.shape == (1, 512)


def test_an_unknown_boosting_is_refused() -> None:
    with pytest.raises((ValueError, TypeError), match="boosting"):
        ABIERCriterion(boosting="gradient")  # type: ignore[arg-type]
