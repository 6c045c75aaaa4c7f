"""Parts of images that a detector finds, as entries of a gallery: people, products, anything that it was trained on."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from jaxtyping import Float
from torch import Tensor

from visus.galleries.adding import Boxes, Pixels
from visus.galleries.entry import Box
from visus.galleries.errors import GalleryError
from visus.predict.predictor import Predictor
from visus.types import InstancePrediction, NoRowError, row

BOXES: dict[type, Callable[[Any, float], Float[Tensor, "n 4"]]] = {
    InstancePrediction: lambda prediction, least: prediction.boxes_xyxy[prediction.scores >= least],
}
"""The boxes in each kind of prediction that has some, from a score on."""


def boxes_by(detector: Predictor, min_score: float) -> Boxes:
    """What gives the boxes of an image, those without a whole pixel left out.

    Args:
        detector: finds objects.
        min_score: the least score of one that counts.
    """

    def boxes(pixels: Pixels) -> Sequence[Box]:
        prediction = detector.predict(pixels)[0].prediction
        try:
            found = row(BOXES, prediction, "finding parts")(prediction, min_score)
        except NoRowError as error:
            raise GalleryError("the detector finds no objects: give the run of one that does") from error
        return [(x1, y1, x2, y2) for x1, y1, x2, y2 in found.tolist() if x2 - x1 >= 1 and y2 - y1 >= 1]

    return boxes
