"""How made images are measured: with EfficientNet-Lite0 as the network that looks at them."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

from visus.nn.backbones.efficientnet_lite import EfficientNetLite, efficientnet_lite0
from visus.training.recipe import Recipe
from visus.types import Schema

if TYPE_CHECKING:
    from visus.metrics.generation import GenerationMetric

# The metric is imported where it is made: torchmetrics takes a second, and predicting needs none.

LOOKED_AT = 128
"""Side of the images that the feature network sees, in pixels."""


def generation_metric(model: Any, recipe: Recipe, schema: Schema) -> GenerationMetric:
    """Frechet distance, score and boxes, at the size of the model's images."""
    from visus.metrics.generation import Features, GenerationMetric

    return GenerationMetric(size=model.transform.size, features=Features(f"Lite0 at {LOOKED_AT}", _look))


@cache
def _network() -> EfficientNetLite:
    return efficientnet_lite0(pretrained=True).eval()


@torch.no_grad()
def _look(images: Float[Tensor, "n 3 s s"]) -> tuple[Float[Tensor, "n d"], Float[Tensor, "n k"]]:
    """The 1280 average features of images in 0..1, and the logits of ImageNet's classes."""
    network = _network()
    pixels = F.interpolate(images, size=(LOOKED_AT, LOOKED_AT), mode="bilinear", antialias=True)
    mean, std = (pixels.new_tensor(values)[:, None, None] for values in (network.body.mean, network.body.std))
    maps = network.features.stages((pixels - mean) / std)
    features = network.head(maps[-1]).mean((2, 3))
    return features, network.classifier(features)
