"""A network that is one row of named layers, read at some of them, and a classifier: GoogLeNet and its kin."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from jaxtyping import Float
from torch import Tensor, nn

from visus.nn.backbones.interface import Backbone


class NamedLayer(NamedTuple):
    """A layer, and the channels and the stride behind it."""

    layer: nn.Module
    channels: int
    stride: int


class NamedBody(Backbone):
    """A row of layers under their names, and a classifier ``fc`` of the average features.

    Args:
        row: the layers.
        taps: the names of the layers whose outputs are the stages; the last one is the last of the row.

    Raises:
        ValueError: a tap is the name of no layer, or the taps are not in the order of the row.
    """

    fc: nn.Module

    def __init__(self, row: Mapping[str, NamedLayer], *, taps: Sequence[str]) -> None:
        super().__init__()
        names = list(row)
        if [name for name in names if name in taps] != list(taps) or not taps or taps[-1] != names[-1]:
            raise ValueError(
                f"taps must be layers of this body in their order, the last one {names[-1]}; these are "
                f"{', '.join(taps)}, and there are: {', '.join(names)}"
            )
        for name, one in row.items():
            self.add_module(name, one.layer)
        self.taps = tuple(taps)
        self.channels = tuple(row[tap].channels for tap in taps)
        self.strides = tuple(row[tap].stride for tap in taps)
        self._names = names
        self._stem = sum(one.stride <= 2 for one in row.values())

    def forward(self, pixels: Float[Tensor, "b 3 h w"]) -> Float[Tensor, "b k"]:
        """The logits of the classes; without a classifier, the average features."""
        return self.classify(self.stages(pixels))

    def classify(self, maps: Sequence[Float[Tensor, "b _ _ _"]]) -> Float[Tensor, "b k"]:
        """The logits of the classes from the maps of `stages`."""
        return self.fc(maps[-1].mean((2, 3)))  # type: ignore[no-any-return]

    @property
    def body(self) -> Backbone:
        """Itself: its classifier is one layer more."""
        return self

    def stages(self, pixels: Float[Tensor, "b 3 h w"]) -> list[Float[Tensor, "b _ _ _"]]:
        """The outputs of the tapped layers, finest first."""
        found, x = [], pixels
        for name in self._names:
            x = self.get_submodule(name)(x)
            if name in self.taps:
                found.append(x)
        return found

    def groups(self) -> list[list[nn.Module]]:
        """The stem, which reaches stride 2, and the row of layers that leads to each stage."""
        ends = [self._names.index(tap) + 1 for tap in self.taps]
        layers = [self.get_submodule(name) for name in self._names]
        starts = [self._stem, *ends[:-1]]
        return [layers[: self._stem], *(layers[start:end] for start, end in zip(starts, ends, strict=True))]
