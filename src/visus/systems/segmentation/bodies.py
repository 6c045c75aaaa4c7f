"""Backbones for segmentation: classifiers that keep their resolution in the last stages and dilate instead.

"Output stride" is the pixels between two cells of the last features. A classifier has 32. Here a stage that would
halve the resolution does not, and all filters after it reach twice as far (arXiv 1606.00915, section 3.1), so that
every filter still sees what it saw in training. Each stage's first block keeps the dilation of the stage before, as in
torchvision's files.
"""

from __future__ import annotations

from collections.abc import Sequence

from torch import nn

from visus.names import find
from visus.nn.backbones import (
    Backbone,
    backbone,
    freeze,
    lite0_or,
    loads_pretrained,
    pretrained_state,
    resnet50,
    resnet101,
)
from visus.nn.backbones.efficientnet_lite import ConvNorm
from visus.nn.backbones.mobilenet_v3 import InvertedResidual, classification_norm
from visus.nn.backbones.resnet import Bottleneck
from visus.nn.weights import load_state

_RESNETS = {"resnet50": resnet50, "resnet101": resnet101}
_DILATED = {8: (False, True, True), 16: (False, False, True), 32: (False, False, False)}
MOBILENET_TAPS = (4, 16)
"""Where torchvision's DeepLabv3 reads MobileNetV3-Large: the second head at stride 8, the first behind all layers."""
_MOBILENET_LAST = (13, 14, 15)


def dilated_resnet(
    name: str,
    *,
    output_stride: int = 8,
    multi_grid: Sequence[int] = (1, 1, 1),
    pretrained: bool = False,
    trainable_layers: int = 5,
) -> Backbone:
    """A ResNet with batch norms and the given output stride.

    Args:
        name: ``resnet50`` or ``resnet101``.
        output_stride: 8 dilates the last two stages, 16 the last, 32 none.
        multi_grid: factors on the dilation of the three blocks of the last stage (arXiv 1706.05587, section 3.2.1).
            With other factors than 1, the first block is dilated as the others.
        pretrained: start from torchvision's ImageNet weights (fetched once).
        trainable_layers: how many of the five stages learn, counted from the last.

    Raises:
        ValueError: another network or output stride, or not three factors.
    """
    if output_stride not in _DILATED:
        raise ValueError(f"output_stride must be 8, 16 or 32, not {output_stride}")
    body = find(_RESNETS, name, "dilated ResNet")(
        replace_stride_with_dilation=_DILATED[output_stride], num_classes=None
    )
    if tuple(multi_grid) != (1, 1, 1):
        _set_multi_grid(list(body.get_submodule("layer4").children()), multi_grid, 32 // output_stride)
    if pretrained and loads_pretrained(name):
        state, source = pretrained_state(name)
        load_state(body, {key: value for key, value in state.items() if not key.startswith("fc.")}, source=source)
    freeze(body, trainable_layers)
    return body


def _set_multi_grid(blocks: list[nn.Module], factors: Sequence[int], dilation: int) -> None:
    if len(factors) != len(blocks) or min(factors) < 1:
        raise ValueError(f"multi_grid must be {len(blocks)} factors of at least 1, not {tuple(factors)}")
    for block, factor in zip(blocks, factors, strict=True):
        assert isinstance(block, Bottleneck)
        _dilate(block.conv2, factor * dilation)


def dilated_mobilenet(*, pretrained: bool = False, trainable_layers: int = 6) -> Backbone:
    """MobileNetV3-Large with output stride 16, as torchvision's DeepLabv3 has it: its last three blocks are dilated."""
    body = backbone(
        "mobilenet_v3_large", pretrained=pretrained, norm=classification_norm, taps=MOBILENET_TAPS, trainable_layers=6
    )
    for number in _MOBILENET_LAST:
        block = body.get_submodule(str(number))
        assert isinstance(block, InvertedResidual)
        conv = block.block.get_submodule("1.0")  # the depthwise convolution
        assert isinstance(conv, nn.Conv2d)
        conv.stride = (1, 1)
        _dilate(conv, 2)
    body.strides = (8, 16)
    freeze(body, trainable_layers)
    return body


def dilated_lite0(
    *,
    output_stride: int = 16,
    pretrained: bool = True,
    trainable_layers: int | None = None,
    body: Backbone | None = None,
) -> Backbone:
    """EfficientNet-Lite0 with output stride 16 (its last stage dilates) or 32 (as it is); another ``body`` as it is."""
    if output_stride not in (16, 32):
        raise ValueError(f"output_stride must be 16 or 32 for EfficientNet-Lite0, not {output_stride}")
    own, body = body, lite0_or(body, pretrained=pretrained, trainable_layers=trainable_layers)
    if own is None and output_stride == 16:
        first, *rest = body.groups()[-1]
        _keep_resolution(first, 1)
        for block in rest:
            _keep_resolution(block, 2)
        body.strides = (4, 8, 16, 16)
    return body


def _keep_resolution(block: nn.Module, dilation: int) -> None:
    layer = block.get_submodule("depthwise")
    assert isinstance(layer, ConvNorm)
    layer.conv.stride = (1, 1)
    _dilate(layer.conv, dilation)


def _dilate(conv: nn.Conv2d, dilation: int) -> None:
    """Spreads a filter of odd size; with its padding the size of a map stays."""
    conv.dilation = (dilation, dilation)
    conv.padding = (conv.kernel_size[0] // 2 * dilation, conv.kernel_size[1] // 2 * dilation)
