"""A classifier on any backbone: the average of its last maps, and one linear layer (arXiv 1312.4400, section 3.2)."""

from __future__ import annotations

from collections.abc import Sequence

from jaxtyping import Float
from torch import Tensor, nn

from visus.nn.backbones import Backbone


class PooledNetwork(nn.Module):
    """A `visus.nn.backbones.Network` of a backbone.

    Args:
        body: the backbone.
        num_classes: outputs.
    """

    def __init__(self, body: Backbone, num_classes: int) -> None:
        super().__init__()
        self.features = body
        self.fc = nn.Linear(body.channels[-1], num_classes)

    @property
    def body(self) -> Backbone:
        """The backbone."""
        return self.features

    def forward(self, pixels: Float[Tensor, "b 3 h w"]) -> Float[Tensor, "b k"]:
        """The logits of normalised images."""
        return self.classify(self.features.stages(pixels))

    def classify(self, maps: Sequence[Float[Tensor, "b _ _ _"]]) -> Float[Tensor, "b k"]:
        """The logits, from the last maps of the body."""
        return self.fc(maps[-1].mean((2, 3)))  # type: ignore[no-any-return]
