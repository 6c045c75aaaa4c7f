"""PointNet's regulariser on the matrices A that align features (arXiv 1612.00593, equation 2).

``1/2 * sum over the batch of |A A' - I|^2``: the published code sums over the batch and halves, as TensorFlow's
``l2_loss`` does, which the equation does not say.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor


def orthogonality_loss(matrices: Float[Tensor, "b k k"]) -> Float[Tensor, ""]:
    """Half of the squared distance of A A' to the identity, summed over the batch.

    >>> float(orthogonality_loss(2 * torch.eye(3)[None]))
    13.5
    """
    identity = torch.eye(matrices.shape[1], device=matrices.device, dtype=matrices.dtype)
    return 0.5 * (matrices @ matrices.transpose(1, 2) - identity).square().sum()
