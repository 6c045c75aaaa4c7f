"""Networks and their parts that know no task: backbones, feature pyramids, region proposals, and weights on disk."""

from __future__ import annotations

from visus.nn.backbones import BACKBONES, Backbone, backbone, freeze
from visus.nn.norm import FrozenBatchNorm2d, conv_norm
from visus.nn.published import PUBLISHED, PublishedWeights
from visus.nn.pyramid import FeaturePyramid, PyramidBackbone
from visus.nn.weights import WeightsError, load_state, read_weights, save_weights

__all__ = [
    "BACKBONES",
    "PUBLISHED",
    "Backbone",
    "FeaturePyramid",
    "FrozenBatchNorm2d",
    "PublishedWeights",
    "PyramidBackbone",
    "WeightsError",
    "backbone",
    "conv_norm",
    "freeze",
    "load_state",
    "read_weights",
    "save_weights",
]
