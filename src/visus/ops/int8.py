"""Products of vectors in whole numbers."""

from __future__ import annotations

import torch
from jaxtyping import Int8, Int32
from torch import Tensor


def int8_products(
    ours: Int8[Tensor, "m d"], theirs: Int8[Tensor, "n d"], *, out: Int32[Tensor, "m n"]
) -> Int32[Tensor, "m n"]:
    """The inner product of each row with each other row, exactly, written to ``out``.

    PyTorch's product takes a transposed matrix, and on processors with VNNI a wrong one where it has a single row:
    rows and columns then cannot be told apart by their strides. Such a matrix is given as it lies. The product of a
    matrix and a single column goes over all threads, that of a single row and a matrix over one.
    """
    if len(ours) == 1 and out.is_contiguous():
        torch._int_mm(theirs, ours.view(-1, 1), out=out.view(-1, 1))
        return out
    turned = theirs.view(1, -1) if theirs.shape[1] == 1 and theirs.is_contiguous() else theirs.T
    product: Tensor = torch._int_mm(ours, turned, out=out)
    return product
