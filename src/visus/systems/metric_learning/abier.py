"""BIER and A-BIER, boosting independent embeddings robustly (Opitz, Waltner, Possegger, Bischof, arXiv 1801.04815).

One embedding in three parts of growing size. The first learns from all pairs of a batch alike; each next one mostly
from the pairs that those before still get wrong, by online gradient boosting. So that the parts do not say the same, a
regressor tries to tell each smaller part from the larger ones, and the embedding learns to prevent it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import combinations
from typing import Literal

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn
from torch.nn import functional as F

from visus.names import named
from visus.nn.square import SquareTransform, whole_image
from visus.systems.metric_learning.backbones import (
    MakeBackbone,
    NeckedBackbone,
    googlenet_backbone,
    lite0_backbone,
    resnet50_backbone,
)
from visus.systems.metric_learning.losses.distances import inner_products
from visus.systems.metric_learning.outputs import EmbeddingOutputs, embedding_predictions
from visus.systems.metric_learning.pooling import AveragePooling, Pooling, PoolingName, make_pooling
from visus.types import ClassTarget, EmbeddingPrediction, ImageBatch

Boosting = Literal["online", "shrinkage"]
SIZES = (96, 160, 256)


@dataclass(frozen=True)
class ABIEROutputs(EmbeddingOutputs):
    """Embeddings in parts, and what the diversity loss looks at.

    Args:
        hidden_parts: the parts before the division by their length and without bias, from features that the gradient
            does not pass: the diversity loss moves the embedding's matrices and nothing below.
        matrices: those matrices.
    """

    hidden_parts: list[Float[Tensor, "b _"]] = field(default_factory=list)
    matrices: list[Float[Tensor, "_ c"]] = field(default_factory=list)


class ABIER(nn.Module):
    """Transform, backbone, pooling, and one linear layer for each learner.

    Args:
        transform: resizing to a square, and normalising.
        backbone: the features.
        pooling: from those of all stages to a vector; None for the average of the last.
        sizes: the dimensions of each learner, smallest first.
    """

    channels_last = True
    adapts = False

    def __init__(
        self,
        *,
        transform: SquareTransform,
        backbone: NeckedBackbone,
        pooling: Pooling | None = None,
        sizes: Sequence[int] = SIZES,
    ) -> None:
        super().__init__()
        self.transform, self.backbone = transform, backbone
        self.pooling = pooling or AveragePooling()
        self.sizes = tuple(sizes)
        pooled = self.pooling.width(backbone.channels)
        self.embedding = nn.ModuleList(nn.Linear(pooled, size) for size in sizes)
        for learner in self.embedding:
            _unit_rows(learner)

    def forward(self, images: ImageBatch, targets: Sequence[ClassTarget] | None = None) -> ABIEROutputs:
        """The parts, and all of them in one row, each weighted by its share of the dimensions."""
        pooled = self.pooling(self.backbone.stages(self.transform(images)))
        parts = [F.normalize(learner(pooled), dim=1) for learner in self.embedding]
        matrices = [learner.weight for learner in self.embedding if isinstance(learner, nn.Linear)]
        hidden = [F.linear(pooled.detach(), matrix) for matrix in matrices]
        return ABIEROutputs(images.sizes, weighted_row(parts), parts, hidden, matrices)

    @torch.no_grad()
    def postprocess(self, outputs: EmbeddingOutputs, sizes: Sequence[tuple[int, int]]) -> list[EmbeddingPrediction]:
        """All parts of each image in one row."""
        return embedding_predictions(outputs, sizes)


def weighted_row(parts: Sequence[Float[Tensor, "b _"]]) -> Float[Tensor, "b d"]:
    """Unit vectors in one row, each times its share of the dimensions.

    The dot product of two rows is the sum of ``share^2 * cosine`` over the learners: the shares weigh the vectors, not
    their similarities. All rows have one length, so that cosine and Euclidean distance rank as the dot product does.
    """
    total = sum(part.shape[1] for part in parts)
    return torch.cat([part * (part.shape[1] / total) for part in parts], 1)


class ABIERCriterion(nn.Module):
    """Boosted binomial deviance of the learners, and adversarial diversity between them.

    Args:
        sizes: the dimensions of each learner.
        alpha: slope of the deviance in the cosine.
        beta: cosine at which a pair changes sides.
        cost: how many times as steep pairs of different classes are; it stands inside of the exponent.
        boosting: how the scores of learners add up, see `boosted_deviance`.
        diversity: weight of the diversity loss; 0 leaves it out of the sum.
        unit_weight: weight, inside of it, of what keeps rows of matrices at length 1 and biases below it; None for 1e5.
        hidden: units of the regressors' hidden layer; None for 512.

    Raises:
        ValueError: an unknown way of boosting, or a number of the diversity loss where that is left out.
    """

    def __init__(
        self,
        *,
        sizes: Sequence[int] = SIZES,
        alpha: float = 2.0,
        beta: float = 0.5,
        cost: float = 25.0,
        boosting: Boosting = "online",
        diversity: float = 5e-5,
        unit_weight: float | None = None,
        hidden: int | None = None,
    ) -> None:
        super().__init__()
        if boosting not in ("online", "shrinkage"):
            raise ValueError(f'boosting must be "online" or "shrinkage", not {boosting!r}')
        if not diversity and (unit_weight is not None or hidden is not None):
            raise ValueError("unit_weight and hidden are read by the diversity loss alone, and diversity is 0")
        self.alpha, self.beta, self.cost, self.boosting = alpha, beta, cost, boosting
        self.diversity, self.unit_weight = diversity, 1e5 if unit_weight is None else unit_weight
        self.pairs, units = tuple(combinations(range(len(sizes)), 2)), 512 if hidden is None else hidden
        self.regressors = nn.ModuleList(_regressor(sizes[j], units, sizes[i]) for i, j in self.pairs)

    def forward(self, outputs: ABIEROutputs, targets: Sequence[ClassTarget]) -> dict[str, Float[Tensor, ""]]:
        """The learners' deviance, the regressors' success, and how far matrices are from unit rows."""
        labels = torch.stack([target.label for target in targets])
        learned = boosted_deviance(
            outputs.parts,
            labels[:, None] == labels,
            alpha=self.alpha,
            beta=self.beta,
            cost=self.cost,
            boosting=self.boosting,
        )
        told, units = outputs.embeddings.new_zeros(()), outputs.embeddings.new_zeros(())
        for (i, j), regressor in zip(self.pairs, self.regressors, strict=True):
            small, large = (reverse_gradient(outputs.hidden_parts[k]) for k in (i, j))
            told = told - (small * _told(regressor, large)).square().mean()
            layers = [layer for layer in regressor.modules() if isinstance(layer, nn.Linear)]
            units = units + torch.stack([_excess(layer) for layer in layers]).sum()
        units = units + torch.stack([_off_unit(matrix) for matrix in outputs.matrices]).sum()
        return {
            "deviance": learned,
            "adversary": self.diversity * told,
            "unit": self.diversity * self.unit_weight * units,
        }


def boosted_deviance(
    parts: Sequence[Float[Tensor, "b _"]],
    same: Bool[Tensor, "b b"],
    *,
    alpha: float = 2.0,
    beta: float = 0.5,
    cost: float = 25.0,
    boosting: Boosting = "online",
) -> Float[Tensor, ""]:
    """The mean over learners of their binomial deviance, each pair weighted by what the learners before left over.

    Pairs of one class weigh as much as all others together. An image makes no pair with itself.

    Args:
        parts: what each learner says, of unit length.
        same: which pairs are of one class.
        alpha: slope of the deviance in the cosine.
        beta: cosine at which a pair changes sides.
        cost: of pairs of different classes.
        boosting: ``"online"`` averages scores with the rate 2 / (m + 1) (algorithm 1 of the paper); ``"shrinkage"`` is
            the released code's usual form, which adds 0.06 of each score to a start of 0.5 and doubles the weights of
            pairs of different classes from the second learner on.
    """
    others = ~torch.eye(len(same), dtype=torch.bool, device=same.device)
    shares = [kind / kind.sum().clamp(min=1) for kind in (same & others, ~same)]
    pair_share = torch.stack(shares).sum(0)
    weights, found = torch.ones_like(pair_share), []
    total = torch.full_like(pair_share, 0.0 if boosting == "online" else 0.5)
    for m, part in enumerate(parts):
        score = pair_scores(inner_products(part, part), same, alpha=alpha, beta=beta, cost=cost)
        found.append((F.softplus(-score) * weights * pair_share).sum())
        if boosting == "online":
            rate = 2 / (m + 2)  # learners count from 1 in the paper
            total = (1 - rate) * total + rate * score.detach()
            weights = boosting_weights(total)
        else:
            total = total + 0.06 * score.detach()
            weights = boosting_weights(total) * torch.where(same, 1.0, 2.0)
    return torch.stack(found).mean()


def pair_scores(
    cosines: Float[Tensor, "*n"], same: Bool[Tensor, "*n"], *, alpha: float = 2.0, beta: float = 0.5, cost: float = 25.0
) -> Float[Tensor, "*n"]:
    """How right each pair is: ``alpha (s - beta)`` within a class, ``-cost`` times that between two.

    The binomial deviance (equation 5) is ``softplus`` of the negative score.
    """
    return alpha * (cosines - beta) * torch.where(same, 1.0, -cost)


def boosting_weights(scores: Float[Tensor, "*n"]) -> Float[Tensor, "*n"]:
    """The negative slope of the deviance at each pair's score, in 0..1; a constant to autograd."""
    return torch.sigmoid(-scores.detach())


