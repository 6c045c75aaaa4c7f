"""MobileNetV3 (Howard et al., Searching for MobileNetV3, arXiv 1905.02244): depthwise blocks found by search.

Parameter names are torchvision's, for classification files (``features.*``, ``classifier.*``) and, as a body, for its
detectors, which number the layers without the prefix.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from visus.nn.backbones.interface import Backbone, SequentialBody, init_convolutions
from visus.nn.norm import ConvNorm, MakeNorm

LARGE_TAPS, SMALL_TAPS = (3, 6, 12, 16), (1, 3, 8, 12)
"""The last layer at each of the strides 4, 8, 16 and 32."""
DETECTOR_TAPS = (13, 16)
"""Where torchvision's detectors read MobileNetV3-Large: the first and the last layer at stride 32."""

# In classification files the norms were trained with a larger epsilon and a slower average than PyTorch's defaults.
classification_norm = partial(nn.BatchNorm2d, eps=1e-3, momentum=0.01)


@dataclass(frozen=True)
class BlockShape:
    """One line of the paper's tables 1 and 2: ``hard`` is HS in column NL, ``squeeze`` the tick in column SE."""

    kernel: int
    expanded: int
    channels: int
    squeeze: bool
    hard: bool
    stride: int


LARGE = (
    BlockShape(3, 16, 16, False, False, 1),
    BlockShape(3, 64, 24, False, False, 2),
    BlockShape(3, 72, 24, False, False, 1),
    BlockShape(5, 72, 40, True, False, 2),
    BlockShape(5, 120, 40, True, False, 1),
    BlockShape(5, 120, 40, True, False, 1),
    BlockShape(3, 240, 80, False, True, 2),
    BlockShape(3, 200, 80, False, True, 1),
    BlockShape(3, 184, 80, False, True, 1),
    BlockShape(3, 184, 80, False, True, 1),
    BlockShape(3, 480, 112, True, True, 1),
    BlockShape(3, 672, 112, True, True, 1),
    BlockShape(5, 672, 160, True, True, 2),
    BlockShape(5, 960, 160, True, True, 1),
    BlockShape(5, 960, 160, True, True, 1),
)
SMALL = (
    BlockShape(3, 16, 16, True, False, 2),
    BlockShape(3, 72, 24, False, False, 2),
    BlockShape(3, 88, 24, False, False, 1),
    BlockShape(5, 96, 40, True, True, 2),
    BlockShape(5, 240, 40, True, True, 1),
    BlockShape(5, 240, 40, True, True, 1),
    BlockShape(5, 120, 48, True, True, 1),
    BlockShape(5, 144, 48, True, True, 1),
    BlockShape(5, 288, 96, True, True, 2),
    BlockShape(5, 576, 96, True, True, 1),
    BlockShape(5, 576, 96, True, True, 1),
)


class MobileNetV3(nn.Module):
    """A stem, inverted residual blocks, a last 1x1 convolution, and a classifier of two layers.

    Args:
        shapes: the blocks.
        hidden: units between the two layers of the classifier.
        taps: the layers whose outputs are the stages of the body.
        norm: makes the norm behind each convolution from its channels.
        num_classes: outputs of the classifier; None leaves it out, and ``forward`` gives its input.
    """

    def __init__(
        self,
        *,
        shapes: Sequence[BlockShape],
        hidden: int,
        taps: Sequence[int],
        norm: MakeNorm = classification_norm,
        num_classes: int | None = 1000,
    ) -> None:
        super().__init__()
        self.features = _features(shapes, taps, norm)
        self.classifier = nn.Sequential()
        if num_classes is not None:
            layers = (nn.Linear(shapes[-1].channels * 6, hidden), nn.Hardswish(), nn.Dropout(0.2))
            self.classifier = nn.Sequential(*layers, nn.Linear(hidden, num_classes))
        init_convolutions(self)

    def forward(self, pixels: Float[Tensor, "b 3 h w"]) -> Float[Tensor, "b k"]:
        """The logits of the classes."""
        return self.classify([self.features(pixels)])

    def classify(self, maps: Sequence[Float[Tensor, "b _ _ _"]]) -> Float[Tensor, "b k"]:
        """The logits of the classes from the maps of the body."""
        return self.classifier(maps[-1].mean((2, 3)))  # type: ignore[no-any-return]

    @property
    def body(self) -> Backbone:
        """The convolutions."""
        return self.features


