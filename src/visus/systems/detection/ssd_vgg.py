"""SSD300 and SSD512 on VGG-16 (arXiv 1512.02325, figure 2 and section 3): the paper's networks.

VGG's fully connected layers become convolutions, fc6 a dilated one, and further layers halve the map until one cell is
left. Parameter names are torchvision's. It has SSD300 only; SSD512's maps and scales are the paper's.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from visus.names import find, named
from visus.nn.backbones.build import loads_pretrained, pretrained_state
from visus.nn.backbones.interface import Backbone, freeze
from visus.nn.backbones.vgg import vgg16
from visus.nn.square import SquareTransform
from visus.nn.weights import load_state
from visus.systems.detection.default_boxes import box_levels
from visus.systems.detection.ssd import SSD, SSDHead

MEAN = (0.48235, 0.45882, 0.40784)
STD = (1 / 255, 1 / 255, 1 / 255)
"""The weights of this VGG were trained on pixels in 0..255."""

POOL3, POOL4, POOL5 = 16, 23, 30
"""The numbers of VGG's poolings in its row of layers."""

NORM_SCALE = 20.0
"""The length that the features of conv4_3 have at each cell in the beginning."""


class VGGFeatures(nn.Module):
    """The feature maps of figure 2: conv4_3 normed, fc7, and those of the extra layers.

    Args:
        body: VGG-16's row of convolutions, activations and poolings. Its layers move into this network.
        extra: the layers behind fc7, one block for each further map.
    """

    def __init__(self, body: Backbone, extra: Sequence[nn.Module]) -> None:
        super().__init__()
        layers = list(body.children())
        layers[POOL3].ceil_mode = True  # type: ignore[assignment]  # 75 cells become 38, as in the paper
        self.scale_weight = nn.Parameter(torch.full((512,), NORM_SCALE))
        self.features = nn.Sequential(*layers[:POOL4])
        self.extra = nn.ModuleList([nn.Sequential(*layers[POOL4:POOL5], _fully_connected()), *extra])

    def forward(self, pixels: Float[Tensor, "b 3 h w"]) -> list[Float[Tensor, "b _ _ _"]]:
        """The maps, finest first."""
        conv4_3 = self.features(pixels)
        maps = [self.scale_weight.view(1, -1, 1, 1) * F.normalize(conv4_3)]
        deeper = conv4_3
        for block in self.extra:
            deeper = block(deeper)
            maps.append(deeper)
        return maps


@dataclass(frozen=True)
class Layout:
    """The maps of a network and their default boxes.

    Args:
        size: both sides of the image in pixels.
        grids: rows and columns of each map.
        steps: pixels from one centre to the next on each map.
        scales: the sizes of the default boxes as shares of the image, one more than there are maps: those for COCO and
            those for Pascal VOC.
        aspect_ratios: of the boxes of each map.
        extra: the blocks behind fc7.
    """

    size: int
    grids: tuple[int, ...]
    steps: tuple[int, ...]
    scales: dict[str, tuple[float, ...]]
    aspect_ratios: tuple[tuple[float, ...], ...]
    extra: Callable[[], list[nn.Module]]


SSD300 = Layout(
    size=300,
    grids=(38, 19, 10, 5, 3, 1),
    steps=(8, 16, 32, 64, 100, 300),
    scales={
        "coco": (0.07, 0.15, 0.33, 0.51, 0.69, 0.87, 1.05),
        "voc": (0.1, 0.2, 0.37, 0.54, 0.71, 0.88, 1.05),
    },
    aspect_ratios=((2,), (2, 3), (2, 3), (2, 3), (2,), (2,)),
    extra=lambda: [_block(1024, 512, 2), _block(512, 256, 2), _block(256, 256), _block(256, 256)],
)
SSD512 = Layout(
    size=512,
    grids=(64, 32, 16, 8, 4, 2, 1),
    steps=(8, 16, 32, 64, 128, 256, 512),
    scales={
        "coco": (0.04, 0.1, 0.26, 0.42, 0.58, 0.74, 0.9, 1.06),
        "voc": (0.07, 0.15, 0.3, 0.45, 0.6, 0.75, 0.9, 1.05),
    },
    aspect_ratios=((2,), (2, 3), (2, 3), (2, 3), (2, 3), (2,), (2,)),
    extra=lambda: [_block(1024, 512, 2), *(_block(inputs, 256, 2) for inputs in (512, 256, 256)), _last_block()],
)


