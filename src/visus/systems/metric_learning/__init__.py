"""Deep metric learning: descriptors, the ensembles HDC, A-BIER and ABE, and the losses they learn by."""

from __future__ import annotations

from visus.problem import Architecture, Problem
from visus.systems.metric_learning.abe import (
    ABE,
    ABECriterion,
    abe2_lite0,
    abe4_lite0,
    abe8_googlenet,
    abe8_lite0,
    abe8_resnet50,
)
from visus.systems.metric_learning.abier import ABIER, ABIERCriterion, abier_googlenet, abier_lite0, abier_resnet50
from visus.systems.metric_learning.criterion import MetricLearningCriterion
from visus.systems.metric_learning.descriptor import (
    Descriptor,
    descriptor_bn_inception,
    descriptor_googlenet,
    descriptor_lite0,
    descriptor_resnet50,
)
from visus.systems.metric_learning.hdc import HDC, HDCCriterion, hdc_googlenet, hdc_lite0, hdc_resnet50
from visus.systems.metric_learning.losses import LOSSES
from visus.systems.metric_learning.measured import (
    KS,
    all_cameras_metric,
    all_cameras_reranked_metric,
    lfw_metric,
    market1501_metric,
    market1501_reranked_metric,
    retrieval_metric,
    verification_metric,
)
from visus.systems.metric_learning.outputs import EmbeddingOutputs
from visus.types import ClassTarget

DESCRIPTORS = {
    "descriptor_lite0": descriptor_lite0,
    "descriptor_resnet50": descriptor_resnet50,
    "descriptor_googlenet": descriptor_googlenet,
    "descriptor_bn_inception": descriptor_bn_inception,
}
HDCS = {"hdc_lite0": hdc_lite0, "hdc_resnet50": hdc_resnet50, "hdc_googlenet": hdc_googlenet}
ABIERS = {"abier_lite0": abier_lite0, "abier_resnet50": abier_resnet50, "abier_googlenet": abier_googlenet}
ABES = {
    "abe2_lite0": abe2_lite0,
    "abe4_lite0": abe4_lite0,
    "abe8_lite0": abe8_lite0,
    "abe8_resnet50": abe8_resnet50,
    "abe8_googlenet": abe8_googlenet,
}

PROBLEM = Problem(
    name="metric_learning",
    targets=(ClassTarget,),
    architectures=(
        Architecture(
            DESCRIPTORS,
            LOSSES,
            facts=lambda model: {"embedding_dim": model.embedding_dim},
            criterion=MetricLearningCriterion,
        ),
        Architecture(HDCS, {"hdc": HDCCriterion}),
        Architecture(ABIERS, {"abier": ABIERCriterion}, facts=lambda model: {"sizes": model.sizes}),
        Architecture(ABES, {"abe": ABECriterion}),
    ),
    metric=retrieval_metric,
    metrics={
        "market1501": market1501_metric,
        "market1501_reranked": market1501_reranked_metric,
        "reid_all_cameras": all_cameras_metric,
        "reid_all_cameras_reranked": all_cameras_reranked_metric,
        "verification": verification_metric,
        "lfw": lfw_metric,
    },
    val_losses=False,
    unseen_classes=True,
)

__all__ = [
    "ABE",
    "ABIER",
    "HDC",
    "KS",
    "PROBLEM",
    "ABECriterion",
    "ABIERCriterion",
    "Descriptor",
    "EmbeddingOutputs",
    "HDCCriterion",
]
