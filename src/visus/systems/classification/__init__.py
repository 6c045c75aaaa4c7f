"""Classification: what a picture shows, and one box around it."""

from collections.abc import Callable

from torch import nn

from visus.systems.classification.classifier import (
    ImageClassifier,
    classifier_lite0,
    mobilenet_v3_large,
    mobilenet_v3_small,
    resnet18,
    resnet34,
    resnet50,
    resnet101,
    vgg16,
)
from visus.systems.classification.losses import ClassificationCriterion

MODELS: dict[str, Callable[..., nn.Module]] = {
    "resnet18": resnet18,
    "resnet34": resnet34,
    "resnet50": resnet50,
    "resnet101": resnet101,
    "vgg16": vgg16,
    "mobilenet_v3_large": mobilenet_v3_large,
    "mobilenet_v3_small": mobilenet_v3_small,
    "classifier_lite0": classifier_lite0,
}
LOSSES = {"classification": ClassificationCriterion}

__all__ = ["LOSSES", "MODELS", "ClassificationCriterion", "ImageClassifier"]