def _vgg16(
    layout: Layout,
    /,
    *,
    num_classes: int = 90,
    pretrained: bool = False,
    trainable_layers: int | None = None,
    scales: Literal["coco", "voc"] = "coco",
) -> SSD:
    """SSD on VGG-16.

    Args:
        num_classes: categories without the background.
        pretrained: start from the ImageNet weights that the paper's authors took (fetched once).
        trainable_layers: how many of VGG's five groups of layers learn, counted from the last; 4 if pretrained, else 5.
        scales: the sizes of the default boxes: those for COCO, or those for Pascal VOC, whose objects are larger.
    """
    levels = box_levels(
        grids=layout.grids,
        steps=layout.steps,
        scales=find(layout.scales, scales, "set of scales"),
        aspect_ratios=layout.aspect_ratios,
    )
    extra, body = layout.extra(), _body(pretrained, trainable_layers)
    channels = (512, 1024, 512, *[256] * (len(levels) - 3))
    return SSD(
        transform=SquareTransform(size=layout.size, mean=MEAN, std=STD),
        backbone=VGGFeatures(body, extra),
        head=SSDHead(channels=channels, levels=levels, num_classes=num_classes, predictor=_convolution),
        levels=levels,
    )


def _body(pretrained: bool, trainable_layers: int | None) -> Backbone:
    """VGG's row of layers, of which only the last groups learn."""
    network = vgg16(num_classes=None)
    if pretrained and loads_pretrained("vgg16_caffe_features"):
        state, source = pretrained_state("vgg16_caffe_features")
        load_state(network, {key: value for key, value in state.items() if key.startswith("features.")}, source=source)
    body = network.body
    if trainable_layers is None:
        trainable_layers = 4 if pretrained else len(body.groups())
    freeze(body, trainable_layers)
    return body


def _fully_connected() -> nn.Sequential:
    """Pooling 5 without its stride, and fc6 and fc7 as convolutions; fc6 sees as far as before by its holes."""
    return nn.Sequential(
        nn.MaxPool2d(3, stride=1, padding=1),
        _convolution(512, 1024, dilation=6),
        nn.ReLU(inplace=True),
        _convolution(1024, 1024, kernel=1, padding=0),
        nn.ReLU(inplace=True),
    )


def _block(inputs: int, outputs: int, stride: int = 1) -> nn.Sequential:
    """One more map: of half the size, or with stride 1 two cells smaller."""
    return _narrow_then(inputs, _convolution(outputs // 2, outputs, stride=stride, padding=stride - 1))


def _last_block() -> nn.Sequential:
    """SSD512's conv12_2, which makes one cell of four."""
    return _narrow_then(256, _convolution(128, 256, kernel=4))


def _narrow_then(inputs: int, conv: nn.Conv2d) -> nn.Sequential:
    return nn.Sequential(
        _convolution(inputs, conv.in_channels, kernel=1, padding=0), nn.ReLU(inplace=True), conv, nn.ReLU(inplace=True)
    )


def _convolution(
    inputs: int, outputs: int, *, kernel: int = 3, stride: int = 1, padding: int = 1, dilation: int = 1
) -> nn.Conv2d:
    """A convolution with Glorot's initial weights; padding counts in steps of the dilation."""
    conv = nn.Conv2d(inputs, outputs, kernel, stride, padding * dilation, dilation)
    nn.init.xavier_uniform_(conv.weight)
    nn.init.zeros_(conv.bias)  # type: ignore[arg-type]
    return conv


ssd300_vgg16 = named(
    "ssd300_vgg16",
    _vgg16,
    SSD300,
    "torchvision's SSD for images of 300 pixels (COCO box AP 25.1): 8732 default boxes.",
)
ssd512_vgg16 = named(
    "ssd512_vgg16",
    _vgg16,
    SSD512,
    "The paper's SSD for images of 512 pixels, with one map more: 24564 default boxes.",
)
