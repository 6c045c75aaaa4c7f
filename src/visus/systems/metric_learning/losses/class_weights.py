"""What losses by a learned direction for each class share: cosines to all of them, and the softmax over those."""

from __future__ import annotations

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn
from torch.nn import functional as F

from visus.systems.metric_learning.losses.distances import checked_embeddings, inner_products, unit_length


def class_cosines(
    embeddings: Float[Tensor, "n d"], labels: Int64[Tensor, " n"], weights: Float[Tensor, "c d"]
) -> Float[Tensor, "n c"]:
    """The cosine of each embedding and each class's weight, within -1 to 1.

    Raises:
        ValueError: an embedding is NaN or infinite, a label has no weight, or there are fewer than two weights.
    """
    embeddings = checked_embeddings(embeddings, labels, True)
    check_classes(len(weights))
    low, high = labels.aminmax()
    if low < 0 or high >= len(weights):
        raise ValueError(f"labels go from {int(low)} to {int(high)}, but there are weights of {len(weights)} classes")
    return inner_products(embeddings, unit_length(weights.to(embeddings.dtype))).clamp(-1, 1)


def check_classes(count: int) -> None:
    """Refuses a single class.

    Raises:
        ValueError: there are fewer than two.
    """
    if count < 2:
        raise ValueError(f"a softmax compares classes: num_classes has to be at least 2, not {count}")


def softmax_with(
    cosines: Float[Tensor, "n c"], labels: Int64[Tensor, " n"], own: Float[Tensor, "n 1"], scale: float
) -> Float[Tensor, ""]:
    """The mean cross-entropy of ``scale`` times the cosines, where ``own`` stands in place of that of the own class."""
    return F.cross_entropy(scale * cosines.scatter(1, labels[:, None], own), labels)


def drawn_weights(num_classes: int, embedding_dim: int) -> nn.Parameter:
    """Weights to begin with: in random directions, of length about 1.

    Raises:
        ValueError: there are fewer than two classes.
    """
    check_classes(num_classes)
    return nn.Parameter(torch.randn(num_classes, embedding_dim) / embedding_dim**0.5)
