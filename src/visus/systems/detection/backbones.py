"""The pyramids that detectors stand on, with torchvision's numbers, and our small one for a CPU."""

from __future__ import annotations

from torch import nn

from visus.nn.backbones import DETECTOR_TAPS, backbone
from visus.nn.norm import NormName
from visus.nn.pyramid import PyramidBackbone

SMALL_CHANNELS = 64


def resnet50_pyramid(
    *,
    pretrained: bool = False,
    norm: NormName | None = None,
    trainable_layers: int | None = None,
    pyramid_norm: bool = False,
) -> PyramidBackbone:
    """P2 to P6 on a ResNet-50, 256 channels each; ``pyramid_norm`` puts batch norms behind its convolutions."""
    body = backbone("resnet50", pretrained=pretrained, norm=norm, trainable_layers=trainable_layers)
    return PyramidBackbone(body, norm=nn.BatchNorm2d if pyramid_norm else None)


def mobilenet_pyramid(
    *, pretrained: bool = False, norm: NormName | None = None, trainable_layers: int | None = None
) -> PyramidBackbone:
    """Three levels on the last two stages of a MobileNetV3-Large, 256 channels each."""
    body = backbone(
        "mobilenet_v3_large", pretrained=pretrained, norm=norm, trainable_layers=trainable_layers, taps=DETECTOR_TAPS
    )
    return PyramidBackbone(body)


def lite0_pyramid(*, pretrained: bool = True, trainable_layers: int | None = None) -> PyramidBackbone:
    """P2 to P6 on an EfficientNet-Lite0, 64 channels each."""
    body = backbone("efficientnet_lite0", pretrained=pretrained, trainable_layers=trainable_layers)
    return PyramidBackbone(body, out_channels=SMALL_CHANNELS, norm=nn.BatchNorm2d)
