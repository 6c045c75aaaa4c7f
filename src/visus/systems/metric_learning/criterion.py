"""The loss that a network of this room learns by: its own for an ensemble, any of the single ones for a descriptor."""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from visus.systems.metric_learning import LOSSES
from visus.systems.metric_learning.abe import ABE
from visus.systems.metric_learning.abier import ABIER
from visus.systems.metric_learning.hdc import HDC
from visus.systems.metric_learning.outputs import EmbeddingOutputs
from visus.types import ClassTarget, Schema

ENSEMBLES: dict[type[nn.Module], str] = {HDC: "hdc", ABIER: "abier", ABE: "abe"}
"""The networks that learn by a loss of their own."""

USUAL = "proxy_nca"
"""The loss of a descriptor where the recipe names none: it needs no particular batches."""


class MetricLearningCriterion(nn.Module):
    """A loss of embeddings and labels, as a criterion of outputs and targets.

    Args:
        name: what the loss is called in logs.
        loss: ``loss(embeddings, labels)`` gives a scalar.
    """

    def __init__(self, name: str, loss: nn.Module) -> None:
        super().__init__()
        self.name, self.loss = name, loss

    def forward(self, outputs: EmbeddingOutputs, targets: Sequence[ClassTarget]) -> dict[str, Tensor]:
        """The loss of a batch."""
        labels = torch.stack([target.label for target in targets])
        return {self.name: self.loss(outputs.embeddings, labels)}


def build_criterion(
    model: nn.Module, schema: Schema, *, loss: str = "", options: Mapping[str, Any] | None = None
) -> nn.Module:
    """The criterion by which ``model`` learns; its parameters, if any, learn with it.

    Args:
        model: a network of this room. Ensembles have a loss of their own.
        schema: the classes that are learned, for losses that know every one of them, such as those with proxies.
        loss: a key of `LOSSES`; empty for the ensemble's own, or Proxy-NCA.
        options: further arguments of the loss.

    Raises:
        ValueError: the loss or an option does not exist, or the loss is not one for this network.
    """
    own = next((name for kind, name in ENSEMBLES.items() if isinstance(model, kind)), None)
    name = loss or own or USUAL
    if name not in LOSSES:
        _refuse(name, sorted(LOSSES), "loss")
    if (own or name in ENSEMBLES.values()) and own != name:
        wanted = f"learns by {own!r}" if own else "is no such ensemble"
        raise ValueError(f"this {type(model).__name__} {wanted}: it cannot learn by the loss {name!r}")
    known = inspect.signature(LOSSES[name]).parameters
    chosen = dict(options or {})
    for option in chosen:
        if option not in known:
            _refuse(option, sorted(known), f"option of {name}")
    facts = {
        "num_classes": schema.num_classes,
        "embedding_dim": getattr(model, "embedding_dim", None),
        "sizes": getattr(model, "sizes", None),
    }
    given: dict[str, Any] = {key: value for key, value in facts.items() if key in known and value is not None}
    built = LOSSES[name](**(given | chosen))
    return built if own else MetricLearningCriterion(name, built)


def _refuse(name: str, known: Sequence[str], kind: str) -> None:
    near = difflib.get_close_matches(name, known, n=1)
    hint = f" Did you mean {near[0]}?" if near else ""
    raise ValueError(f"there is no {kind} called {name!r}.{hint} There are: {', '.join(known)}")
