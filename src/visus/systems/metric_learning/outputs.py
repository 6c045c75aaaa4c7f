"""What the networks of metric learning return, and how it becomes predictions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from jaxtyping import Float, Int64
from torch import Tensor

from visus.types import EmbeddingPrediction


@dataclass(frozen=True)
class EmbeddingOutputs:
    """One point for each image.

    Args:
        image_sizes: each image's (h, w) in network pixels.
        embeddings: what retrieval compares; for an ensemble, what its learners say in one row.
        parts: what each learner of an ensemble says, of unit length; empty for a single descriptor.
    """

    image_sizes: Int64[Tensor, "b 2"]
    embeddings: Float[Tensor, "b d"]
    parts: list[Float[Tensor, "b _"]] = field(default_factory=list)


def embedding_predictions(outputs: EmbeddingOutputs, sizes: Sequence[tuple[int, int]]) -> list[EmbeddingPrediction]:
    """The point of each image, and the (h, w) that the image has for whoever asked."""
    rows = outputs.embeddings.detach().float()
    return [EmbeddingPrediction(row, (int(h), int(w))) for row, (h, w) in zip(rows, sizes, strict=True)]
