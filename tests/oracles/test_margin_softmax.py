"""ArcFace and CosFace: by hand, the analytic gradient against the straight-through one, and a second library."""

from __future__ import annotations

import math

import pytest
import torch
from pytorch_metric_learning import losses as peer
from torch import Tensor

from visus.systems.metric_learning.losses import arcface_loss, cosface_loss


def at(angle: float) -> Tensor:
    """One embedding at an angle to the first of two weights."""
    return torch.tensor([[math.cos(angle), math.sin(angle)]], dtype=torch.float64)


WEIGHTS = torch.tensor([[1.0, 0.0], [0.0, 1.0]], dtype=torch.float64)
OWN = torch.tensor([0])


@pytest.mark.parametrize("angle", [0.3, 1.2, 2.5, 2.8, 3.1])
@pytest.mark.parametrize("easy", [False, True])
def test_arcface_by_hand(angle: float, easy: bool) -> None:
    """On both sides of pi / 2 and of pi - m."""
    m, s = 0.5, 3.0
    if easy:
        own = math.cos(angle + m) if angle < math.pi / 2 else math.cos(angle)
    else:
        own = math.cos(angle + m) if angle <= math.pi - m else math.cos(angle) - m * math.sin(m)
    expected = math.log(1 + math.exp(s * (math.sin(angle) - own)))
    value = arcface_loss(5 * at(angle), OWN, WEIGHTS, m=m, s=s, easy_margin=easy)
    assert value.item() == pytest.approx(expected)


def test_cosface_by_hand() -> None:
    expected = math.log(1 + math.exp(3 * (math.sin(0.7) - math.cos(0.7) + 0.35)))
    assert cosface_loss(at(0.7), OWN, WEIGHTS, s=3.0).item() == pytest.approx(expected)


def test_without_a_margin_both_are_one_softmax() -> None:
    embeddings, labels = torch.randn(6, 4).double(), torch.tensor([0, 1, 2, 0, 1, 2])
    weights = torch.randn(3, 4).double()
    expected = cosface_loss(embeddings, labels, weights, m=0.0)
    torch.testing.assert_close(arcface_loss(embeddings, labels, weights, m=0.0), expected)


@pytest.mark.parametrize("angle", [0.2, 0.9, 1.5, 2.4])
def test_the_gradient_in_the_angle_is_the_analytic_one(angle: float) -> None:
    """dL / dt = s (1 - p) (sin(t + m) + cos t); the straight-through one has sin t in place of sin(t + m)."""
    m, s = 0.5, 3.0
    t = torch.tensor(angle, dtype=torch.float64, requires_grad=True)
    embedding = torch.stack([t.cos(), t.sin()])[None]
    (gradient,) = torch.autograd.grad(arcface_loss(embedding, OWN, WEIGHTS, m=m, s=s), t)
    p = 1 / (1 + math.exp(s * (math.sin(angle) - math.cos(angle + m))))
    analytic = s * (1 - p) * (math.sin(angle + m) + math.cos(angle))
    through = s * (1 - p) * (math.sin(angle) + math.cos(angle))
    assert gradient.item() == pytest.approx(analytic)
    assert abs(through - analytic) > 1e-3


@pytest.mark.parametrize("spread", [0.2, 3.0])
def test_as_pytorch_metric_learning(spread: float) -> None:
    """Value and gradients, of tight and of scattered classes (some angles beyond pi - m)."""
    generator = torch.Generator().manual_seed(2)
    weights, labels = torch.randn(5, 8, generator=generator), torch.arange(5).repeat(6)
    embeddings = -weights[labels] * (spread > 1) + spread * torch.randn(30, 8, generator=generator)
    for ours, theirs in (
        (
            lambda x, w: arcface_loss(x, labels, w, m=0.5, s=16.0),
            peer.ArcFaceLoss(5, 8, margin=math.degrees(0.5), scale=16),
        ),
        (lambda x, w: cosface_loss(x, labels, w, m=0.35, s=16.0), peer.CosFaceLoss(5, 8, margin=0.35, scale=16)),
    ):
        theirs.W.data = weights.T.clone()
        x, w, y = (
            embeddings.clone().requires_grad_(),
            weights.clone().requires_grad_(),
            embeddings.clone().requires_grad_(),
        )
        value, expected = ours(x, w), theirs(y, labels)
        torch.testing.assert_close(value, expected, rtol=1e-4, atol=1e-5)
        value.backward()
        expected.backward()
        torch.testing.assert_close(x.grad, y.grad, rtol=1e-3, atol=1e-4)
        torch.testing.assert_close(w.grad, theirs.W.grad.T, rtol=1e-3, atol=1e-4)


def test_an_embedding_on_its_weight_has_a_finite_gradient() -> None:
    for dtype in (torch.float32, torch.float64):
        x = WEIGHTS.to(dtype).clone().requires_grad_()
        arcface_loss(x, torch.tensor([0, 1]), WEIGHTS.to(dtype)).backward()
        assert x.grad is not None
        assert bool(x.grad.isfinite().all())