def reverse_gradient(x: Float[Tensor, "*n"]) -> Float[Tensor, "*n"]:
    """The same values; gradients that come back change their sign."""
    return 2 * x.detach() - x


def _regressor(channels: int, hidden: int, width: int) -> nn.Sequential:
    """From a larger learner to a smaller one; rows start at length 1, where the penalty wants them."""
    layers = nn.Sequential(nn.Linear(channels, hidden), nn.ReLU(), nn.Linear(hidden, width))
    _unit_rows(layers[0])
    _unit_rows(layers[2])
    return layers


def _told(regressor: nn.Module, large: Tensor) -> Tensor:
    """What a regressor says, in float32 inside autocast too."""
    for layer in regressor.children():
        large = inner_products(large, layer.weight) + layer.bias if isinstance(layer, nn.Linear) else layer(large)
    return large


@torch.no_grad()
def _unit_rows(layer: nn.Module) -> None:
    assert isinstance(layer, nn.Linear)
    layer.weight.copy_(F.normalize(torch.randn_like(layer.weight), dim=1))
    layer.bias.zero_()


def _off_unit(matrix: Tensor) -> Tensor:
    """How far the squared lengths of rows, each the weights of one output, are from 1."""
    return (matrix.square().sum(1) - 1).square().mean()


