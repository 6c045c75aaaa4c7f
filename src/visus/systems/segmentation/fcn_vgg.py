"""FCN-32s, FCN-16s and FCN-8s on VGG-16 (Long, Shelhamer, Darrell, arXiv 1411.4038, figure 3 and section 4).

VGG-16's fully connected layers become convolutions, its scores are enlarged by transposed convolutions that begin as
bilinear interpolation, and FCN-16s and FCN-8s add the scores of pool4 and of pool3 on the way. The last enlargement
stays bilinear; those before it learn. All streams are trained at once, those of the poolings scaled by 0.01 and 0.0001
(arXiv 1605.06211, section 4.3, and the authors' networks), where the first paper adds one stream after the other.

The first convolution pads by 100 pixels, so that the 7x7 convolution fits onto an image of any size. What that shifts
is cut off again. In pixels of the image, cell ``i`` of pool3, pool4 and pool5 has its centre at ``s i + (s - 1) / 2 -
99`` for ``s`` = 8, 16, 32; the 7x7 convolution adds three cells; a transposed convolution that doubles puts the centre
of its cell at ``2 i + 1.5``. So pool4 is cut by 5 cells, pool3 by 9, and the result by 19, 27 or 31 pixels.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from visus.names import named
from visus.nn.backbones import Backbone, backbone, freeze, loads_pretrained, pretrained_state
from visus.nn.transform import ImageTransform
from visus.nn.weights import load_state
from visus.systems.segmentation.outputs import Frame
from visus.systems.segmentation.segmenter import Segmenter

POOLS = (16, 23, 30)
"""The layers of VGG-16 that are pool3, pool4 and pool5."""

BORDER = 100
SKIP_CUTS = (5, 9)
"""Cells cut from pool4 and from pool3."""

SKIP_SCALES = (0.01, 0.0001)
LAST_CUTS = (19, 27, 31)
"""Pixels cut from the result without a skip, with one, with two."""


class FCNDecoder(nn.Module):
    """The classifier as convolutions, and the way back to the image.

    Args:
        channels: of pool3, pool4 and pool5.
        num_classes: classes of a pixel.
        skips: how many poolings give scores of their own: 0 for FCN-32s, 1 for FCN-16s, 2 for FCN-8s.
        hidden: channels of the two convolutions that were fully connected layers.
    """

    def __init__(self, channels: Sequence[int], num_classes: int, *, skips: int, hidden: int = 4096) -> None:
        super().__init__()
        *poolings, last = channels
        self.fc6 = nn.Conv2d(last, hidden, 7)
        self.fc7 = nn.Conv2d(hidden, hidden, 1)
        self.dropout = nn.Dropout2d(0.5)
        self.score = _zero_layer(hidden, num_classes)
        self.skip_scores = nn.ModuleList(_zero_layer(c, num_classes) for c in poolings[::-1][:skips])
        self.enlarge = nn.ModuleList(_doubling(num_classes) for _ in range(skips))
        self.last_stride, self.last_cut = 32 >> skips, LAST_CUTS[skips]
        self.register_buffer("last_filter", bilinear_filter(2 * self.last_stride), persistent=False)

    last_filter: Tensor

    def forward(self, stages: list[Float[Tensor, "b _ _ _"]], frame: Frame) -> Float[Tensor, "b c h w"]:
        """The logits of every pixel of the frame."""
        *poolings, last = stages
        x = self.dropout(F.relu(self.fc6(last)))
        x = self.dropout(F.relu(self.fc7(x)))
        x = self.score(x)
        streams = zip(self.enlarge, self.skip_scores, poolings[::-1], SKIP_SCALES, SKIP_CUTS, strict=False)
        for enlarge, score, pooling, scale, cut in streams:
            x = enlarge(x)
            x = x + _cut(score(pooling * scale), cut, (x.shape[-2], x.shape[-1]))
        weight = self.last_filter.to(x.dtype).expand(x.shape[1], 1, -1, -1)
        x = F.conv_transpose2d(x, weight, stride=self.last_stride, groups=x.shape[1])
        return _cut(x, self.last_cut, frame.size)


def bilinear_filter(side: int) -> Float[Tensor, "_ _"]:
    """The filter with which a transposed convolution of stride ``side / 2`` interpolates bilinearly.

    >>> bilinear_filter(4)[1]
    tensor([0.1875, 0.5625, 0.5625, 0.1875])
    """
    stride = side / 2
    line = 1 - ((torch.arange(side) + 0.5) / stride - 1).abs()
    return line[:, None] * line


def _doubling(num_classes: int) -> nn.ConvTranspose2d:
    """A transposed convolution that begins as bilinear interpolation of each class by itself."""
    layer = nn.ConvTranspose2d(num_classes, num_classes, 4, stride=2, bias=False)
    with torch.no_grad():
        layer.weight.zero_()
        layer.weight[range(num_classes), range(num_classes)] = bilinear_filter(4)
    return layer


def _zero_layer(channels: int, num_classes: int) -> nn.Conv2d:
    """A layer of scores that begin at zero."""
    layer = nn.Conv2d(channels, num_classes, 1)
    for parameter in layer.parameters():
        nn.init.zeros_(parameter)
    return layer


def _cut(x: Tensor, offset: int, size: tuple[int, int]) -> Tensor:
    return x[:, :, offset : offset + size[0], offset : offset + size[1]]


def _load_vgg(body: Backbone, decoder: FCNDecoder) -> None:
    """VGG-16's filters, and its fully connected layers as convolutions where the decoder has their width."""
    state, source = pretrained_state("vgg16")
    features = {k.removeprefix("features."): value for k, value in state.items() if k.startswith("features.")}
    load_state(body, features, source=source)
    for name, layer in (("classifier.0", decoder.fc6), ("classifier.3", decoder.fc7)):
        if state[f"{name}.weight"].numel() == layer.weight.numel():
            values = {"weight": state[f"{name}.weight"].view_as(layer.weight), "bias": state[f"{name}.bias"]}
            load_state(layer, values, source=source)


