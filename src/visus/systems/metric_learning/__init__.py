"""Deep metric learning: descriptors, the ensembles HDC, A-BIER and ABE, and the losses they learn by."""

from __future__ import annotations

from collections.abc import Callable

from torch import nn

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
from visus.systems.metric_learning.descriptor import (
    Descriptor,
    descriptor_bn_inception,
    descriptor_googlenet,
    descriptor_lite0,
    descriptor_resnet50,
)
from visus.systems.metric_learning.hdc import HDC, HDCCriterion, hdc_googlenet, hdc_lite0, hdc_resnet50
from visus.systems.metric_learning.losses import LOSSES as SINGLE_LOSSES
from visus.systems.metric_learning.outputs import EmbeddingOutputs

MODELS: dict[str, Callable[..., nn.Module]] = {
    "descriptor_lite0": descriptor_lite0,
    "descriptor_resnet50": descriptor_resnet50,
    "descriptor_googlenet": descriptor_googlenet,
    "descriptor_bn_inception": descriptor_bn_inception,
    "hdc_lite0": hdc_lite0,
    "hdc_resnet50": hdc_resnet50,
    "hdc_googlenet": hdc_googlenet,
    "abier_lite0": abier_lite0,
    "abier_resnet50": abier_resnet50,
    "abier_googlenet": abier_googlenet,
    "abe2_lite0": abe2_lite0,
    "abe4_lite0": abe4_lite0,
    "abe8_lite0": abe8_lite0,
    "abe8_resnet50": abe8_resnet50,
    "abe8_googlenet": abe8_googlenet,
}
LOSSES: dict[str, Callable[..., nn.Module]] = {
    **SINGLE_LOSSES,
    "hdc": HDCCriterion,
    "abier": ABIERCriterion,
    "abe": ABECriterion,
}

__all__ = [
    "ABE",
    "ABIER",
    "HDC",
    "LOSSES",
    "MODELS",
    "ABECriterion",
    "ABIERCriterion",
    "Descriptor",
    "EmbeddingOutputs",
    "HDCCriterion",
]
