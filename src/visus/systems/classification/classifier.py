"""Classification and localisation: what an image shows, and one box around it.

A backbone with its published classifier, and beside it, where boxes are wanted, a head that looks at the backbone's
maps: the setting of ILSVRC's localisation (Russakovsky et al., arXiv 1409.0575, section 4.2) with one box for all
classes (Sermanet et al., OverFeat, arXiv 1312.6229, section 4, with the single-class regression). Where the papers
regress from all features at once, `BoxHead` lets every cell say how far the four edges are (as in FCOS, arXiv
1904.01355, section 3.1) and learns which cells to believe.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn

from visus.names import named
from visus.nn.backbones import PACKAGED, Backbone, Network, freeze, network
from visus.nn.norm import NormName
from visus.nn.square import whole_image
from visus.nn.transform import ImageTransform, scale_boxes, size_pairs
from visus.ops.boxes import clip_boxes
from visus.systems.classification.box_head import BoxHead
from visus.systems.classification.outputs import ClassificationOutputs
from visus.systems.classification.pooled import PooledNetwork
from visus.systems.classification.transforms import CentreCrop
from visus.types import ClassPrediction, ClassTarget, ImageBatch

SHOWN = 5
"""A prediction holds this many classes, or all where there are fewer: what ILSVRC's top-5 measures need."""


class ImageClassifier(nn.Module):
    """Transform, backbone with classifier, and a box head where boxes are wanted.

    Args:
        transform: resizing and normalising.
        network: ``network(pixels)`` gives logits: a backbone of `visus.nn.backbones.build.BACKBONES`.
        box_head: finds one box from the backbone's maps; None finds none.

    Raises:
        ValueError: a box head over a network whose maps cannot be read.
    """

    channels_last = True
    adapts = False

    def __init__(self, *, transform: ImageTransform, network: nn.Module, box_head: nn.Module | None = None) -> None:
        super().__init__()
        if box_head is not None and not isinstance(network, Network):
            raise ValueError(f"{type(network).__name__} gives no maps to a box head; build it without one")
        self.transform, self.network, self.box_head = transform, network, box_head

    def forward(self, images: ImageBatch, targets: Sequence[ClassTarget] | None = None) -> ClassificationOutputs:
        """The logits of each image, and its box; targets change nothing."""
        pixels = self.transform(images)
        logits, maps = logits_and_maps(self.network, pixels)
        boxes = None if self.box_head is None else self.box_head(maps) * _canvas(pixels)
        return ClassificationOutputs(images.sizes, logits, boxes)

    @torch.no_grad()
    def postprocess(self, outputs: ClassificationOutputs, sizes: Sequence[tuple[int, int]]) -> list[ClassPrediction]:
        """The likeliest classes of each image, best first, and its box in the pixels of an image of ``sizes``."""
        probabilities = outputs.logits.float().softmax(1)
        scores, labels = probabilities.topk(min(SHOWN, probabilities.shape[1]), dim=1)
        boxes: list[Tensor | None] = [None] * len(sizes)
        if outputs.boxes_xyxy is not None:
            moved = map(scale_boxes, outputs.boxes_xyxy.float(), size_pairs(outputs.image_sizes), sizes)
            boxes = [clip_boxes(box, size) for box, size in zip(moved, sizes, strict=True)]
        return [ClassPrediction(labels[i], scores[i], size, boxes[i]) for i, size in enumerate(sizes)]


def logits_and_maps(
    network: nn.Module, pixels: Float[Tensor, "b 3 h w"]
) -> tuple[Float[Tensor, "b k"], list[Float[Tensor, "b _ _ _"]]]:
    """What ``network(pixels)`` gives, and on the way its maps, finest first; no maps of one that is no `Network`."""
    if not isinstance(network, Network):
        return network(pixels), []
    maps = network.body.stages(pixels)
    return network.classify(maps), maps


def _canvas(pixels: Tensor) -> Tensor:
    """Width, height, width and height of a batch, which make pixels of shares."""
    height, width = pixels.shape[-2:]
    return torch.tensor([width, height, width, height], device=pixels.device)


