"""Galleries of faces: each face that is found in an image becomes an entry, described by its aligned picture."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Float32, UInt8
from torch import Tensor
from torch.nn import functional as F

from visus.galleries.entry import Box
from visus.galleries.parts import FACES, FoundPart, Parts
from visus.systems.faces import Faces, load_faces

_CHIP = 150  # pixels of a side of an aligned face


class FaceDescriber:
    """Finds the faces of images and describes them by their embeddings, which are compared by distance.

    Args:
        faces: detector, points and embedding; None for those of the extra ``faces``.
    """

    name = FACES

    def __init__(self, faces: Faces | None = None) -> None:
        self._faces = load_faces() if faces is None else faces
        self.fingerprint = self._faces.fingerprint
        self.parts: Parts | None = Parts("face", self._find)

    @torch.no_grad()
    def describe(self, images: Sequence[UInt8[Tensor, "3 h w"]]) -> Float32[np.ndarray, "n d"]:
        """The embeddings of pictures of aligned faces."""
        if not images:
            return np.empty((0, 0), dtype=np.float32)
        chips = [F.interpolate(image[None].float(), size=(_CHIP, _CHIP), mode="bilinear") for image in images]
        return self._faces.embedding(torch.cat(chips).round().to(torch.uint8)).numpy()  # type: ignore[no-any-return]

    def _find(self, image: UInt8[Tensor, "3 h w"]) -> list[FoundPart]:
        """The faces, best first, the part of each that lies in the image."""
        found, (height, width) = self._faces.find(image), image.shape[1:]
        boxes: list[Box] = [
            (max(x1, 0.0), max(y1, 0.0), min(x2, float(width)), min(y2, float(height)))
            for x1, y1, x2, y2 in found.boxes_xyxy.tolist()
        ]
        return [FoundPart(box, vector) for box, vector in zip(boxes, found.embeddings.numpy(), strict=True)]
