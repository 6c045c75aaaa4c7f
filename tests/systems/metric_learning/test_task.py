"""What trains embeddings: the loss that a recipe names, labels from targets, recall on unseen classes."""

from __future__ import annotations

import pytest
import torch
from tiny_networks import backbone, images, targets, transform
from torch import nn

from visus.catalog import build_task
from visus.metrics.retrieval import RetrievalMetric
from visus.systems.metric_learning import PROBLEM, ABECriterion, ABIERCriterion, HDCCriterion
from visus.systems.metric_learning.abe import ABE, Attention
from visus.systems.metric_learning.abier import ABIER
from visus.systems.metric_learning.backbones import SplitBackbone
from visus.systems.metric_learning.criterion import MetricLearningCriterion
from visus.systems.metric_learning.descriptor import Descriptor
from visus.systems.metric_learning.hdc import HDC, LastHead
from visus.systems.metric_learning.losses import LOSSES, ContrastiveLoss, ProxyNCALoss
from visus.systems.metric_learning.pooling import AveragePooling
from visus.training.recipe import Recipe, RecipeError
from visus.types import Batch, Schema

SCHEMA = Schema(categories=("ann", "bob", "cid"), category_ids=(0, 1, 2))
LABELS = (0, 0, 1, 1, 2, 2)


def descriptor() -> Descriptor:
    torch.manual_seed(0)
    return Descriptor(transform=transform(), backbone=backbone(), pooling=AveragePooling(), head=nn.Linear(8, 5))


def build_criterion(
    model: nn.Module, *, name: str = "descriptor_lite0", loss: str = "", options: dict[str, float] | None = None
) -> nn.Module:
    """The criterion of a recipe for the model called ``name``."""
    criterion = PROBLEM.criterion(model, Recipe(name="tiny", model=name, loss=loss, loss_options=options or {}), SCHEMA)
    assert isinstance(criterion, nn.Module)
    return criterion


@pytest.mark.parametrize("name", LOSSES)
def test_every_single_loss_trains_a_descriptor(name: str) -> None:
    model = descriptor()
    criterion = build_criterion(model, loss=name)
    losses = criterion(model(images()), targets(*LABELS))
    assert list(losses) == [name]
    losses[name].backward()
    assert model.head.weight.grad is not None
    assert all(p.grad is not None for p in criterion.parameters())


def test_the_criterion_is_the_loss_of_the_embeddings_and_labels() -> None:
    outputs = descriptor()(images())
    criterion = MetricLearningCriterion("contrastive", ContrastiveLoss(margin=0.7))
    expected = ContrastiveLoss(margin=0.7)(outputs.embeddings, torch.tensor(LABELS))
    torch.testing.assert_close(criterion(outputs, targets(*LABELS))["contrastive"], expected)


def test_losses_with_parameters_get_the_classes_and_the_dimensions() -> None:
    criterion = build_criterion(descriptor())
    assert isinstance(criterion, MetricLearningCriterion)
    assert isinstance(criterion.loss, ProxyNCALoss)
    assert criterion.loss.proxies.shape == (3, 5)


def test_ensembles_learn_by_their_own_losses() -> None:
    heads: list[nn.Module] = [LastHead(channels, 3) for channels in (4, 8, 8)]
    attention = Attention(nn.Identity(), width=8, channels=8, learners=2)
    cases: list[tuple[str, nn.Module, type[nn.Module]]] = [
        ("hdc_lite0", HDC(transform=transform(), backbone=backbone(), heads=heads), HDCCriterion),
        ("abier_lite0", ABIER(transform=transform(), backbone=backbone(), sizes=(2, 3, 4)), ABIERCriterion),
        (
            "abe2_lite0",
            ABE(transform=transform(), backbone=SplitBackbone(backbone(), 1), attention=attention),
            ABECriterion,
        ),
    ]
    for name, model, kind in cases:
        criterion = build_criterion(model, name=name)
        assert type(criterion) is kind
        losses = criterion(model(images()), targets(*LABELS))
        assert all(loss.isfinite() for loss in losses.values())
        with pytest.raises(RecipeError, match=f"no loss of {name} called 'margin'"):
            build_criterion(model, name=name, loss="margin")


def test_what_does_not_exist_is_refused_with_the_nearest() -> None:
    with pytest.raises(RecipeError, match=r"no loss of descriptor_lite0 called 'proxy_nka'; did you mean proxy_nca\?"):
        build_criterion(descriptor(), loss="proxy_nka")
    with pytest.raises(RecipeError, match=r"no option of the loss contrastive called 'margins'; did you mean margin\?"):
        build_criterion(descriptor(), loss="contrastive", options={"margins": 1.0})
    with pytest.raises(RecipeError, match="no loss of descriptor_lite0 called 'abe'"):
        build_criterion(descriptor(), loss="abe")


def test_validation_measures_recall_and_computes_no_loss() -> None:
    recipe = Recipe(name="tiny", model="descriptor_lite0", loss="contrastive", loss_options={"margin": 0.7})
    task = build_task(descriptor(), recipe, SCHEMA)
    assert isinstance(task.metric, RetrievalMetric)
    assert not task.val_losses
    assert task.criterion.loss.settings["margin"] == 0.7  # type: ignore[union-attr]
    batch = Batch(images(), targets(7, 7, 8, 8, 9, 9))  # classes beyond the schema: never learned
    task.eval()
    task.validation_step(batch, 0)
    measures = task.metric.compute()
    assert next(iter(measures)) == "R@1"
    assert all(0 <= value <= 1 for value in measures.values())
