"""The small problem with two optimisers: a finder whose boxes shall pass a critic."""

from __future__ import annotations

from types import SimpleNamespace

import torch
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits

from visus.training.optim import build_optimizer
from visus.training.recipe import OptimRecipe, Recipe
from visus.training.update import Round, frozen


class FinderWithCritic(nn.Module):
    """The finder, and a critic that tells found boxes from annotated ones; only training uses it."""

    channels_last = adapts = False

    def __init__(self, finder: nn.Module) -> None:
        super().__init__()
        self.finder, self.critic = finder, nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 1))
        self.transform, self.postprocess = finder.transform, finder.postprocess

    def forward(self, images: object, targets: object = None) -> object:
        return self.finder(images, targets)


class Adversaries:
    """Rounds in which first the critic learns, then the finder.

    Args:
        model: the two.
        squares: the small problem.
        recipe: of both optimisers.
    """

    def __init__(self, model: FinderWithCritic, squares: SimpleNamespace, recipe: OptimRecipe) -> None:
        self.model, self.squares, self.recipe = model, squares, recipe
        self.made: list[torch.optim.Optimizer] = []

    def optimizers(self) -> list[torch.optim.Optimizer]:
        self.made = [build_optimizer(network, self.recipe) for network in (self.model.finder, self.model.critic)]
        return self.made

    def round(self, step: Round) -> None:
        critic, targets = self.model.critic, step.batch.targets
        real = torch.cat([target.boxes_xyxy for target in targets]) / 32
        with frozen(self.model.finder):
            found = self.model(step.batch.inputs).boxes
            step.backward({"critic": judged(critic, real, True) + judged(critic, found, False)})
        step.descend(self.made[1])
        with frozen(critic):
            outputs = self.model(step.batch.inputs)
            losses = self.squares.criterion(outputs, targets)
            step.backward({**losses, "fooled": judged(critic, outputs.boxes, True)})
        step.descend(self.made[0])


def judged(critic: nn.Module, values: Tensor, real: bool) -> Tensor:
    """How far a critic is from taking ``values`` for real ones, or for others."""
    logits = critic(values)
    return binary_cross_entropy_with_logits(logits, torch.full_like(logits, float(real)))


def make_adversarial_task(squares: SimpleNamespace, recipe: Recipe, **finder: object):
    """What trains both networks."""
    from visus.training.task import Task

    torch.manual_seed(0)
    model = FinderWithCritic(squares.finder(**finder))
    update = Adversaries(model, squares, recipe.optim)
    return Task(model=model, criterion=squares.criterion, metric=squares.metric(), recipe=recipe, update=update)
