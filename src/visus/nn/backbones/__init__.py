"""Backbones: networks that turn pixels into features at several strides."""

from __future__ import annotations

from visus.nn.backbones.bn_inception import bn_inception
from visus.nn.backbones.build import (
    BACKBONES,
    PACKAGED,
    Network,
    backbone,
    lite0_or,
    loads_pretrained,
    network,
    pretrained_state,
    without_pretrained,
)
from visus.nn.backbones.efficientnet_lite import efficientnet_lite0
from visus.nn.backbones.googlenet import googlenet
from visus.nn.backbones.interface import AnyBackbone, Backbone, as_backbone, freeze
from visus.nn.backbones.mobilenet_v3 import DETECTOR_TAPS, mobilenet_v3_large, mobilenet_v3_small
from visus.nn.backbones.resnet import resnet18, resnet34, resnet50, resnet101
from visus.nn.backbones.vgg import vgg16

__all__ = [
    "BACKBONES",
    "DETECTOR_TAPS",
    "PACKAGED",
    "AnyBackbone",
    "Backbone",
    "Network",
    "as_backbone",
    "backbone",
    "bn_inception",
    "efficientnet_lite0",
    "freeze",
    "googlenet",
    "lite0_or",
    "loads_pretrained",
    "mobilenet_v3_large",
    "mobilenet_v3_small",
    "network",
    "pretrained_state",
    "resnet18",
    "resnet34",
    "resnet50",
    "resnet101",
    "vgg16",
    "without_pretrained",
]
