"""FCOS, fully convolutional one-stage detection without anchors (Tian et al., arXiv 1904.01355).

Every location of a feature pyramid says what it lies in, how far away the four sides of that object are, and how near
it is to the object's middle, which lowers the score of boxes that were seen from their edge.
We follow torchvision, whose parameter names and numbers `fcos_resnet50_fpn` has, where it differs from the paper:
centre sampling, distances in strides instead of a learned scale per level, centreness beside the box (as in the
authors' arXiv 2006.09214), GIoU instead of IoU, and locations at the upper left corners of cells. `fcos_lite0_fpn` is
ours for a CPU.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.rnn import pad_sequence

from visus.names import named
from visus.nn.backbones import backbone, lite0_or
from visus.nn.backbones.interface import Backbone, init_convolutions
from visus.nn.norm import NormName
from visus.nn.pyramid import PyramidBackbone
from visus.nn.transform import ImageTransform, small_transform, training_targets
from visus.ops.anchors import grid_anchors, top_of_levels
from visus.ops.boxes import box_area
from visus.ops.matching import BACKGROUND
from visus.problem import Builder
from visus.systems.detection.losses import first_of_images
from visus.systems.detection.outputs import Detections, predictions_of, suppress
from visus.systems.detection.two_stage import Published, published
from visus.types import ImageBatch, InstancePrediction, InstanceTarget

GROUPS = 32
PRIOR = 0.01  # the probability of every class at every location before training (arXiv 1708.02002, section 3.3)
LITE_CHANNELS = 96
LITE_DEPTH = 2


@dataclass(frozen=True)
class Locations:
    """The places of a pyramid that detect objects: level by level, finest first, then by rows and columns.

    Args:
        points_xy: where they lie in network pixels; all images of a batch share them.
        strides: the unit of distances at each, in pixels.
        ranges: the farthest side of an object that a location learns from lies between these two distances, in pixels.
        counts: how many there are on each level.
    """

    points_xy: Float[Tensor, "a 2"]
    strides: Float[Tensor, " a"]
    ranges: Float[Tensor, "a 2"]
    counts: tuple[int, ...]


@dataclass(frozen=True)
class FCOSOutputs:
    """What FCOS says at every location of every image, before anything is thinned out.

    ``image_sizes`` is in network pixels. Of the class logits, each of which stands for itself, column 0 is unused and
    column i + 1 is label i. Distances to the left, top, right and bottom side of the object are in strides and not
    below 0.
    """

    image_sizes: Int64[Tensor, "b 2"]
    class_logits: Float[Tensor, "b a classes"]
    distances_ltrb: Float[Tensor, "b a 4"]
    centerness_logits: Float[Tensor, "b a"]
    locations: Locations


@dataclass(frozen=True)
class FCOSLimits:
    """What becomes a detection: the least score, the most candidates of a level, the most overlap within a class, the
    most boxes of an image."""

    score: float = 0.2
    candidates: int = 1000
    iou: float = 0.6
    count: int = 100


class FCOS(nn.Module):
    """Transform, pyramid, and one head on all of its levels.

    Args:
        transform: resizing and normalising.
        backbone: a pyramid of features, finest first.
        head: classifies locations and finds the sides of their objects.
        max_distance: the farthest side of a level's objects, in strides; half of that is the least. The finest level
            takes all smaller objects too and the coarsest all larger ones.
        limits: what becomes a detection.
    """

    channels_last: bool = True
    adapts: bool = False

    def __init__(
        self,
        *,
        transform: ImageTransform,
        backbone: PyramidBackbone,
        head: FCOSHead,
        max_distance: float = 8.0,
        limits: FCOSLimits | None = None,
    ) -> None:
        super().__init__()
        self.transform, self.backbone, self.head = transform, backbone, head
        self.max_distance, self.limits = max_distance, limits or FCOSLimits()

    def forward(self, images: ImageBatch, targets: Sequence[InstanceTarget] | None = None) -> FCOSOutputs:
        """What all locations say; ``targets`` are not needed, only the losses look at them."""
        pixels = self.transform(images)
        features = self.backbone(pixels)
        class_logits, distances, centerness_logits = self.head(features)
        places = self.locations(features, pixels)
        return FCOSOutputs(images.sizes, class_logits, distances, centerness_logits, places)

    def locations(self, features: Sequence[Float[Tensor, "b c _ _"]], pixels: Float[Tensor, "b 3 h w"]) -> Locations:
        """Those of all levels of the features of ``pixels``."""
        base = torch.zeros(1, 4, device=pixels.device)
        points, rows = [], []
        for level, (feature, stride) in enumerate(zip(features, self.backbone.strides, strict=True)):
            height, width = feature.shape[-2:]
            steps = (pixels.shape[-2] // height, pixels.shape[-1] // width)
            points.append(grid_anchors(base, (height, width), steps)[:, :2])
            least = stride * self.max_distance / 2 if level > 0 else 0
            most = stride * self.max_distance if level < len(features) - 1 else math.inf
            rows.append(base.new_tensor([stride, least, most]).expand(height * width, 3))
        columns = torch.cat(rows)
        return Locations(torch.cat(points), columns[:, 0], columns[:, 1:], tuple(level.shape[0] for level in rows))

    @torch.no_grad()
    def postprocess(self, outputs: FCOSOutputs, sizes: Sequence[tuple[int, int]]) -> list[InstancePrediction]:
        """The objects of each image, best first, in the pixels of images of ``sizes`` (h, w)."""
        return predictions_of(detect(outputs, self.limits), outputs.image_sizes, sizes)


class FCOSBackbone(PyramidBackbone):
    """P3 to P5 on the last three stages of a body, and P6 and P7 by convolutions of stride 2 on P5.

    Args:
        body: where the features come from, with stages at strides 4, 8, 16 and 32.
        out_channels: channels of every level.
    """

    def __init__(self, body: Backbone, out_channels: int = 256) -> None:
        super().__init__(body, stages=(1, 2, 3), out_channels=out_channels, extra=None)
        convs = {name: nn.Conv2d(out_channels, out_channels, 3, stride=2, padding=1) for name in ("p6", "p7")}
        for conv in convs.values():
            nn.init.kaiming_uniform_(conv.weight, a=1)
            nn.init.zeros_(conv.bias)  # type: ignore[arg-type]
        self.fpn.add_module("extra_blocks", nn.ModuleDict(convs))  # where torchvision has them
        self.strides = (*self.strides, 2 * self.strides[-1], 4 * self.strides[-1])

    def forward(self, pixels: Float[Tensor, "b 3 h w"]) -> list[Float[Tensor, "b c _ _"]]:
        """The levels of normalised images, finest first."""
        levels = super().forward(pixels)
        p6 = self.fpn.get_submodule("extra_blocks.p6")(levels[-1])
        return [*levels, p6, self.fpn.get_submodule("extra_blocks.p7")(F.relu(p6))]


class FCOSHead(nn.Module):
    """Two towers of convolutions that all levels share (figure 2 of the paper); parameter names are torchvision's.

    Args:
        channels: channels of every level, a multiple of 32.
        num_classes: categories without the background. It needs no logit, but published weights count classes from 1
            and have an unused column 0, so ours have it too.
        depth: convolutions of each tower.
    """

    def __init__(self, *, channels: int, num_classes: int, depth: int = 4) -> None:
        super().__init__()
        logits = _conv(channels, num_classes + 1, bias=-math.log((1 - PRIOR) / PRIOR))
        self.classification_head = nn.ModuleDict({"conv": _tower(channels, depth), "cls_logits": logits})
        boxes = {"bbox_reg": _conv(channels, 4), "bbox_ctrness": _conv(channels, 1)}
        self.regression_head = nn.ModuleDict({"conv": _tower(channels, depth), **boxes})

    def forward(
        self, features: Sequence[Float[Tensor, "b c _ _"]]
    ) -> tuple[Float[Tensor, "b a classes"], Float[Tensor, "b a 4"], Float[Tensor, "b a"]]:
        """Class logits, distances in strides and centreness logits of the locations of all levels, in fp32."""
        what, where = self.classification_head, self.regression_head
        classes, distances, centres = [], [], []
        for level in features:
            classes.append(_rows(what["cls_logits"](what["conv"](level))))  # [b, hw, classes]
            hidden = where["conv"](level)
            distances.append(_rows(F.relu(where["bbox_reg"](hidden))))  # [b, hw, 4]
            centres.append(_rows(where["bbox_ctrness"](hidden))[..., 0])  # [b, hw]
        return torch.cat(classes, dim=1), torch.cat(distances, dim=1), torch.cat(centres, dim=1)


@dataclass(frozen=True, kw_only=True)
class FCOSCriterion:
    """Losses ``class``, ``box`` and ``centerness``, each summed and divided by the number of positives of the batch.

    Equation 2 of the paper, with GIoU for IoU. Without any positive they are divided by 1.

    Args:
        radius: a location is positive only so many strides around the middle of its object (centre sampling).
        alpha: the weight of the right class in the focal loss; all others weigh one minus that.
        gamma: the exponent of the focal loss.
    """

    radius: float = 1.5
    alpha: float = 0.25
    gamma: float = 2.0

    def __call__(self, outputs: FCOSOutputs, targets: Sequence[InstanceTarget]) -> dict[str, Float[Tensor, ""]]:
        """Named scalars; their sum is what training minimises. Targets may be in any frame."""
        places, objects = outputs.locations, training_targets(targets, outputs.image_sizes)
        boxes = [one.boxes_xyxy.to(places.points_xy) for one in objects]
        matched = assign_objects(boxes, places, self.radius)  # [b, a]
        image, location = (matched >= 0).nonzero(as_tuple=True)  # [p], the positives
        chosen = first_of_images(boxes)[image] + matched[image, location]
        wanted = side_distances(places.points_xy[location], torch.cat(boxes)[chosen])
        wanted = wanted / places.strides[location, None]  # [p, 4]
        labels = torch.cat([one.labels for one in objects]).to(chosen.device)[chosen]
        classes = torch.zeros_like(outputs.class_logits)
        classes[image, location, labels + 1] = 1
        middles = outputs.centerness_logits[image, location]
        losses = {
            "class": sigmoid_focal_loss(outputs.class_logits, classes, alpha=self.alpha, gamma=self.gamma).sum(),
            "box": giou_loss(outputs.distances_ltrb[image, location], wanted).sum(),
            "centerness": F.binary_cross_entropy_with_logits(middles, centerness(wanted), reduction="sum"),
        }
        return {name: loss / max(len(image), 1) for name, loss in losses.items()}


@torch.no_grad()
def assign_objects(
    boxes_xyxy: Sequence[Float[Tensor, "_ 4"]], places: Locations, radius: float
) -> Int64[Tensor, "b a"]:
    """The object of its image that each location learns from, `BACKGROUND` for none (section 3.2 of the paper).

    Boxes are in network pixels. A location lies inside its object's box, less than ``radius`` strides from the middle
    in x and in y, and the farthest side is in the range of its level. Of several such objects it takes the smallest.
    """
    # An empty box ends each image: no location lies in it, and there is something to choose from where no object is.
    boxes = pad_sequence([F.pad(one, (0, 0, 0, 1)) for one in boxes_xyxy], batch_first=True)  # [b, n, 4]
    distances = side_distances(places.points_xy, boxes[:, :, None])  # [b, n, a, 4]
    farthest = distances.amax(dim=-1)
    off_centre = (distances[..., :2] - distances[..., 2:]).abs().amax(dim=-1) / 2
    positive = (distances.amin(dim=-1) > 0) & (off_centre < radius * places.strides)
    positive &= (farthest > places.ranges[:, 0]) & (farthest < places.ranges[:, 1])
    area, smallest = torch.where(positive, box_area(boxes)[:, :, None], math.inf).min(dim=1)  # [b, a]
    return smallest.masked_fill(area.isinf(), BACKGROUND)


def side_distances(points_xy: Float[Tensor, "*#p 2"], boxes_xyxy: Float[Tensor, "*#p 4"]) -> Float[Tensor, "... 4"]:
    """How far the left, top, right and bottom side of a box are from a point; negative where the point is outside."""
    return torch.cat((points_xy - boxes_xyxy[..., :2], boxes_xyxy[..., 2:] - points_xy), dim=-1)


def centerness(distances_ltrb: Float[Tensor, "p 4"]) -> Float[Tensor, " p"]:
    """1 in the middle of a box, 0 at its border (equation 3 of the paper); for points inside of their boxes."""
    before, behind = distances_ltrb[:, :2], distances_ltrb[:, 2:]
    return (torch.minimum(before, behind) / torch.maximum(before, behind)).prod(dim=1).sqrt()


def giou_loss(found: Float[Tensor, "p 4"], wanted: Float[Tensor, "p 4"]) -> Float[Tensor, " p"]:
    """One minus the generalised IoU of two boxes around the same point, given as the distances of their four sides.

    Source: Rezatofighi et al., arXiv 1902.09630, algorithm 1. Both have the point in common, so what they share and the
    box around both are spanned by the smaller and the larger distances. ``wanted`` must be above 0, ``found`` may be 0.
    """
    parts = torch.stack((torch.minimum(found, wanted), torch.maximum(found, wanted), found, wanted))
    shared, hull, area, wanted_area = (parts[..., :2] + parts[..., 2:]).prod(dim=-1).unbind()
    union = area + wanted_area - shared
    return 1 - shared / union + (hull - union) / hull


def sigmoid_focal_loss(
    logits: Float[Tensor, "*n"], wanted: Float[Tensor, "*n"], *, alpha: float = 0.25, gamma: float = 2.0
) -> Float[Tensor, "*n"]:
    """``alpha (1 - p)^gamma`` times the binary cross-entropy, ``p`` being the probability of what is right.

    Equation 5 of arXiv 1708.02002; where ``wanted`` is 0 instead of 1, ``1 - alpha`` takes alpha's place.
    """
    plain = F.binary_cross_entropy_with_logits(logits, wanted, reduction="none")
    probability = logits.sigmoid()
    wrong = probability + wanted - 2 * probability * wanted
    return plain * wrong**gamma * (1 - alpha + (2 * alpha - 1) * wanted)


def detect(outputs: FCOSOutputs, limits: FCOSLimits) -> Detections:
    """The detections of all images in network pixels, scored by the root of class probability times centreness."""
    found = candidates(outputs, limits, limits.score)
    return suppress(found, images=len(outputs.class_logits), iou=limits.iou, count=limits.count)


def candidates(outputs: FCOSOutputs, limits: FCOSLimits, least: float | Float[Tensor, ""]) -> Detections:
    """The best locations and classes of every level that score more than ``least``, before any is suppressed."""
    scores = (outputs.class_logits[..., 1:].sigmoid() * outputs.centerness_logits.sigmoid()[..., None]).sqrt()
    classes = scores.shape[2]
    pairs = scores.flatten(1)  # [b, a * classes], those of a location beside each other
    best = top_of_levels(pairs, [count * classes for count in outputs.locations.counts], limits.candidates)  # [b, t]
    score = pairs.gather(1, best)
    image, rank = (score > least).nonzero(as_tuple=True)
    score, pair = score[image, rank], best[image, rank]
    place, label = pair // classes, pair % classes
    points = outputs.locations.points_xy[place].repeat(1, 2)
    sides = outputs.distances_ltrb[image, place] * outputs.locations.strides[place, None]
    edges = outputs.image_sizes.flip(1).repeat(1, 2)[image].to(sides)  # w, h, w, h
    boxes = torch.minimum((points + sides * sides.new_tensor([-1, -1, 1, 1])).clamp(min=0), edges)
    return Detections(boxes, image, label, score)


def _resnet50_pyramid(*, pretrained: bool, norm: NormName | None, trainable_layers: int | None) -> FCOSBackbone:
    return FCOSBackbone(backbone("resnet50", pretrained=pretrained, norm=norm, trainable_layers=trainable_layers))


def _standard(transform: ImageTransform, backbone: FCOSBackbone, num_classes: int) -> FCOS:
    head = FCOSHead(channels=backbone.out_channels, num_classes=num_classes)
    return FCOS(transform=transform, backbone=backbone, head=head)


fcos_resnet50_fpn = named(
    "fcos_resnet50_fpn",
    published,
    Published(_resnet50_pyramid, _standard),
    "torchvision's FCOS with a ResNet-50 pyramid (COCO box AP 39.2, as published with its weights; not measured here).",
)


def fcos_lite0_fpn(
    *,
    num_classes: int = 90,
    pretrained: bool = True,
    trainable_layers: int | None = None,
    size: int = 192,
    body: Backbone | None = None,
) -> FCOS:
    """Our small FCOS for a CPU: EfficientNet-Lite0 with the ImageNet weights that come with the install, P3 to P5.

    Args:
        num_classes: categories without the background.
        pretrained: start from the ImageNet weights.
        trainable_layers: how many of the backbone's stages learn, counted from the last.
        size: the shorter side of an image in pixels; the longer may be twice that.
        body: a backbone of your own in place of EfficientNet-Lite0, with stages at strides 4, 8, 16 and 32.
    """
    # He's initial weights learn sooner than the published ones: AP 39 instead of 31 after 100 steps on drawn scenes.
    head = FCOSHead(channels=LITE_CHANNELS, num_classes=num_classes, depth=LITE_DEPTH)
    for branch in (head.classification_head, head.regression_head):
        init_convolutions(branch["conv"])
    body = lite0_or(body, pretrained=pretrained, trainable_layers=trainable_layers)
    pyramid = PyramidBackbone(body, stages=(1, 2, 3), out_channels=LITE_CHANNELS, norm=nn.BatchNorm2d, extra=None)
    return FCOS(transform=small_transform(size, body), backbone=pyramid, head=head)


def _tower(channels: int, depth: int) -> nn.Sequential:
    """3x3 convolutions with group norm and ReLU."""
    layers: list[nn.Module] = []
    for _ in range(depth):
        layers += [_conv(channels, channels), nn.GroupNorm(GROUPS, channels), nn.ReLU()]
    return nn.Sequential(*layers)


def _conv(inputs: int, outputs: int, bias: float = 0.0) -> nn.Conv2d:
    conv = nn.Conv2d(inputs, outputs, 3, padding=1)
    nn.init.normal_(conv.weight, std=0.01)
    nn.init.constant_(conv.bias, bias)  # type: ignore[arg-type]
    return conv


def _rows(level: Float[Tensor, "b k h w"]) -> Float[Tensor, "b hw k"]:
    """One row for each location, in fp32."""
    return level.permute(0, 2, 3, 1).flatten(1, 2).float()


MODELS: dict[str, Builder] = {"fcos_resnet50_fpn": fcos_resnet50_fpn, "fcos_lite0_fpn": fcos_lite0_fpn}
LOSSES: dict[str, Builder] = {"fcos": FCOSCriterion}
