"""ArcFace (arXiv 1801.07698, equation 3): a softmax over cosines to learned directions, the own angle made wider.

    L(x) = -log( exp(s cos(t_y + m)) / (exp(s cos(t_y + m)) + sum_{j != y} exp(s cos t_j)) )

with t_j the angle between the embedding and the weight of class j. Three things are left open by that formula:

- Beyond ``t_y = pi - m`` the cosine of the wider angle would rise again. There the own logit goes on as
  ``s (cos t_y - m sin m)``, which falls with the angle; at the boundary it jumps down by ``s (cos m + m sin m - 1)``.
- With ``easy_margin`` the angle is widened only where it is under pi / 2, and is left as it is elsewhere.
- The gradient is that of the value, so it holds the factor ``sin(t_y + m) / sin t_y``. Implementations that widen the
  angle outside of the graph have 1 in its place: ``s (p_y - 1)``.
"""

from __future__ import annotations

import math

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn

from visus.systems.metric_learning.losses.class_weights import class_cosines, drawn_weights, softmax_with

LEAST_SINE = 1e-3
"""Under this sine of the own angle, rounding rules the slope of the sine; it is taken as constant there."""


def arcface_loss(
    embeddings: Float[Tensor, "n d"],
    labels: Int64[Tensor, " n"],
    weights: Float[Tensor, "c d"],
    *,
    m: float = 0.5,
    s: float = 64.0,
    easy_margin: bool = False,
) -> Float[Tensor, ""]:
    """Mean over the items. Any batch will do. Lengths of embeddings and weights do not matter.

    Args:
        embeddings: one row per item.
        labels: the class of each item.
        weights: one row per class.
        m: what the angle to the own class is wider by, in radians, 0 to pi.
        s: multiplies all cosines.
        easy_margin: widen only angles under pi / 2.

    Raises:
        ValueError: an embedding is NaN or infinite, a label has no weight, there are fewer than two weights, or ``m``
            is no angle.
    """
    if not 0 <= m <= math.pi:
        raise ValueError(f"the margin m is an angle of 0 to pi, not {m}")
    cosines = class_cosines(embeddings, labels, weights)
    own = cosines.gather(1, labels[:, None])
    wider = own * math.cos(m) - (1 - own.square()).clamp_min(LEAST_SINE**2).sqrt() * math.sin(m)
    if easy_margin:
        wider = torch.where(own > 0, wider, own)
    else:
        wider = torch.where(own >= -math.cos(m), wider, own - m * math.sin(m))
    return softmax_with(cosines, labels, wider, s)


class ArcFaceLoss(nn.Module):
    """``arcface_loss`` with its settings and its weights, which an optimiser has to be given.

    Args:
        num_classes: one weight each.
        embedding_dim: their dimensions, d.
        m: see ``arcface_loss``.
        s: see ``arcface_loss``.
        easy_margin: see ``arcface_loss``.
    """

    def __init__(
        self, *, num_classes: int, embedding_dim: int, m: float = 0.5, s: float = 64.0, easy_margin: bool = False
    ) -> None:
        super().__init__()
        self.weights = drawn_weights(num_classes, embedding_dim)
        self.m, self.s, self.easy_margin = m, s, easy_margin

    def forward(self, embeddings: Float[Tensor, "n d"], labels: Int64[Tensor, " n"]) -> Float[Tensor, ""]:
        """The loss of a batch."""
        return arcface_loss(embeddings, labels, self.weights, m=self.m, s=self.s, easy_margin=self.easy_margin)