def _excess(layer: nn.Linear) -> Tensor:
    """The same, and by how much the squared length of the bias exceeds 1."""
    return _off_unit(layer.weight) + (layer.bias.square().sum() - 1).clamp(min=0)


def _abier(
    backbone: MakeBackbone,
    /,
    *,
    size: int = 224,
    pooling: PoolingName = "average",
    pretrained: bool = False,
    trainable_layers: int | None = 5,
) -> ABIER:
    """A-BIER on a backbone.

    Args:
        size: pixels of a side of the square that images are stretched to.
        pooling: ``"average"`` is the paper's; ``"layout"`` also tells where in the image things are.
        pretrained: start from ImageNet weights, with frozen norms.
        trainable_layers: how many of the body's five groups learn, counted from the last; None for 3 if pretrained,
            else all.
    """
    backbone = backbone(pretrained=pretrained, trainable_layers=trainable_layers)
    return ABIER(transform=whole_image(size, backbone.body), backbone=backbone, pooling=make_pooling(pooling))


abier_lite0 = named(
    "abier_lite0",
    _abier,
    lite0_backbone,
    "A-BIER on EfficientNet-Lite0, 512 dimensions, for a CPU.",
    size=96,
    pretrained=True,
    trainable_layers=None,
)
abier_resnet50 = named("abier_resnet50", _abier, resnet50_backbone, "A-BIER on ResNet-50, 512 dimensions.")
abier_googlenet = named(
    "abier_googlenet",
    _abier,
    googlenet_backbone,
    "The paper's A-BIER on GoogLeNet, 96 + 160 + 256 = 512 dimensions.",
)
