"""A running average of the weights, which often measures better than the weights themselves.

Polyak averaging (Polyak and Juditsky, 1992) with an exponential window. The average is kept in float32 whatever the
model's own type: at a decay of 0.9998 an update is below bfloat16's resolution.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn


class Ema:
    """Running average of a model's floating parameters and buffers.

    The decay starts low and rises with the updates, ``min(decay, (1 + t) / (10 + t))``, so that the random weights of
    the start leave the average quickly.

    Args:
        model: the model to follow; its present weights are the first average.
        decay: decay of the average an update, below 1.
    """

    def __init__(self, model: nn.Module, decay: float) -> None:
        self.decay = decay
        self.updates = 0
        self.average = {
            name: value.detach().clone().float()
            for name, value in model.state_dict().items()
            if value.is_floating_point()
        }

    @torch.no_grad()
    def update(self, model: nn.Module) -> None:
        """Moves the average towards the model's weights; call once an optimiser step."""
        self.updates += 1
        decay = min(self.decay, (1 + self.updates) / (10 + self.updates))
        state = model.state_dict()
        weights = [state[name].float() for name in self.average]
        torch._foreach_lerp_(list(self.average.values()), weights, 1 - decay)

    @contextmanager
    def applied(self, model: nn.Module) -> Iterator[None]:
        """The model with the averaged weights, inside a ``with``."""
        self.swap(model)
        try:
            yield
        finally:
            self.swap(model)

    @torch.no_grad()
    def swap(self, model: nn.Module) -> None:
        """Exchanges the model's weights with the average, in place."""
        state = model.state_dict()
        for name, average in self.average.items():
            kept = state[name].clone()
            state[name].copy_(average)
            average.copy_(kept)

    def state_dict(self) -> dict[str, object]:
        """The average and the number of updates."""
        return {"updates": self.updates, "average": self.average}

    def load_state_dict(self, state: dict[str, object]) -> None:
        """Takes up where ``state_dict`` left."""
        updates, average = state["updates"], state["average"]
        assert isinstance(updates, int)
        assert isinstance(average, dict)
        self.updates = updates
        for name, value in self.average.items():
            saved: Tensor = average[name]
            value.copy_(saved)
