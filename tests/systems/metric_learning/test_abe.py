"""ABE: the divergence, the masks, and learners folded into the batch."""

from __future__ import annotations

import pytest
import torch
from tiny_networks import backbone, idle, images, targets, transform
from torch import nn
from torch.nn import functional as F

from visus.systems.metric_learning import PROBLEM
from visus.systems.metric_learning.abe import ABE, ABECriterion, Attention, divergence_loss
from visus.systems.metric_learning.backbones import SplitBackbone
from visus.types import ImageBatch

LABELS = (0, 0, 1, 1, 2, 2)


def tiny(learners: int = 3) -> ABE:
    torch.manual_seed(0)
    attention = Attention(nn.Conv2d(8, 5, 1), width=5, channels=8, learners=learners)
    return ABE(
        transform=transform(), backbone=SplitBackbone(backbone(), 1), attention=attention, embedding_dim=4 * learners
    )


@pytest.mark.parametrize(("cosine", "expected"), [(1.0, 1.0), (0.5, 0.0), (0.75, 0.5), (0.0, 0.0)])
def test_the_divergence_of_two_learners_ends_at_sixty_degrees(cosine: float, expected: float) -> None:
    one = torch.tensor([[1.0, 0.0]])
    other = torch.tensor([[cosine, (1 - cosine**2) ** 0.5]])
    assert float(divergence_loss(torch.stack([one, other]))) == pytest.approx(expected, abs=1e-6)


def test_the_divergence_sums_over_pairs_of_learners_and_averages_over_images() -> None:
    one = F.normalize(torch.ones(5, 4), dim=1)
    assert float(divergence_loss(torch.stack([one] * 4))) == pytest.approx(6.0, abs=1e-5)


def test_each_learner_sees_the_features_through_its_own_mask() -> None:
    torch.manual_seed(0)
    attention = Attention(nn.Conv2d(4, 5, 1), width=5, channels=4, learners=3)
    features = torch.randn(2, 4, 3, 6)
    seen = attention(features)
    assert seen.is_contiguous(memory_format=torch.channels_last)
    masks = torch.sigmoid(attention.masks(attention.trunk(features)))
    for image in range(2):
        for learner in range(3):
            expected = masks[image, 4 * learner : 4 * learner + 4] * features[image]
            torch.testing.assert_close(seen[3 * image + learner], expected)


def test_one_pass_gives_what_a_pass_for_each_learner_gives() -> None:
    model = tiny().eval()
    outputs = model(images())
    shared = model.backbone.lower(model.transform(images()))
    masks = torch.sigmoid(model.attention.masks(model.attention.trunk(shared))).chunk(3, 1)
    for mask, part in zip(masks, outputs.parts, strict=True):
        alone = model.head(model.backbone.upper(mask * shared).mean((2, 3)))
        torch.testing.assert_close(part, F.normalize(alone, dim=1))
    torch.testing.assert_close(outputs.embeddings, torch.cat(outputs.parts, 1))


def test_the_loss_is_the_contrastive_one_of_each_learner() -> None:
    outputs = tiny()(images())
    losses = ABECriterion(divergence_weight=0.5)(outputs, targets(*LABELS))
    total = 0.0
    for part in outputs.parts:
        for i in range(6):
            for j in range(i + 1, 6):
                squared = float((part[i] - part[j]).detach().square().sum())
                total += (squared if LABELS[i] == LABELS[j] else max(0.0, 1 - squared)) / 15
    assert float(losses["metric"].detach()) == pytest.approx(total, rel=1e-4)
    diverging = divergence_loss(torch.stack(outputs.parts)).detach()
    torch.testing.assert_close(losses["divergence"].detach(), 0.5 * diverging)


def test_gradients_of_the_divergence_are_exact() -> None:
    parts = torch.randn(3, 2, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(0), requires_grad=True)
    assert float(divergence_loss(F.normalize(parts, dim=2), 2.5).detach()) > 0
    assert torch.autograd.gradcheck(lambda x: divergence_loss(F.normalize(x, dim=2), 2.5), (parts,))


@pytest.mark.parametrize("average", ["pairs", "kinds", "nonzero"])
def test_every_parameter_learns(average: str) -> None:
    model = tiny()
    losses = ABECriterion(average=average)(model(images()), targets(*LABELS))  # type: ignore[arg-type]
    torch.stack(list(losses.values())).sum().backward()
    assert not idle(model)


@pytest.mark.parametrize("labels", [(0, 0, 0, 0, 0, 0), (0, 1, 2, 3, 4, 5)])
def test_batches_of_one_class_or_without_pairs_of_one_give_finite_losses(labels: tuple[int, ...]) -> None:
    model = tiny()
    torch.stack(list(ABECriterion()(model(images()), targets(*labels)).values())).sum().backward()
    assert not idle(model)


@pytest.mark.parametrize(("name", "learners"), [("abe2_lite0", 2), ("abe4_lite0", 4), ("abe8_lite0", 8)])
def test_learners_share_512_dimensions_and_attention_starts_from_the_body(name: str, learners: int) -> None:
    model = PROBLEM.models[name](size=64)
    outputs = model(ImageBatch(torch.rand(2, 3, 64, 64), torch.full((2, 2), 64)))
    assert [part.shape for part in outputs.parts] == [(2, 512 // learners)] * learners
    state = model.state_dict()
    copied, source = "attention.trunk.1.project.conv.weight", "backbone.body.blocks.10.project.conv.weight"
    assert torch.equal(state[copied], state[source])
    assert model.attention.trunk[1].project.conv.weight.requires_grad


def test_the_paper_s_network_is_cut_behind_the_third_pooling() -> None:
    model = PROBLEM.models["abe8_googlenet"](size=64).eval()
    with torch.no_grad():
        lower = model.backbone.lower(torch.rand(1, 3, 224, 224))
        outputs = model(ImageBatch(torch.rand(1, 3, 64, 64), torch.full((1, 2), 64)))
    assert lower.shape == (1, 480, 14, 14)
    assert model.attention.masks.in_channels == 832
    assert outputs.embeddings.shape == (1, 512)


def test_options_that_make_no_sense_are_refused() -> None:
    with pytest.raises(ValueError, match="at least 2 learners, not 1"):
        Attention(nn.Identity(), width=8, channels=8, learners=1)
    attention, split = Attention(nn.Identity(), width=8, channels=8, learners=2), SplitBackbone(backbone(), 1)
    with pytest.raises(ValueError, match="multiple of 2, not 9"):
        ABE(transform=transform(), backbone=split, attention=attention, embedding_dim=9)
