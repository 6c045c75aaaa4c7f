"""CosFace (arXiv 1801.09414, equation 4): a softmax over cosines to learned directions, the own one less by a margin.

    L(x) = -log( exp(s (cos t_y - m)) / (exp(s (cos t_y - m)) + sum_{j != y} exp(s cos t_j)) )

with t_j the angle between the embedding and the weight of class j.
"""

from __future__ import annotations

from jaxtyping import Float, Int64
from torch import Tensor, nn

from visus.systems.metric_learning.losses.class_weights import class_cosines, drawn_weights, softmax_with


def cosface_loss(
    embeddings: Float[Tensor, "n d"],
    labels: Int64[Tensor, " n"],
    weights: Float[Tensor, "c d"],
    *,
    m: float = 0.35,
    s: float = 64.0,
) -> Float[Tensor, ""]:
    """Mean over the items. Any batch will do. Lengths of embeddings and weights do not matter.

    Args:
        embeddings: one row per item.
        labels: the class of each item.
        weights: one row per class.
        m: what the cosine to the own class is less by.
        s: multiplies all cosines.

    Raises:
        ValueError: an embedding is NaN or infinite, a label has no weight, or there are fewer than two weights.
    """
    cosines = class_cosines(embeddings, labels, weights)
    return softmax_with(cosines, labels, cosines.gather(1, labels[:, None]) - m, s)


class CosFaceLoss(nn.Module):
    """``cosface_loss`` with its settings and its weights, which an optimiser has to be given.

    Args:
        num_classes: one weight each.
        embedding_dim: their dimensions, d.
        m: see ``cosface_loss``.
        s: see ``cosface_loss``.
    """

    def __init__(self, *, num_classes: int, embedding_dim: int, m: float = 0.35, s: float = 64.0) -> None:
        super().__init__()
        self.weights = drawn_weights(num_classes, embedding_dim)
        self.m, self.s = m, s

    def forward(self, embeddings: Float[Tensor, "n d"], labels: Int64[Tensor, " n"]) -> Float[Tensor, ""]:
        """The loss of a batch."""
        return cosface_loss(embeddings, labels, self.weights, m=self.m, s=self.s)