def _published(
    name: str,
    /,
    *,
    num_classes: int = 1000,
    pretrained: bool = False,
    norm: NormName | None = None,
    trainable_layers: int | None = None,
    boxes: bool = False,
    size: int = 224,
) -> ImageClassifier:
    """A published network, fed as it was when it was measured.

    Args:
        num_classes: with ``pretrained``, anything but 1000 starts the last layer afresh.
        pretrained: start from torchvision's ImageNet weights (fetched once).
        norm: batch norm, or frozen batch norm, the default for a pretrained network.
        trainable_layers: how many groups of the backbone's layers learn, counted from the last; 3 if pretrained, else
            all. The classifier always learns.
        boxes: find a box, too. Then the whole image is stretched to a square; otherwise its middle is cut out.
        size: the side of the network's images in pixels.
    """
    made = network(name, num_classes=num_classes, pretrained=pretrained, norm=norm, trainable_layers=trainable_layers)
    return _assembled(made, whole_image(size, made.body) if boxes else CentreCrop(size=size, body=made.body), boxes)


resnet18 = named(
    "resnet18",
    _published,
    "resnet18",
    "ResNet-18 (arXiv 1512.03385) with torchvision's names: ImageNet top-1 69.8 with its weights.",
)
resnet34 = named(
    "resnet34",
    _published,
    "resnet34",
    "ResNet-34 (arXiv 1512.03385): ImageNet top-1 73.3 with torchvision's weights.",
)
resnet50 = named(
    "resnet50",
    _published,
    "resnet50",
    "ResNet-50 (arXiv 1512.03385): ImageNet top-1 76.1 with torchvision's first weights, 80.9 with its second.",
)
resnet101 = named(
    "resnet101",
    _published,
    "resnet101",
    "ResNet-101 (arXiv 1512.03385): ImageNet top-1 77.4 with torchvision's first weights, 81.9 with its second.",
)
mobilenet_v3_large = named(
    "mobilenet_v3_large",
    _published,
    "mobilenet_v3_large",
    "MobileNetV3-Large (arXiv 1905.02244): ImageNet top-1 74.0 with torchvision's weights.",
)
mobilenet_v3_small = named(
    "mobilenet_v3_small",
    _published,
    "mobilenet_v3_small",
    "MobileNetV3-Small (arXiv 1905.02244): ImageNet top-1 67.7 with torchvision's weights.",
)


def vgg16(
    *,
    num_classes: int = 1000,
    pretrained: bool = False,
    trainable_layers: int | None = None,
    boxes: bool = False,
    size: int = 224,
) -> ImageClassifier:
    """VGG-16 (arXiv 1409.1556), which has no norms: ImageNet top-1 71.6 with torchvision's weights.

    The other arguments are those of `resnet18`.
    """
    return _published(
        "vgg16",
        num_classes=num_classes,
        pretrained=pretrained,
        trainable_layers=trainable_layers,
        boxes=boxes,
        size=size,
    )


def classifier_lite0(
    *,
    num_classes: int = 1000,
    pretrained: bool = True,
    trainable_layers: int | None = None,
    boxes: bool = False,
    size: int = 128,
    body: Backbone | None = None,
) -> ImageClassifier:
    """Our small classifier for a CPU: EfficientNet-Lite0 with the ImageNet weights that come with the install.

    It always sees the whole image, stretched to a square. ``body`` is a backbone of your own in place of
    EfficientNet-Lite0, all of which learns unless ``trainable_layers`` says else.
    """
    if body is not None and trainable_layers is not None:
        freeze(body, trainable_layers)
    made: Network = (
        network(PACKAGED, num_classes=num_classes, pretrained=pretrained, trainable_layers=trainable_layers)
        if body is None
        else PooledNetwork(body, num_classes)
    )
    return _assembled(made, whole_image(size, made.body), boxes)


def _assembled(network: Network, transform: ImageTransform, boxes: bool) -> ImageClassifier:
    assert isinstance(network, nn.Module)
    head = BoxHead(network.body.channels[-2:]) if boxes else None
    return ImageClassifier(transform=transform, network=network, box_head=head)
