"""What every backbone offers to the heads above it: features at several strides, and groups of layers to freeze."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from jaxtyping import Float
from torch import Tensor, nn

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)


class Backbone(nn.Module):
    """A backbone without its classifier.

    Attributes:
        channels: the channels of each stage.
        strides: the pixels of the image between two neighbours of each stage.
        mean: what is subtracted from each channel of an image in 0..1 before it enters.
        std: what each channel is then divided by.
    """

    channels: tuple[int, ...]
    strides: tuple[int, ...]
    mean: tuple[float, float, float] = IMAGENET_MEAN
    std: tuple[float, float, float] = IMAGENET_STD

    def stages(self, pixels: Float[Tensor, "b 3 h w"]) -> list[Float[Tensor, "b _ _ _"]]:
        """The features of normalised images at each of ``strides``, finest first: C2 to C5 in the papers."""
        raise NotImplementedError

    def groups(self) -> list[list[nn.Module]]:
        """The layers in the order in which they are frozen, from the image upwards."""
        raise NotImplementedError


AnyBackbone = Backbone | Callable[[], Backbone]
"""A backbone, or what makes one: a class or a function without arguments, whose weights follow from the seed."""


def as_backbone(given: AnyBackbone) -> Backbone:
    """A backbone as it is, or the one that a class or a function makes.

    Raises:
        ValueError: it is none; the message says what a backbone is.
    """
    made = given if isinstance(given, nn.Module) else given()
    if not isinstance(made, Backbone):
        raise ValueError(
            f"a backbone must be a visus.nn.backbones.Backbone (channels, strides, stages(pixels)), or make one, and "
            f"{type(made).__name__} is none"
        )
    return made


class SequentialBody(Backbone):
    """A body that is one row of layers, numbered from 0, read at some of them.

    Args:
        layers: the row.
        taps: the numbers of the layers whose outputs are the stages.
        channels: the channels behind each layer of the row.
        strides: the stride behind each layer of the row.

    Raises:
        ValueError: a tap is not the number of a layer, or the taps do not increase.
    """

    def __init__(
        self, layers: Sequence[nn.Module], *, taps: Sequence[int], channels: Sequence[int], strides: Sequence[int]
    ) -> None:
        super().__init__()
        if not taps or list(taps) != sorted(set(taps)) or taps[0] < 0 or taps[-1] >= len(layers):
            raise ValueError(f"taps must increase and lie in 0..{len(layers) - 1}, these are {tuple(taps)}")
        for number, layer in enumerate(layers):
            self.add_module(str(number), layer)
        self.taps = tuple(taps)
        self.channels = tuple(channels[tap] for tap in taps)
        self.strides = tuple(strides[tap] for tap in taps)
        deeper = (i for i in range(1, len(strides)) if strides[i] > strides[i - 1])
        self._starts = sorted({0, *deeper, len(layers) - 1})

    def forward(self, pixels: Float[Tensor, "b 3 h w"]) -> Float[Tensor, "b c _ _"]:
        """The output of the last layer."""
        for layer in self.children():
            pixels = layer(pixels)
        return pixels

    def stages(self, pixels: Float[Tensor, "b 3 h w"]) -> list[Float[Tensor, "b _ _ _"]]:
        """The outputs of the tapped layers, finest first; layers behind the last tap are not computed."""
        found, layers = [], list(self.children())
        for number, layer in enumerate(layers[: self.taps[-1] + 1]):
            pixels = layer(pixels)
            if number in self.taps:
                found.append(pixels)
        return found

    def groups(self) -> list[list[nn.Module]]:
        """One group for each stride, and one for the last layer; only those that have something to learn."""
        layers = list(self.children())
        ends = [*self._starts[1:], len(layers)]
        groups = [layers[start:end] for start, end in zip(self._starts, ends, strict=True)]
        return [group for group in groups if any(True for layer in group for _ in layer.parameters())]


def freeze(body: Backbone, trainable_layers: int) -> None:
    """Lets only the last groups of layers learn, as torchvision's ``trainable_backbone_layers``.

    Batch norms of frozen layers still follow the statistics of the batches while training; `FrozenBatchNorm2d` does
    not.

    Args:
        body: a backbone; a ResNet and a VGG have five groups, a MobileNetV3 six, an EfficientNet-Lite five.
        trainable_layers: how many groups learn, counted from the last.

    Raises:
        ValueError: the body has fewer groups.
    """
    groups = body.groups()
    if not 0 <= trainable_layers <= len(groups):
        raise ValueError(f"trainable_layers must lie in 0..{len(groups)} for this backbone, not {trainable_layers}")
    for group in groups[: len(groups) - trainable_layers]:
        for layer in group:
            layer.requires_grad_(False)


def init_convolutions(network: nn.Module) -> None:
    """He's initial weights, fan out (arXiv 1502.01852); classifiers start from a narrow normal distribution."""
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
            if module.bias is not None:
                nn.init.zeros_(module.bias)
        elif isinstance(module, nn.Linear):
            nn.init.normal_(module.weight, std=0.01)
            nn.init.zeros_(module.bias)
