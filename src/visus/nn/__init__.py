"""Networks and their parts that know no task: backbones, feature pyramids, region proposals, and weights on disk."""

from __future__ import annotations

from typing import TYPE_CHECKING

from visus.lazy import lazily

if TYPE_CHECKING:
    from visus.nn.backbones import BACKBONES, Backbone, backbone, freeze
    from visus.nn.norm import FrozenBatchNorm2d, conv_norm
    from visus.nn.published import PUBLISHED, PublishedWeights
    from visus.nn.pyramid import FeaturePyramid, PyramidBackbone
    from visus.nn.weights import WeightsError, load_state, read_weights, save_weights

_PUBLIC = {
    "BACKBONES": "visus.nn.backbones",
    "Backbone": "visus.nn.backbones",
    "backbone": "visus.nn.backbones",
    "freeze": "visus.nn.backbones",
    "FrozenBatchNorm2d": "visus.nn.norm",
    "conv_norm": "visus.nn.norm",
    "PUBLISHED": "visus.nn.published",
    "PublishedWeights": "visus.nn.published",
    "FeaturePyramid": "visus.nn.pyramid",
    "PyramidBackbone": "visus.nn.pyramid",
    "WeightsError": "visus.nn.weights",
    "load_state": "visus.nn.weights",
    "read_weights": "visus.nn.weights",
    "save_weights": "visus.nn.weights",
}

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
__getattr__ = lazily(__name__, _PUBLIC)
