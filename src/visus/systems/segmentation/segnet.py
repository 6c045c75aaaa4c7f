"""SegNet (Badrinarayanan, Kendall, Cipolla, arXiv 1511.00561).

The encoder is VGG-16 with batch norms. Each max-pooling remembers which of its four cells was the largest, and the
decoder puts its values back there and leaves the other three zero; filters then fill the gaps (figure 3). No features
cross over, only those indices. Poolings round odd sizes up and the decoder returns to the sizes that it came from, so
that images of any size work; for multiples of 32 this is the paper's network.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch
from jaxtyping import Float, Int64, Shaped
from torch import Tensor, nn
from torch.nn import functional as F

from visus.names import named
from visus.nn.backbones import Backbone, freeze, loads_pretrained, pretrained_state
from visus.nn.backbones.interface import init_convolutions
from visus.nn.backbones.vgg import VGG16_STAGES
from visus.nn.norm import ConvNorm
from visus.nn.transform import ImageTransform
from visus.nn.weights import load_state
from visus.systems.segmentation.bodies import dilated_lite0
from visus.systems.segmentation.outputs import Frame
from visus.systems.segmentation.segmenter import Segmenter
from visus.systems.segmentation.small import Small, score_layer, small_segmenter


class SegNetEncoder(Backbone):
    """Convolutions with batch norm, and after each stage a pooling whose indices are kept.

    Args:
        widths: the channels of the convolutions before each pooling.
    """

    def __init__(self, widths: Sequence[Sequence[int]] = VGG16_STAGES) -> None:
        super().__init__()
        self.blocks = nn.ModuleList()
        before = 3
        for stage in widths:
            self.blocks.append(nn.Sequential(*_convs([before, *stage])))
            before = stage[-1]
        self.channels = tuple(stage[-1] for stage in widths)
        self.strides = tuple(2 ** (i + 1) for i in range(len(widths)))
        init_convolutions(self)

    def stages(self, pixels: Float[Tensor, "b 3 h w"]) -> list[Shaped[Tensor, "b _ _ _"]]:
        """The indices of each pooling, finest first, and the last features."""
        indices = []
        for block in self.blocks:
            pixels, index = F.max_pool2d(block(pixels), 2, ceil_mode=True, return_indices=True)
            indices.append(index)
        return [*indices, pixels]

    def groups(self) -> list[list[nn.Module]]:
        """The convolutions before each pooling."""
        return [[block] for block in self.blocks]


class Lite0Indices(Backbone):
    """EfficientNet-Lite0 at output stride 16, with the places of the largest cells of its stages at strides 4 and 8.

    Its strides are convolutions, so nothing is pooled: in each 2x2 window of a stage's features the index is that of
    the largest cell, for each channel, as a max-pooling there would have chosen.
    """

    def __init__(self, *, pretrained: bool, trainable_layers: int | None) -> None:
        super().__init__()
        self.body = dilated_lite0(pretrained=pretrained, trainable_layers=trainable_layers)
        fine, middle, deep, last = self.body.channels
        self.channels, self.strides = (fine, middle, deep + last), (4, 8, 16)
        self.mean, self.std = self.body.mean, self.body.std

    def stages(self, pixels: Float[Tensor, "b 3 h w"]) -> list[Shaped[Tensor, "b _ _ _"]]:
        """The indices of the stages at strides 4 and 8, and the features of both stages at stride 16."""
        fine, middle, deep, last = self.body.stages(pixels)
        with torch.no_grad():
            pooled = (F.max_pool2d(x, 2, ceil_mode=True, return_indices=True) for x in (fine, middle))
            indices = [index for _, index in pooled]
        return [*indices, torch.cat((deep, last), 1)]

    def groups(self) -> list[list[nn.Module]]:
        """The groups of EfficientNet-Lite0."""
        return self.body.groups()


class SegNetDecoder(nn.Module):
    """For each pooling of the encoder, from the last to the first: unpool, then convolutions.

    Args:
        widths: for each unpooling the channels that it unpools and those of the convolutions after it, last pooling
            first.
        num_classes: classes of a pixel.
        first: layers before the first unpooling.
        stride: pixels of a cell of the logits.
    """

    def __init__(
        self,
        widths: Sequence[Sequence[int]],
        num_classes: int,
        *,
        first: nn.Module | None = None,
        stride: int = 1,
    ) -> None:
        super().__init__()
        self.first = first or nn.Identity()
        self.blocks = nn.ModuleList(nn.Sequential(*_convs(stage)) for stage in widths)
        init_convolutions(self)
        self.score = score_layer(widths[-1][-1], num_classes, kernel=3)
        self.stride = stride

    def forward(self, stages: list[Shaped[Tensor, "b _ _ _"]], frame: Frame) -> Float[Tensor, "b c h w"]:
        """The logits; ``stages`` are the encoder's indices and last features."""
        *indices, x = stages
        finest = (-(-frame.size[0] // self.stride), -(-frame.size[1] // self.stride))
        sizes = [finest, *((index.shape[-2], index.shape[-1]) for index in indices[:-1])]
        x = self.first(x)
        for block, index, size in zip(self.blocks, reversed(indices), reversed(sizes), strict=True):
            x = block(unpool(x, index, size))
        return self.score(x)  # type: ignore[no-any-return]


def unpool(
    x: Float[Tensor, "b c h w"], indices: Int64[Tensor, "b d h w"], size: tuple[int, int]
) -> Float[Tensor, "b c _ _"]:
    """Puts each value where the pooling found its largest cell; everything else is zero.

    Args:
        x: the values. Their channels are a multiple of those of the indices, which then serve several: channel ``i``
            goes by index ``i mod d``.
        indices: the place of each cell in a map of ``size``, counted row by row.
        size: rows and columns of the result.
    """
    batch, channels = x.shape[:2]
    repeated = indices.repeat(1, channels // indices.shape[1], 1, 1)
    empty = x.new_zeros(batch, channels, size[0] * size[1])
    return empty.scatter(2, repeated.flatten(2), x.flatten(2)).view(batch, channels, *size)


def _convs(widths: Sequence[int]) -> list[nn.Module]:
    """3x3 convolutions with norms and activations, from each number of channels to the next."""
    return [
        ConvNorm(nn.Conv2d(a, b, 3, padding=1, bias=False), nn.BatchNorm2d(b), nn.ReLU()) for a, b in pairwise(widths)
    ]


def segnet_vgg16(
    *,
    num_classes: int = 21,
    pretrained: bool = False,
    trainable_layers: int = 5,
    min_size: int = 360,
    max_size: int | None = None,
) -> Segmenter:
    """The paper's SegNet: 13 convolutions down and 13 up.

    Args:
        num_classes: classes of a pixel; where a data set has a background, it is one of them.
        pretrained: start the encoder from torchvision's VGG-16 (fetched once), its norms as they begin.
        trainable_layers: how many of the encoder's five stages learn, counted from the last.
        min_size: the shorter side of an image in pixels; the paper's street scenes have 360.
        max_size: the most of its longer side; None for any.
    """
    encoder = SegNetEncoder()
    if pretrained and loads_pretrained("vgg16"):
        _load_vgg(encoder)
    freeze(encoder, trainable_layers)
    return Segmenter(
        transform=ImageTransform(min_size=min_size, max_size=max_size, antialias=True),
        backbone=encoder,
        classifier=SegNetDecoder(mirrored(VGG16_STAGES), num_classes),
    )


def mirrored(widths: Sequence[Sequence[int]]) -> list[list[int]]:
    """The channels of a decoder for an encoder's: each stage backwards, and to the channels of the stage before.

    The first stage's last convolution gives the logits and is not among them.

    >>> mirrored([(64, 64), (128, 128)])
    [[128, 128, 64], [64, 64]]
    """
    before = [[], *([stage[-1]] for stage in widths[:-1])]
    stages = [[*reversed(stage), *last] for stage, last in zip(widths, before, strict=True)]
    return stages[::-1]


def _load_vgg(encoder: SegNetEncoder) -> None:
    """VGG-16's filters; its biases give way to the norms."""
    state, source = pretrained_state("vgg16")
    filters = [value for key, value in state.items() if key.startswith("features.") and value.ndim == 4]
    own = encoder.state_dict()
    places = [key for key, value in own.items() if value.ndim == 4]
    load_state(encoder, own | dict(zip(places, filters, strict=True)), source=source)


def _small_decoder(encoder: Lite0Indices, num_classes: int) -> SegNetDecoder:
    fine, middle, last = encoder.channels
    wide, narrow = 3 * middle, 4 * fine
    first = ConvNorm(nn.Conv2d(last, wide, 1, bias=False), nn.BatchNorm2d(wide), nn.ReLU())
    return SegNetDecoder([(wide, narrow), (narrow, 64)], num_classes, first=first, stride=4)


segnet_lite0 = named(
    "segnet_lite0",
    small_segmenter,
    Small(Lite0Indices, _small_decoder),
    "Our small SegNet for a CPU. It unpools twice, from stride 16 to 4, and enlarges the logits bilinearly from\n"
    "there. `Lite0Indices` says what the indices are; each serves three or four channels of the decoder, which is\n"
    "wider than the encoder's thin stages.",
)
