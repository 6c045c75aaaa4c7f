"""A body that is one row of named layers, read at some of them: GoogLeNet and its kin."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from jaxtyping import Float
from torch import Tensor, nn

from visus.nn.backbones.body import Body


class NamedBody(Body):
    """A row of layers under their names.

    Args:
        layers: the row.
        taps: the names of the layers whose outputs are the stages; the last one is the last of the row.
        channels: the channels behind each layer.
        strides: the stride behind each layer.

    Raises:
        ValueError: a tap is the name of no layer, or the taps are not in the order of the row.
    """

    def __init__(
        self,
        layers: Mapping[str, nn.Module],
        *,
        taps: Sequence[str],
        channels: Mapping[str, int],
        strides: Mapping[str, int],
    ) -> None:
        super().__init__()
        names = list(layers)
        if [name for name in names if name in taps] != list(taps) or not taps or taps[-1] != names[-1]:
            raise ValueError(
                f"taps must be layers of this body in their order, the last one {names[-1]}; these are "
                f"{', '.join(taps)}, and there are: {', '.join(names)}"
            )
        for name, layer in layers.items():
            self.add_module(name, layer)
        self.taps = tuple(taps)
        self.channels = tuple(channels[tap] for tap in taps)
        self.strides = tuple(strides[tap] for tap in taps)
        self._names = names
        self._stem = sum(strides[name] <= 2 for name in names)

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