class InvertedResidual(nn.Module):
    """Widen, filter each channel, weigh the channels, narrow; the input is added where the shape stays (figure 4)."""

    def __init__(self, channels: int, shape: BlockShape, norm: MakeNorm) -> None:
        super().__init__()
        act = nn.Hardswish if shape.hard else nn.ReLU
        wide = shape.expanded
        layers: list[nn.Module] = []
        if wide != channels:
            layers.append(_conv(channels, wide, norm, act))
        layers.append(_conv(wide, wide, norm, act, kernel=shape.kernel, stride=shape.stride, groups=wide))
        if shape.squeeze:
            layers.append(SqueezeExcitation(wide, _multiple_of_8(wide / 4)))
        layers.append(_conv(wide, shape.channels, norm))
        self.block = nn.Sequential(*layers)
        self.adds_input = shape.stride == 1 and channels == shape.channels

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b d e f"]:
        """The block's output, plus its input where the shape stays."""
        y: Tensor = self.block(x)
        return y.add_(x) if self.adds_input else y


class SqueezeExcitation(nn.Module):
    """Weighs each channel by a look at the averages of all (arXiv 1709.01507), with a hard sigmoid."""

    def __init__(self, channels: int, squeezed: int) -> None:
        super().__init__()
        self.fc1 = nn.Conv2d(channels, squeezed, 1)
        self.fc2 = nn.Conv2d(squeezed, channels, 1)

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c h w"]:
        """``x`` with every channel weighed by 0 to 1."""
        weights = self.fc2(F.relu_(self.fc1(x.mean((2, 3), keepdim=True))))
        return x * F.hardsigmoid(weights)


def _conv(
    channels: int,
    width: int,
    norm: MakeNorm,
    act: type[nn.Hardswish] | type[nn.ReLU] | None = None,
    *,
    kernel: int = 1,
    stride: int = 1,
    groups: int = 1,
) -> ConvNorm:
    """A convolution, its norm and its activation."""
    conv = nn.Conv2d(channels, width, kernel, stride, padding=kernel // 2, groups=groups, bias=False)
    return ConvNorm(conv, norm(width), *([act(inplace=True)] if act else []))


def _features(shapes: Sequence[BlockShape], taps: Sequence[int], norm: MakeNorm) -> SequentialBody:
    """The row of the stem, the blocks and the last convolution."""
    layers: list[nn.Module] = [_conv(3, 16, norm, nn.Hardswish, kernel=3, stride=2)]
    channels, strides = [16], [2]
    for shape in shapes:
        layers.append(InvertedResidual(channels[-1], shape, norm))
        channels.append(shape.channels)
        strides.append(strides[-1] * shape.stride)
    layers.append(_conv(channels[-1], channels[-1] * 6, norm, nn.Hardswish))
    return SequentialBody(layers, taps=taps, channels=[*channels, channels[-1] * 6], strides=[*strides, strides[-1]])


def _multiple_of_8(channels: float) -> int:
    """The nearest multiple of 8, at least 8 and not more than a tenth below."""
    rounded = max(8, int(channels + 4) // 8 * 8)
    return rounded + 8 if rounded < 0.9 * channels else rounded


def mobilenet_v3_large(
    *, norm: MakeNorm = classification_norm, taps: Sequence[int] = LARGE_TAPS, num_classes: int | None = 1000
) -> MobileNetV3:
    """MobileNetV3-Large: 5.5 million parameters, ImageNet top-1 74.0 with torchvision's weights."""
    return MobileNetV3(shapes=LARGE, hidden=1280, taps=taps, norm=norm, num_classes=num_classes)


def mobilenet_v3_small(
    *, norm: MakeNorm = classification_norm, taps: Sequence[int] = SMALL_TAPS, num_classes: int | None = 1000
) -> MobileNetV3:
    """MobileNetV3-Small: 2.5 million parameters, ImageNet top-1 67.7 with torchvision's weights."""
    return MobileNetV3(shapes=SMALL, hidden=1024, taps=taps, norm=norm, num_classes=num_classes)
