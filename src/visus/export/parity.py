"""Whether an exported file gives what the network gives: on images of several shapes, alone and in pairs, with no, one
and many objects.

How many objects there are is decided by ``min_score``, which the file takes as an input and the network has among its
limits. A file whose differences are more than rounding can explain is not written.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import torch
from jaxtyping import UInt8
from torch import Tensor, nn

from visus.clouds import PointCloud
from visus.names import counted
from visus.nn.model import predict_batch
from visus.ops.boxes import box_iou
from visus.predict.exported import Exported
from visus.systems.detection.faster_rcnn import FasterRCNN
from visus.systems.detection.fcos import FCOS
from visus.systems.detection.ssd import SSD
from visus.systems.instances.mask_rcnn import MaskRCNN
from visus.types import (
    ClassPrediction,
    EmbeddingPrediction,
    InstancePrediction,
    SemanticPrediction,
    row,
)

SHAPES = {"square": (160, 160), "wide": (120, 200), "high": (208, 112)}
"""The (h, w) of the images that are compared; none is of a size that a network resizes to by chance."""

TOLERANCE = {
    "score": 2e-3,
    "box": 0.5,
    "missed": 0.02,
    "pixels": 5e-3,
    "mask": 5e-3,
    "keypoints": 0.05,
    "embedding": 2e-3,
}
"""The most of each difference that rounding explains: of probabilities; of sides of boxes in pixels; the share of
objects without a partner; the shares of pixels of other classes, of pixels of masks, and of keypoints that moved by
more than a pixel (the highest of two pixels that are equally high but for rounding); of numbers of an embedding."""

Differences = dict[str, float]


@dataclass(frozen=True)
class Compared:
    """One comparison.

    Args:
        case: what was looked at.
        found: objects that the network finds, all inputs together; None where it finds none in any image.
        differences: the largest ones, by the names of `TOLERANCE`.
    """

    case: str
    found: int | None
    differences: Differences

    @property
    def failed(self) -> list[str]:
        """The differences that are too large."""
        few = self.found is not None and self.found <= 2
        return [
            name
            for name, value in self.differences.items()
            if not value <= (0 if few and name == "missed" else TOLERANCE[name])
        ]


def compare(model: nn.Module, exported: Exported) -> list[Compared]:
    """An exported file against its network."""
    network: Any = model.eval()
    if exported.about.input.kind != "images":
        clouds = [a_shape(0), a_shape(1)]
        return [_case(counted(len(some), "shapes"), network, exported, some) for some in (clouds[:1], clouds)]
    compared = []
    for name, size in SHAPES.items():
        images = [an_image(size, seed) for seed in range(2)]
        for some in (images[:1], images):
            case = f"{name}, {counted(len(some), 'images')}"
            compared += list(_counts(case, network, exported, some))
    return compared


def _counts(case: str, network: Any, exported: Exported, images: Sequence[Tensor]) -> Iterator[Compared]:
    """The comparison with no, one and many objects, where there are objects."""
    if exported.about.kind != "objects":
        yield _case(case, network, exported, images)
        return
    with limited(network, exported, 0.0):
        every = _looked(network, images)
        yield _case(case, network, exported, images)
    scores = torch.cat([one.scores for one in every]).sort(descending=True).values
    leasts = [1.0]
    if len(scores) > 1 and scores[0] - scores[1] > 1e-5:
        leasts.append(float(scores[:2].mean()))
    for least in leasts:
        with limited(network, exported, least):
            yield _case(case, network, exported, images)


def _case(case: str, network: Any, exported: Exported, inputs: Sequence[Any]) -> Compared:
    wanted, got = _looked(network, inputs), _looked(exported, inputs)
    parts = [row(DIFFERENCES, one, "comparing")(one, other) for one, other in zip(wanted, got, strict=True)]
    largest = {name: max(part[name] for part in parts) for name in parts[0]}
    counted = sum(len(one) for one in wanted) if exported.about.kind == "objects" else None
    return Compared(case, counted, largest)


def _looked(model: Any, inputs: Sequence[Any]) -> list[Any]:
    return predict_batch(model, model.transform.batch(inputs))[1]


@contextmanager
def limited(network: Any, exported: Exported, least: float) -> Iterator[None]:
    """Both with another least score of an object."""
    owner, about = row(LIMITS, network, "the least score")(network), exported.about
    limits = owner.limits
    owner.limits = replace(limits, score=least)
    exported.about = replace(about, thresholds={"min_score": least})
    try:
        yield
    finally:
        owner.limits, exported.about = limits, about


LIMITS: dict[type, Callable[[Any], Any]] = {
    FasterRCNN: lambda network: network.roi_heads,
    MaskRCNN: lambda network: network.roi_heads,
    SSD: lambda network: network,
    FCOS: lambda network: network,
}
"""What has the limits of a detector."""


def _objects(wanted: InstancePrediction, got: InstancePrediction) -> Differences:
    """Each object beside its partner: the one of its class that overlaps it most."""
    most = max(len(wanted), len(got))
    names = ["missed", "score", "box"]
    names += ["mask"] if wanted.masks is not None else []
    names += ["keypoints"] if wanted.keypoints_xyv is not None else []
    if not len(wanted) or not len(got):
        return {name: float(most > 0) if name == "missed" else 0.0 for name in names}
    near = box_iou(wanted.boxes_xyxy, got.boxes_xyxy) - (wanted.scores[:, None] - got.scores).abs()
    near[wanted.labels[:, None] != got.labels] = -1
    near[(wanted.boxes_xyxy[:, None] - got.boxes_xyxy).abs().amax(2) > 2] = -1
    best, partner = near.max(1)
    found = best > -1
    one, other = wanted[found], got[partner[found]]
    missed = most - len(set(partner[found].tolist()))
    differences = {"missed": missed / most, "score": _largest(one.scores, other.scores)}
    differences["box"] = _largest(one.boxes_xyxy, other.boxes_xyxy)
    if one.masks is not None and other.masks is not None:
        whole = one.masks.flatten(1).sum(1).clamp(min=100)
        differences["mask"] = float(((one.masks != other.masks).flatten(1).sum(1) / whole).mean()) if len(one) else 0.0
    if one.keypoints_xyv is not None and other.keypoints_xyv is not None:
        moved = (one.keypoints_xyv - other.keypoints_xyv)[..., :2].abs().amax(-1) > 1
        differences["keypoints"] = float(moved.float().mean()) if moved.numel() else 0.0
    return differences


def _pixels(wanted: SemanticPrediction, got: SemanticPrediction) -> Differences:
    other = wanted.labels != got.labels
    scores = torch.where(other, 0.0, (wanted.scores - got.scores).abs())
    return {"pixels": float(other.float().mean()), "score": _greatest(scores)}


def _classes(wanted: ClassPrediction, got: ClassPrediction) -> Differences:
    """Scores by the labels; those of labels that one of the two does not name count as equal to its last."""
    last = float(torch.minimum(wanted.scores[-1], got.scores[-1]))
    theirs = dict(zip(got.labels.tolist(), got.scores.tolist(), strict=True))
    scores = zip(wanted.labels.tolist(), wanted.scores.tolist(), strict=True)
    differences = {"score": max(abs(score - theirs.get(label, last)) for label, score in scores)}
    if wanted.box_xyxy is not None and got.box_xyxy is not None:
        differences["box"] = _largest(wanted.box_xyxy, got.box_xyxy)
    return differences


def _embeddings(wanted: EmbeddingPrediction, got: EmbeddingPrediction) -> Differences:
    return {"embedding": _largest(wanted.embedding, got.embedding)}


DIFFERENCES: dict[type, Callable[[Any, Any], Differences]] = {
    InstancePrediction: _objects,
    SemanticPrediction: _pixels,
    ClassPrediction: _classes,
    EmbeddingPrediction: _embeddings,
}
"""How predictions of each kind differ."""


def _largest(one: Tensor, other: Tensor) -> float:
    return _greatest((one.float() - other.float()).abs())


def _greatest(values: Tensor) -> float:
    """The greatest of all, infinite where one is no number."""
    return float(values.nan_to_num(torch.inf).max()) if values.numel() else 0.0


def an_image(size: tuple[int, int], seed: int) -> UInt8[Tensor, "3 h w"]:
    """Coloured boxes on soft noise, always the same."""
    generator = torch.Generator().manual_seed(seed)
    height, width = size
    soft = nn.functional.interpolate(torch.rand(1, 3, 8, 8, generator=generator), size=size, mode="bicubic")[0]
    image = soft.clamp(0, 1) * 255
    for _ in range(12):
        y, x = (int(torch.randint(side - 8, (), generator=generator)) for side in size)
        h, w = (int(torch.randint(8, side // 2, (), generator=generator)) for side in (height, width))
        image[:, y : y + h, x : x + w] = torch.rand(3, 1, 1, generator=generator) * 255
    return image.round().to(torch.uint8)


def a_shape(seed: int) -> PointCloud:
    """An ellipsoid of points with its normals, in the unit sphere."""
    generator = torch.Generator().manual_seed(seed)
    sides = torch.rand(3, generator=generator) * 0.7 + 0.3
    directions = nn.functional.normalize(torch.randn(1500, 3, generator=generator), dim=1)
    points = directions * sides / sides.max()
    return PointCloud(points, nn.functional.normalize(directions / sides, dim=1))
