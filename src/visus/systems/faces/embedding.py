"""Faces as points: a residual network of 29 layers that brings the pictures of one person near each other.

The network and its weights are dlib's (D. E. King 2017, ``dlib_face_recognition_resnet_model_v1``): the ResNet-34 of He
et al. (arXiv 1512.03385) with fewer layers and half the filters, learned with a metric loss on some 3 million faces.
Two faces are held to be one person's where their Euclidean distance is under .6; see `visus.systems.faces.compare` for
thresholds of your own. The affine layers are folded into the convolutions before them.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from jaxtyping import Float, UInt8
from torch import Tensor, nn
from torch.nn import functional as F

from visus.systems.faces.convolutions import load_convolutions, ready
from visus.systems.faces.dlib_file import DlibFileError, read_network
from visus.systems.faces.packaged import EMBEDDING, model_file

DIMENSIONS = 128
MEAN = (122.782, 117.001, 104.298)
"""Of red, green and blue in 0..255; pixels are divided by 256 behind it."""

LEVELS: tuple[tuple[int, int, bool], ...] = (
    (32, 3, False),
    (64, 4, True),
    (128, 3, True),
    (256, 3, True),
    (256, 1, True),
)
"""Of each level: filters, blocks, and whether the first block halves the sides."""


class FaceEmbedding(nn.Module):
    """Aligned faces of 150 x 150 pixels to points of 128 dimensions, which are not of length 1."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 32, 7, stride=2)
        channels = 32
        blocks: list[nn.Module] = []
        for filters, count, halves in LEVELS:
            blocks += [Block(channels if i == 0 else filters, filters, halves and i == 0) for i in range(count)]
            channels = filters
        self.blocks = nn.Sequential(*blocks)
        self.linear = nn.Linear(channels, DIMENSIONS, bias=False)
        self.register_buffer("mean", torch.tensor(MEAN).view(1, 3, 1, 1), persistent=False)

    mean: Tensor

    def forward(self, faces: UInt8[Tensor, "n 3 h w"]) -> Float[Tensor, "n d"]:
        """The embedding of each aligned face."""
        pixels = (faces.float() - self.mean) / 256
        features = self.stem(pixels.contiguous(memory_format=torch.channels_last)).relu()
        features = self.blocks(F.max_pool2d(features, 3, stride=2))
        return self.linear(features.mean((2, 3)))  # type: ignore[no-any-return]


class Block(nn.Module):
    """Two convolutions and a way around them.

    Where sides are halved, the way around is an average of 2 x 2 pixels, and what one of the two lacks in channels,
    rows or columns is zero.

    Args:
        channels: of what comes in.
        filters: of what goes out.
        halves: whether the sides are halved; the first convolution is then not padded.
    """

    def __init__(self, channels: int, filters: int, halves: bool) -> None:
        super().__init__()
        self.halves = halves
        self.first = nn.Conv2d(channels, filters, 3, stride=2 if halves else 1, padding=0 if halves else 1)
        self.second = nn.Conv2d(filters, filters, 3, padding=1)

    def forward(self, features: Float[Tensor, "n _ _ _"]) -> Float[Tensor, "n _ _ _"]:
        """Rectified sum of both ways."""
        through = self.second(self.first(features).relu())
        if not self.halves:
            out: Tensor = (through + features).relu()
            return out
        around = F.avg_pool2d(features, 2)
        sides = [max(a, b) for a, b in zip(through.shape, around.shape, strict=True)]
        both: Tensor = _grown(through, sides) + _grown(around, sides)
        return both.relu()


def _grown(features: Tensor, sides: Sequence[int]) -> Tensor:
    """Zeros behind the last channel, row and column, up to ``sides``."""
    missing = [side - own for side, own in zip(sides, features.shape, strict=True)]
    return F.pad(features, (0, missing[3], 0, missing[2], 0, missing[1])) if any(missing) else features


def face_embedding(path: str | Path | None = None) -> FaceEmbedding:
    """The network with its weights, in evaluation mode.

    Args:
        path: of the file; None is the one that the extra ``faces`` installs.

    Raises:
        VisusError: the extra is not installed.
        DlibFileError: the file is missing, damaged, or of another network.
    """
    file = read_network(path or model_file(EMBEDDING))
    network = FaceEmbedding()
    load_convolutions(network, file)
    last = file.layers[-1]
    if last.kind != "linear" or len(last.weights) != network.linear.weight.numel():
        raise DlibFileError(f"{file.path}: its last layer does not give {DIMENSIONS} dimensions")
    with torch.no_grad():
        network.linear.weight.copy_(last.weights.view(-1, DIMENSIONS).T)
    return ready(network)
