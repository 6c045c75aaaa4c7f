"""GoogLeNet (Szegedy et al., Going Deeper with Convolutions, arXiv 1409.4842): blocks that look at four sizes at once.

As in torchvision's files, whose parameter names are ours: with batch norms, which the paper does not have, and with a
3x3 convolution where the paper's third branch has a 5x5. The published weights were trained on pixels in -1..1, so this
is what `mean` and `std` say; torchvision calls it ``transform_input``.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from visus.nn.backbones.named import NamedBody, NamedLayer
from visus.nn.norm import MakeNorm, conv_norm

EPS = 1e-3
googlenet_norm = partial(nn.BatchNorm2d, eps=EPS)

GOOGLENET_TAPS = ("conv3", "inception3b", "inception4e", "inception5b")
"""The last layers at strides 4, 8, 16 and 32."""

# The widths of the four branches (table 1 of the paper): 1x1; reduced, 3x3; reduced, third; pooled.
BLOCKS: dict[str, tuple[int, int, int, int, int, int]] = {
    "inception3a": (64, 96, 128, 16, 32, 32),
    "inception3b": (128, 128, 192, 32, 96, 64),
    "inception4a": (192, 96, 208, 16, 48, 64),
    "inception4b": (160, 112, 224, 24, 64, 64),
    "inception4c": (128, 128, 256, 24, 64, 64),
    "inception4d": (112, 144, 288, 32, 64, 64),
    "inception4e": (256, 160, 320, 32, 128, 128),
    "inception5a": (256, 160, 320, 32, 128, 128),
    "inception5b": (384, 192, 384, 48, 128, 128),
}


class GoogLeNet(NamedBody):
    """Three convolutions, nine Inception blocks and a linear classifier.

    Args:
        norm: makes the norm behind each convolution from its channels.
        taps: the names of the layers whose outputs are the stages, ``inception5b`` the last.
        num_classes: outputs of the classifier; None leaves it out, and ``forward`` gives the average features.
        aux: whether the two classifiers of the training at ``inception4a`` and ``inception4d`` are there. They are for
            files that hold them; ``forward`` does not look at them.
    """

    mean = (0.5, 0.5, 0.5)
    std = (0.5, 0.5, 0.5)

    def __init__(
        self,
        *,
        norm: MakeNorm = googlenet_norm,
        taps: Sequence[str] = GOOGLENET_TAPS,
        num_classes: int | None = 1000,
        aux: bool = False,
    ) -> None:
        super().__init__(_row(norm), taps=taps)
        if aux and num_classes is None:
            raise ValueError("auxiliary classifiers need num_classes")
        self.aux1 = AuxiliaryClassifier(512, num_classes, norm) if aux and num_classes else None
        self.aux2 = AuxiliaryClassifier(528, num_classes, norm) if aux and num_classes else None
        self.fc = nn.Identity() if num_classes is None else nn.Linear(1024, num_classes)
        init_truncated(self)

    def classify(self, maps: Sequence[Float[Tensor, "b _ _ _"]]) -> Float[Tensor, "b k"]:
        """The logits of the classes from the maps of `stages`."""
        return self.fc(F.dropout(maps[-1].mean((2, 3)), 0.2, self.training))  # type: ignore[no-any-return]


class Inception(nn.Module):
    """Four branches side by side (figure 2b of the paper)."""

    def __init__(self, channels: int, widths: tuple[int, int, int, int, int, int], norm: MakeNorm) -> None:
        super().__init__()
        one, reduced, three, reduced_again, third, pooled = widths
        self.branch1 = ConvNormReLU(channels, one, 1, norm=norm)
        self.branch2 = nn.Sequential(
            ConvNormReLU(channels, reduced, 1, norm=norm), ConvNormReLU(reduced, three, 3, norm=norm)
        )
        self.branch3 = nn.Sequential(
            ConvNormReLU(channels, reduced_again, 1, norm=norm), ConvNormReLU(reduced_again, third, 3, norm=norm)
        )
        self.branch4 = nn.Sequential(nn.MaxPool2d(3, stride=1, padding=1), ConvNormReLU(channels, pooled, 1, norm=norm))

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b d h w"]:
        """The channels of all branches."""
        return torch.cat([self.branch1(x), self.branch2(x), self.branch3(x), self.branch4(x)], 1)


class ConvNormReLU(nn.Module):
    """A convolution without bias, its norm and a ReLU."""

    def __init__(self, channels: int, width: int, kernel: int, *, norm: MakeNorm, stride: int = 1) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, width, kernel, stride, padding=kernel // 2, bias=False)
        self.bn = norm(width)

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b d e f"]:
        """The activation of the normed convolution."""
        return F.relu_(conv_norm(x, self.conv, self.bn))


class AuxiliaryClassifier(nn.Module):
    """A small classifier on an inner block, which helped to train the ones below it."""

    def __init__(self, channels: int, num_classes: int, norm: MakeNorm) -> None:
        super().__init__()
        self.conv = ConvNormReLU(channels, 128, 1, norm=norm)
        self.fc1 = nn.Linear(2048, 1024)
        self.fc2 = nn.Linear(1024, num_classes)

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b k"]:
        """The logits of the classes."""
        y = self.conv(F.adaptive_avg_pool2d(x, 4)).flatten(1)  # [b, 2048]
        y = F.dropout(F.relu_(self.fc1(y)), 0.7, self.training)
        return self.fc2(y)  # type: ignore[no-any-return]


def _row(norm: MakeNorm) -> dict[str, NamedLayer]:
    """All layers below the classifier."""
    row = {
        "conv1": NamedLayer(ConvNormReLU(3, 64, 7, stride=2, norm=norm), 64, 2),
        "maxpool1": NamedLayer(nn.MaxPool2d(3, stride=2, ceil_mode=True), 64, 4),
        "conv2": NamedLayer(ConvNormReLU(64, 64, 1, norm=norm), 64, 4),
        "conv3": NamedLayer(ConvNormReLU(64, 192, 3, norm=norm), 192, 4),
        "maxpool2": NamedLayer(nn.MaxPool2d(3, stride=2, ceil_mode=True), 192, 8),
    }
    channels, stride = 192, 8
    for name, widths in BLOCKS.items():
        if name in ("inception4a", "inception5a"):
            stride *= 2
            pool = nn.MaxPool2d(3 if stride == 16 else 2, stride=2, ceil_mode=True)
            row[f"maxpool{3 if stride == 16 else 4}"] = NamedLayer(pool, channels, stride)
        block = Inception(channels, widths, norm)
        channels = widths[0] + widths[2] + widths[4] + widths[5]
        row[name] = NamedLayer(block, channels, stride)
    return row


def init_truncated(network: nn.Module) -> None:
    """Initial weights from a normal distribution of deviation 0.01, cut off at two of them, as torchvision's."""
    for module in network.modules():
        if isinstance(module, nn.Conv2d | nn.Linear):
            nn.init.trunc_normal_(module.weight, std=0.01, a=-0.02, b=0.02)


def googlenet(
    *,
    norm: MakeNorm = googlenet_norm,
    taps: Sequence[str] = GOOGLENET_TAPS,
    num_classes: int | None = 1000,
    aux: bool = False,
) -> GoogLeNet:
    """GoogLeNet: 6.6 million parameters, ImageNet top-1 69.8 with torchvision's weights."""
    return GoogLeNet(norm=norm, taps=taps, num_classes=num_classes, aux=aux)
