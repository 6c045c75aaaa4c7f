"""How like real images made ones are, and how near their layouts come.

The Frechet distance (Heusel et al. 2017, arXiv 1706.08500) compares the features of made and of real images, the
inception score (Salimans et al. 2016, arXiv 1606.03498) looks at the classes that a network sees in made ones. Both
are numbers of the network that looks, whose name is part of theirs. Where it is not Inception they compare with no
published number, and only with others of as many images.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import torch
from jaxtyping import Float, UInt8
from torch import Tensor
from torch.nn import functional as F

from visus.metrics.by_image import ImageRecords, check_frame
from visus.metrics.metric import Measure
from visus.ops.boxes import box_iou
from visus.types import Batch, ImagePrediction

Look: TypeAlias = Callable[[Float[Tensor, "n 3 s s"]], tuple[Float[Tensor, "n d"], Float[Tensor, "n k"]]]
"""From images in 0..1 to their features and to the logits of classes."""


@dataclass(frozen=True)
class Features:
    """A network that looks at images.

    Args:
        name: that belongs beside every number that it takes part in.
        look: what it sees.
    """

    name: str
    look: Look


def _thumbnails(images: Float[Tensor, "n 3 s s"]) -> tuple[Float[Tensor, "n d"], Float[Tensor, "n k"]]:
    small = F.adaptive_avg_pool2d(images, 8).flatten(1)
    return small, small


THUMBNAILS = Features("8x8 pixels", _thumbnails)
"""Colours of 8 x 8 pixels: no network, for where none is at hand."""


def frechet_distance(one: Float[Tensor, "n d"], other: Float[Tensor, "m d"]) -> float:
    """The squared Frechet distance of two sets of features, as if both were normally distributed.

    ``|a - b|^2 + tr(A + B - 2 (A B)^(1/2))`` with means a, b and covariances A, B (arXiv 1706.08500, equation 6). The
    last trace is the sum of the singular values of the product of the centred features, so that no root of a matrix is
    taken and fewer images than dimensions are no trouble.
    """
    first, second = one.double(), other.double()
    a, b = first.mean(dim=0), second.mean(dim=0)
    x, y = ((some - mean) / math.sqrt(max(1, len(some) - 1)) for some, mean in ((first, a), (second, b)))
    root = float(torch.linalg.svdvals(x @ y.T).sum())
    return max(0.0, float((a - b).square().sum() + x.square().sum() + y.square().sum()) - 2 * root)


def inception_score(logits: Float[Tensor, "n classes"]) -> float:
    """``exp`` of the mean divergence of the classes of an image from those of all (arXiv 1606.03498, section 4)."""
    shares = logits.double().softmax(dim=1)
    mean = shares.mean(dim=0, keepdim=True)
    return math.exp(float((shares * (shares.log() - mean.log())).nan_to_num(0.0).sum(dim=1).mean()))


@dataclass(frozen=True)
class _Seen:
    """What is seen in a made image and in the real one, and how the boxes of the layout overlap."""

    made: tuple[float, ...]
    real: tuple[float, ...]
    made_logits: tuple[float, ...]
    real_logits: tuple[float, ...]
    ious: tuple[float, ...]


class GenerationMetric(ImageRecords):
    """``FD`` (Frechet distance) and ``IS`` (score) by a feature network, ``box IoU`` of layouts, and the ``images``.

    ``real IS`` is the score of the real images, which made ones hardly pass. The first two and the last of these have
    the name of the network behind theirs.

    Args:
        size: side to which made and real images are brought first, that of the network that makes them.
        features: what looks at them.
    """

    def __init__(self, *, size: int = 64, features: Features = THUMBNAILS) -> None:
        super().__init__()
        self.size, self.features = size, features

    @property
    def measures(self) -> Mapping[str, Measure]:
        """The distance comes first."""
        name = self.features.name
        return {
            f"FD ({name})": Measure(unit="number", smaller_is_better=True, headline=True),
            f"IS ({name})": Measure(unit="number", headline=True),
            f"real IS ({name})": Measure(unit="number", curve=False),
            "box IoU": Measure(headline=True),
            "images": Measure(unit="number", curve=False),
        }

    def update(self, predictions: Sequence[ImagePrediction], batch: Batch) -> None:
        """Adds images.

        Raises:
            ValueError: sizes differ, two images share an ``image_id``, or a layout has other objects than its target.
        """
        targets = [self.identified(target) for target in batch.targets]
        for prediction, target in zip(predictions, targets, strict=True):
            check_frame(prediction, target)
            if len(prediction) != len(target):
                raise ValueError(f"image {target.image_id}: {len(prediction)} objects for {len(target)} of the target")
        made, made_logits = self._seen([prediction.pixels for prediction in predictions])
        real, real_logits = self._seen([target.pixels for target in targets])
        for place, (prediction, target) in enumerate(zip(predictions, targets, strict=True)):
            ious = box_iou(prediction.boxes_xyxy.cpu(), target.boxes_xyxy.cpu()).diagonal()
            seen = (made[place], real[place], made_logits[place], real_logits[place], ious)
            self.add(target.image_id, _Seen(*(tuple(values.tolist()) for values in seen)))

    def compute(self) -> dict[str, float]:
        """Every number by its name, of all images that were added in any process."""
        seen: list[_Seen] = list(self.records().values())
        if not seen:
            return {name: -1.0 if one.unit == "share" else math.nan for name, one in self.measures.items()}
        ious = [value for one in seen for value in one.ious]
        values = (
            frechet_distance(torch.tensor([one.made for one in seen]), torch.tensor([one.real for one in seen])),
            inception_score(torch.tensor([one.made_logits for one in seen])),
            inception_score(torch.tensor([one.real_logits for one in seen])),
            sum(ious) / len(ious) if ious else -1.0,
            float(len(seen)),
        )
        return dict(zip(self.measures, values, strict=True))

    @torch.no_grad()
    def _seen(self, images: Sequence[UInt8[Tensor, "3 _ _"]]) -> tuple[Float[Tensor, "n d"], Float[Tensor, "n k"]]:
        """The features and the logits of images, brought to one size."""
        size = (self.size, self.size)
        pixels = [image[None].cpu().float() / 255 for image in images]
        pixels = [F.interpolate(one, size=size, mode="bilinear", antialias=True) for one in pixels]
        return self.features.look(torch.cat(pixels))
