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

    def __init__(self, loss: Callable[..., Float[Tensor, ""]], settings: dict[str, Any]) -> None:
        super().__init__()
        self.loss, self.settings = loss, settings

    def forward(self, embeddings: Float[Tensor, "n d"], labels: Int64[Tensor, " n"]) -> Float[Tensor, ""]:
        """The loss of a batch."""
        return self.loss(embeddings, labels, **self.settings)


def with_settings(
    loss: Callable[Concatenate[Float[Tensor, "n d"], Int64[Tensor, " n"], _Settings], Float[Tensor, ""]],
) -> Callable[_Settings, nn.Module]:
    """Makes modules of a loss from its settings; signature and documentation are those of the function.

    Args:
        loss: of embeddings, labels, and settings by name.
    """
    _, _, *parameters = inspect.signature(loss).parameters.values()
    signature = inspect.Signature(parameters, return_annotation=LossOfEmbeddings)

    def module(*given: _Settings.args, **settings: _Settings.kwargs) -> nn.Module:
        if given or settings.keys() - signature.parameters.keys():
            raise TypeError(f"{loss.__name__} takes by name {', '.join(signature.parameters)}")
        return LossOfEmbeddings(loss, settings)

    functools.update_wrapper(module, loss)
    module.__annotations__ = {one.name: one.annotation for one in parameters}
    module.__signature__ = signature  # type: ignore[attr-defined]
    return module
