"""ResNet (He et al., Deep Residual Learning, arXiv 1512.03385): each block learns what to add to its input.

The stride of a bottleneck sits on its 3x3 convolution, as in torchvision's files, not on the first 1x1 as in the paper.
Parameter names are torchvision's.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from visus.names import named
from visus.nn.backbones.interface import Backbone, init_convolutions
from visus.nn.norm import MakeNorm, conv_norm


class ResNet(Backbone):
    """A stem at stride 4 and four stages of residual blocks.

    Args:
        block: the kind of block.
        depths: the number of blocks in each stage.
        norm: makes the norm behind each convolution from its channels.
        replace_stride_with_dilation: for each of the last three stages, whether it keeps the resolution and dilates.
        num_classes: outputs of the classifier; None leaves it out, and ``forward`` gives its input.
    """

    def __init__(
        self,
        *,
        block: type[BasicBlock | Bottleneck],
        depths: Sequence[int],
        norm: MakeNorm = nn.BatchNorm2d,
        replace_stride_with_dilation: tuple[bool, bool, bool] = (False, False, False),
        num_classes: int | None = 1000,
    ) -> None:
        super().__init__()
        self.channels = tuple(width * block.expansion for width in (64, 128, 256, 512))
        self.conv1 = nn.Conv2d(3, 64, 7, stride=2, padding=3, bias=False)
        self.bn1 = norm(64)
        stride, dilation, strides = 4, 1, [4]
        self.layer1 = _stage(block, 64, 64, depths[0], norm)
        for i, dilates in enumerate(replace_stride_with_dilation):
            before, step = dilation, 1 if dilates else 2
            stride, dilation = stride * step, dilation * 2 // step
            strides.append(stride)
            args = (block, self.channels[i], 128 * 2**i, depths[i + 1], norm)
            self.add_module(f"layer{i + 2}", _stage(*args, step, (before, dilation)))
        self.strides = tuple(strides)
        self.fc = nn.Identity() if num_classes is None else nn.Linear(self.channels[-1], num_classes)
        init_convolutions(self)

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
        """C2 to C5: the outputs of the four stages."""
        x = F.relu_(conv_norm(pixels, self.conv1, self.bn1))
        x = F.max_pool2d(x, 3, stride=2, padding=1)
        found = []
        for layer in self._layers():
            x = layer(x)
            found.append(x)
        return found

    def groups(self) -> list[list[nn.Module]]:
        """The stem and the four stages."""
        return [[self.conv1, self.bn1], *([layer] for layer in self._layers())]

    def _layers(self) -> list[nn.Module]:
        return [cast(nn.Module, getattr(self, f"layer{i}")) for i in (1, 2, 3, 4)]


class BasicBlock(nn.Module):
    """Two 3x3 convolutions and the input added (figure 2 of the paper)."""

    expansion = 1

    def __init__(self, channels: int, width: int, stride: int, dilation: int, norm: MakeNorm) -> None:
        super().__init__()
        if dilation > 1:
            raise ValueError("ResNet-18 and -34 cannot replace strides by dilation; ResNet-50 and -101 can")
        self.conv1 = nn.Conv2d(channels, width, 3, stride, padding=1, bias=False)
        self.bn1 = norm(width)
        self.conv2 = nn.Conv2d(width, width, 3, padding=1, bias=False)
        self.bn2 = norm(width)
        self.downsample = _shortcut(channels, width, stride, norm)

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b d e f"]:
        """The input, projected where its shape changes, plus what the block has learned."""
        y = F.relu_(conv_norm(x, self.conv1, self.bn1))
        y = conv_norm(y, self.conv2, self.bn2)
        return F.relu_(y.add_(_project(x, self.downsample)))


class Bottleneck(nn.Module):
    """1x1, 3x3 and 1x1 convolutions with a narrow middle, and the input added (figure 5 of the paper, right)."""

    expansion = 4

    def __init__(self, channels: int, width: int, stride: int, dilation: int, norm: MakeNorm) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, width, 1, bias=False)
        self.bn1 = norm(width)
        self.conv2 = nn.Conv2d(width, width, 3, stride, padding=dilation, dilation=dilation, bias=False)
        self.bn2 = norm(width)
        self.conv3 = nn.Conv2d(width, width * 4, 1, bias=False)
        self.bn3 = norm(width * 4)
        self.downsample = _shortcut(channels, width * 4, stride, norm)

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b d e f"]:
        """The input, projected where its shape changes, plus what the block has learned."""
        y = F.relu_(conv_norm(x, self.conv1, self.bn1))
        y = F.relu_(conv_norm(y, self.conv2, self.bn2))
        y = conv_norm(y, self.conv3, self.bn3)
        return F.relu_(y.add_(_project(x, self.downsample)))


def _shortcut(channels: int, width: int, stride: int, norm: MakeNorm) -> nn.Sequential | None:
    """The projection of a block's input onto the shape of its output; None where they agree."""
    if stride == 1 and channels == width:
        return None
    return nn.Sequential(nn.Conv2d(channels, width, 1, stride, bias=False), norm(width))


def _project(x: Tensor, downsample: nn.Sequential | None) -> Tensor:
    return x if downsample is None else conv_norm(x, downsample[0], downsample[1])


def _stage(
    block: type[BasicBlock | Bottleneck],
    channels: int,
    width: int,
    depth: int,
    norm: MakeNorm,
    stride: int = 1,
    dilations: tuple[int, int] = (1, 1),
) -> nn.Sequential:
    """Blocks in a row. The first has the stride, and the dilation of the stage before."""
    first = block(channels, width, stride, dilations[0], norm)
    rest = (block(width * block.expansion, width, 1, dilations[1], norm) for _ in range(depth - 1))
    return nn.Sequential(first, *rest)


def resnet18(*, norm: MakeNorm = nn.BatchNorm2d, num_classes: int | None = 1000) -> ResNet:
    """ResNet-18: 11.7 million parameters, ImageNet top-1 69.8 with torchvision's weights."""
    return ResNet(block=BasicBlock, depths=(2, 2, 2, 2), norm=norm, num_classes=num_classes)


def resnet34(*, norm: MakeNorm = nn.BatchNorm2d, num_classes: int | None = 1000) -> ResNet:
    """ResNet-34: 21.8 million parameters, ImageNet top-1 73.3 with torchvision's weights."""
    return ResNet(block=BasicBlock, depths=(3, 4, 6, 3), norm=norm, num_classes=num_classes)


def _of_bottlenecks(
    depths: tuple[int, int, int, int],
    /,
    *,
    norm: MakeNorm = nn.BatchNorm2d,
    replace_stride_with_dilation: tuple[bool, bool, bool] = (False, False, False),
    num_classes: int | None = 1000,
) -> ResNet:
    return ResNet(
        block=Bottleneck,
        depths=depths,
        norm=norm,
        replace_stride_with_dilation=replace_stride_with_dilation,
        num_classes=num_classes,
    )


resnet50 = named(
    "resnet50",
    _of_bottlenecks,
    (3, 4, 6, 3),
    "ResNet-50: 25.6 million parameters, ImageNet top-1 76.1 with torchvision's weights.",
)
resnet101 = named(
    "resnet101",
    _of_bottlenecks,
    (3, 4, 23, 3),
    "ResNet-101: 44.5 million parameters, ImageNet top-1 77.4 with torchvision's weights.",
)
