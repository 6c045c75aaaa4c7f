"""BN-Inception (Ioffe and Szegedy, Batch Normalization, arXiv 1502.03167, appendix): GoogLeNet with norms, and deeper.

The network that metric learning has long been measured on. Its weights come from Caffe, and so do its conventions: the
convolutions have biases, and pixels enter as blue, green, red in 0..255 less (104, 117, 128). Here pixels stay red,
green, blue: `remap_caffe` turns the first convolution around instead, which costs nothing afterwards, and `mean` and
`std` bring 0..1 to the scale of 0..255. It also gives the names of the usual PyTorch port
(``inception_3a_double_3x3_1_bn.weight``) our order (``inception_3a.double_3x3_1.norm.weight``).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from visus.download import fetch
from visus.nn.backbones.interface import init_convolutions
from visus.nn.backbones.named import NamedBody, NamedLayer
from visus.nn.norm import MakeNorm, conv_norm
from visus.nn.weights import State, StateDict, read_weights

URL = "http://data.lip6.fr/cadene/pretrainedmodels/bn_inception-52deb4733.pth"

BN_INCEPTION_TAPS = ("conv2_3x3", "inception_3b", "inception_4d", "inception_5b")
"""The last layers at strides 4, 8, 16 and 32."""


@dataclass(frozen=True)
class BlockShape:
    """One line of the paper's figure 5: the widths of the branches, and what pools the fourth.

    A block without ``one`` halves the resolution and hands its pooled input through.
    """

    one: int
    three: tuple[int, int]
    double: tuple[int, int]
    pooled: int
    average: bool = True

    @property
    def stride(self) -> int:
        """2 where the block halves the resolution."""
        return 1 if self.one else 2

    def width(self, channels: int) -> int:
        """The channels behind the block."""
        return self.one + self.three[1] + self.double[1] + (self.pooled or channels)


BLOCKS: dict[str, BlockShape] = {
    "inception_3a": BlockShape(64, (64, 64), (64, 96), 32),
    "inception_3b": BlockShape(64, (64, 96), (64, 96), 64),
    "inception_3c": BlockShape(0, (128, 160), (64, 96), 0, average=False),
    "inception_4a": BlockShape(224, (64, 96), (96, 128), 128),
    "inception_4b": BlockShape(192, (96, 128), (96, 128), 128),
    "inception_4c": BlockShape(160, (128, 160), (128, 160), 128),
    "inception_4d": BlockShape(96, (128, 192), (160, 192), 128),
    "inception_4e": BlockShape(0, (128, 192), (192, 256), 0, average=False),
    "inception_5a": BlockShape(352, (192, 320), (160, 224), 128),
    "inception_5b": BlockShape(352, (192, 320), (192, 224), 128, average=False),
}


class BNInception(NamedBody):
    """Three convolutions, ten Inception blocks and a linear classifier.

    Args:
        norm: makes the norm behind each convolution from its channels.
        taps: the names of the layers whose outputs are the stages, ``inception_5b`` the last.
        num_classes: outputs of the classifier; None leaves it out, and ``forward`` gives the average features.
    """

    mean = (128 / 255, 117 / 255, 104 / 255)
    std = (1 / 255, 1 / 255, 1 / 255)

    def __init__(
        self,
        *,
        norm: MakeNorm = nn.BatchNorm2d,
        taps: Sequence[str] = BN_INCEPTION_TAPS,
        num_classes: int | None = 1000,
    ) -> None:
        super().__init__(_row(norm), taps=taps)
        self.fc = nn.Identity() if num_classes is None else nn.Linear(1024, num_classes)
        init_convolutions(self)


class Block(nn.Module):
    """Four branches side by side: 1x1, 3x3, 3x3 twice, and a pooling; the first is missing where the stride is 2."""

    def __init__(self, channels: int, shape: BlockShape, norm: MakeNorm) -> None:
        super().__init__()
        stride, (reduced, three), (narrow, double) = shape.stride, shape.three, shape.double
        row = {
            "1x1": (channels, shape.one, 1, 1),
            "3x3_reduce": (channels, reduced, 1, 1),
            "3x3": (reduced, three, 3, stride),
            "double_3x3_reduce": (channels, narrow, 1, 1),
            "double_3x3_1": (narrow, double, 3, 1),
            "double_3x3_2": (double, double, 3, stride),
            "pool_proj": (channels, shape.pooled, 1, 1),
        }
        for name, (before, width, kernel, step) in row.items():
            if width:
                self.add_module(name, ConvNormReLU(before, width, kernel, norm=norm, stride=step))
        self.pool: nn.Module = nn.MaxPool2d(3, stride=stride, padding=2 - stride, ceil_mode=True)
        if shape.average:
            self.pool = nn.AvgPool2d(3, stride=1, padding=1)
        names = [["1x1"], ["3x3_reduce", "3x3"], ["double_3x3_reduce", "double_3x3_1", "double_3x3_2"]]
        self._branches = [*(names if shape.one else names[1:]), ["pool", "pool_proj"] if shape.pooled else ["pool"]]

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b d e f"]:
        """The channels of all branches."""
        found = []
        for branch in self._branches:
            y = x
            for name in branch:
                y = self.get_submodule(name)(y)
            found.append(y)
        return torch.cat(found, 1)


class ConvNormReLU(nn.Module):
    """A convolution with biases, its norm and a ReLU."""

    def __init__(self, channels: int, width: int, kernel: int, *, norm: MakeNorm, stride: int = 1) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, width, kernel, stride, padding=kernel // 2)
        self.norm = norm(width)

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b d e f"]:
        """The activation of the normed convolution."""
        return F.relu_(conv_norm(x, self.conv, self.norm))


def _row(norm: MakeNorm) -> dict[str, NamedLayer]:
    """All layers below the classifier."""
    row = {
        "conv1_7x7_s2": NamedLayer(ConvNormReLU(3, 64, 7, stride=2, norm=norm), 64, 2),
        "pool1_3x3_s2": NamedLayer(nn.MaxPool2d(3, stride=2, ceil_mode=True), 64, 4),
        "conv2_3x3_reduce": NamedLayer(ConvNormReLU(64, 64, 1, norm=norm), 64, 4),
        "conv2_3x3": NamedLayer(ConvNormReLU(64, 192, 3, norm=norm), 192, 4),
        "pool2_3x3_s2": NamedLayer(nn.MaxPool2d(3, stride=2, ceil_mode=True), 192, 8),
    }
    channels, stride = 192, 8
    for name, shape in BLOCKS.items():
        block, stride = Block(channels, shape, norm), stride * shape.stride
        channels = shape.width(channels)
        row[name] = NamedLayer(block, channels, stride)
    return row


def bn_inception(
    *, norm: MakeNorm = nn.BatchNorm2d, taps: Sequence[str] = BN_INCEPTION_TAPS, num_classes: int | None = 1000
) -> BNInception:
    """BN-Inception: 11.3 million parameters."""
    return BNInception(norm=norm, taps=taps, num_classes=num_classes)


def converted_state() -> tuple[StateDict, str]:
    """The ImageNet weights that came from Caffe under our names, and the file that they lie in (fetched once).

    Raises:
        DownloadError: they cannot be fetched.
    """
    path = fetch(URL, "52deb4733", note="ImageNet weights of BN-Inception, converted from Caffe", size_mb=43)
    return remap_caffe(read_weights(path)[0]), str(path)


def remap_caffe(state: State) -> StateDict:
    """The weights of the usual PyTorch port under our names, the first convolution turned from BGR to RGB.

    ``last_linear`` is our ``fc``; statistics of norms may have a first axis of length one, as in the oldest files.
    """
    remapped: StateDict = {}
    for key, value in state.items():
        name, leaf = key.rsplit(".", 1)
        if name == "last_linear":
            remapped[f"fc.{leaf}"] = value
            continue
        layer, norm = re.subn(r"_bn$", "", name)
        layer = re.sub(r"^(inception_\d\w)_", r"\1.", layer)
        vector = value.flatten() if norm and leaf != "num_batches_tracked" else value
        turned = vector.flip(1) if (layer, leaf) == ("conv1_7x7_s2", "weight") and not norm else vector
        remapped[f"{layer}.{'norm' if norm else 'conv'}.{leaf}"] = turned
    return remapped
