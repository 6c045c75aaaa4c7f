"""Classification: what an image shows, and one box around it."""

from visus.problem import Architecture, Problem
from visus.systems.classification.batches import mixed_batches
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
from visus.systems.classification.measured import classification_metric
from visus.systems.classification.taught import TaughtClassifier, taught_lite0
from visus.types import ClassTarget

CLASSIFIERS = {
    "resnet18": resnet18,
    "resnet34": resnet34,
    "resnet50": resnet50,
    "resnet101": resnet101,
    "vgg16": vgg16,
    "mobilenet_v3_large": mobilenet_v3_large,
    "mobilenet_v3_small": mobilenet_v3_small,
    "classifier_lite0": classifier_lite0,
}

PROBLEM = Problem(
    name="classification",
    targets=(ClassTarget,),
    architectures=(
        Architecture({**CLASSIFIERS, "taught_lite0": taught_lite0}, {"classification": ClassificationCriterion}),
    ),
    metric=classification_metric,
    vary=mixed_batches,
    batch_options=("mixup", "cutmix"),
)

__all__ = ["PROBLEM", "ClassificationCriterion", "ImageClassifier", "TaughtClassifier"]