def _vgg16(
    skips: int,
    /,
    *,
    num_classes: int = 21,
    pretrained: bool = False,
    trainable_layers: int = 5,
    hidden: int = 4096,
    min_size: int | None = None,
    max_size: int | None = None,
) -> Segmenter:
    """An FCN with scores of its own for so many poolings.

    Args:
        num_classes: classes of a pixel; where a data set has a background, it is one of them.
        pretrained: start from torchvision's VGG-16 (fetched once), its fully connected layers included.
        trainable_layers: how many of the backbone's five stages learn, counted from the last.
        hidden: channels of what were fully connected layers; other than 4096 they start afresh.
        min_size: the shorter side of an image in pixels; None keeps images as they are, as the paper does.
        max_size: the most of its longer side; None for any.
    """
    body = backbone("vgg16", taps=POOLS)
    body.get_submodule("0").padding = (BORDER, BORDER)  # type: ignore[assignment]
    for number in (4, 9, *POOLS):
        body.get_submodule(str(number)).ceil_mode = True  # type: ignore[assignment]
    decoder = FCNDecoder(body.channels, num_classes, skips=skips, hidden=hidden)
    if pretrained and loads_pretrained("vgg16"):
        _load_vgg(body, decoder)
    freeze(body, trainable_layers)
    transform = ImageTransform(min_size=min_size, max_size=max_size, divisor=1, antialias=True)
    return Segmenter(transform=transform, backbone=body, classifier=decoder)


fcn32s_vgg16 = named("fcn32s_vgg16", _vgg16, 0, "FCN-32s: the scores of VGG-16's last layer alone.")
fcn16s_vgg16 = named("fcn16s_vgg16", _vgg16, 1, "FCN-16s: FCN-32s and the scores of pool4.")
fcn8s_vgg16 = named("fcn8s_vgg16", _vgg16, 2, "FCN-8s: FCN-16s and the scores of pool3.")
