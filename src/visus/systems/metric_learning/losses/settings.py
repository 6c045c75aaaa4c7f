"""A loss of embeddings and labels with its settings, as a module."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any, Concatenate, ParamSpec

from jaxtyping import Float, Int64
from torch import Tensor, nn

_Settings = ParamSpec("_Settings")


class LossOfEmbeddings(nn.Module):
    """A function with its settings, which has nothing to learn.

    Args:
        loss: of embeddings and labels.
        settings: its other arguments by name.
    """

    def __init__(self, loss: Callable[..., Tensor], settings: dict[str, Any]) -> None:
        super().__init__()
        self.loss, self.settings = loss, settings

    def forward(self, embeddings: Float[Tensor, "n d"], labels: Int64[Tensor, " n"]) -> Float[Tensor, ""]:
        """The loss of a batch."""
        return self.loss(embeddings, labels, **self.settings)


def with_settings(loss: Callable[Concatenate[Tensor, Tensor, _Settings], Tensor]) -> Callable[_Settings, nn.Module]:
    """Makes modules of a loss from its settings; signature and documentation are those of the function.

    Args:
        loss: of embeddings, labels, and settings by name.
    """
    signature = inspect.signature(loss)
    parameters = list(signature.parameters.values())[2:]
    signature = signature.replace(parameters=parameters, return_annotation=LossOfEmbeddings)

    def module(*given: _Settings.args, **settings: _Settings.kwargs) -> nn.Module:
        signature.bind(*given, **settings)  # refuses what the loss does not know before it is called
        return LossOfEmbeddings(loss, settings)

    functools.update_wrapper(module, loss)
    module.__annotations__ = {one.name: one.annotation for one in parameters}
    module.__signature__ = signature  # type: ignore[attr-defined]
    return module
