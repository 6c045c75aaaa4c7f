"""Model-agnostic meta-learning (Finn, Abbeel, Levine, arXiv 1703.03400): weights from which a few steps learn a task.

Inner steps of gradient descent on the labelled images, then the loss of the queries; the outer loop descends on that
loss through the inner steps (second order), or takes their gradients as constants (first order, section 5.2). The norms
use the statistics of the images that they see together, so that the published numbers are transductive.
"""

from __future__ import annotations

from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor

from visus.systems.meta_learning.adapting import AdaptingLearner, PickedLoss
from visus.systems.meta_learning.inner_loop import Weights, gradient_steps
from visus.systems.meta_learning.task_network import TaskNetwork
from visus.systems.meta_learning.transform import EpisodeTransform


@dataclass(frozen=True, kw_only=True)
class GradientLoop:
    """MAML's inner loop.

    Args:
        steps: of training.
        test_steps: of evaluation.
        lr: the inner learning rate.
        first_order: take the gradients of inner steps as constants.
    """

    steps: int
    test_steps: int
    lr: float
    first_order: bool

    def __call__(
        self, weights: Weights, loss_of: PickedLoss, images: int, *, training: bool
    ) -> dict[str, Float[Tensor, "t ..."]]:
        """The weights of each episode, after steps on all of its labelled images."""
        count = self.steps if training else self.test_steps
        constant = self.first_order or not training  # nothing flows back in evaluation
        return gradient_steps(weights, loss_of(), steps=count, lr=self.lr, first_order=constant)


def maml_conv4(
    *,
    n_way: int = 5,
    channels: int = 1,
    size: int = 28,
    width: int = 64,
    inner_steps: int = 1,
    test_steps: int = 10,
    inner_lr: float = 0.4,
    order: int = 2,
) -> AdaptingLearner:
    """MAML on four convolutions of stride 2, transductive as published; the settings are those of Omniglot, 5-way.

    Args:
        n_way: classes of a task.
        channels: 1 for grey images, 3 for colours.
        size: pixels of a side.
        width: channels of each layer.
        inner_steps: of training.
        test_steps: of evaluation.
        inner_lr: the inner learning rate.
        order: 2, or 1 for the first-order approximation.
    """
    if order not in (1, 2):
        raise ValueError(f"order must be 1 or 2, not {order}")
    network = TaskNetwork(channels=channels, size=size, width=width, n_way=n_way, averaged=True)
    inner = GradientLoop(steps=inner_steps, test_steps=test_steps, lr=inner_lr, first_order=order == 1)
    transform = EpisodeTransform(size=size, channels=channels)
    return AdaptingLearner(transform=transform, network=network, inner=inner, transductive=True)
