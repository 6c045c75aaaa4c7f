"""Classification and localisation: what a picture shows, and one box around it.

A backbone with its published classifier, and beside it, where boxes are wanted, a head that looks at the backbone's
maps: the setting of ILSVRC's localisation (Russakovsky et al., arXiv 1409.0575, section 4.2) with one box for all
classes (Sermanet et al., OverFeat, arXiv 1312.6229, section 4, with the single-class regression). Where the papers
regress from all features at once, `BoxHead` lets every cell say how far the four edges are (as in FCOS, arXiv
1904.01355, section 3.1) and learns which cells to believe.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from visus.nn.backbones.bn_inception import BNInception
from visus.nn.backbones.body import Body, freeze
from visus.nn.backbones.build import BACKBONES, Network, pretrained_state
from visus.nn.backbones.efficientnet_lite import EfficientNetLite
from visus.nn.backbones.googlenet import GoogLeNet
from visus.nn.backbones.mobilenet_v3 import MobileNetV3
from visus.nn.backbones.resnet import ResNet
from visus.nn.backbones.vgg import VGG
from visus.nn.norm import FrozenBatchNorm2d, NormName
from visus.nn.square import SquareTransform
from visus.nn.transform import ImageTransform, scale_boxes
from visus.nn.weights import load_state
from visus.ops.boxes import clip_boxes
from visus.systems.classification.box_head import BoxHead
from visus.systems.classification.outputs import ClassificationOutputs
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
            olds = [(int(h), int(w)) for h, w in outputs.image_sizes.tolist()]
            moved = map(scale_boxes, outputs.boxes_xyxy.float(), olds, sizes)
            boxes = [clip_boxes(box, size) for box, size in zip(moved, sizes, strict=True)]
        return [ClassPrediction(labels[i], scores[i], size, boxes[i]) for i, size in enumerate(sizes)]


def logits_and_maps(network: nn.Module, pixels: Float[Tensor, "b 3 h w"]) -> tuple[Tensor, list[Tensor]]:
    """What ``network(pixels)`` gives, and on the way its maps, finest first; no maps of a network we do not know."""
    if not isinstance(network, Network):
        return network(pixels), []
    maps = body_of(network).stages(pixels)
    match network:
        case ResNet() | BNInception():
            return network.fc(maps[-1].mean((2, 3))), maps
        case GoogLeNet():
            return network.fc(F.dropout(maps[-1].mean((2, 3)), 0.2, network.training)), maps
        case VGG():
            return network.classifier(F.adaptive_avg_pool2d(maps[-1], 7).flatten(1)), maps
        case MobileNetV3():
            return network.classifier(maps[-1].mean((2, 3))), maps
        case EfficientNetLite():
            return network.classifier(network.head(maps[-1]).mean((2, 3))), maps


def body_of(network: Network) -> Body:
    """The part of a network that makes maps."""
    return network if isinstance(network, Body) else network.features


def _canvas(pixels: Tensor) -> Tensor:
    """Width, height, width and height of a batch, which make pixels of shares."""
    height, width = pixels.shape[-2:]
    return torch.tensor([width, height, width, height], device=pixels.device)


def resnet18(
    *,
    num_classes: int = 1000,
    pretrained: bool = False,
    norm: NormName | None = None,
    trainable_layers: int | None = None,
    boxes: bool = False,
    size: int = 224,
) -> ImageClassifier:
    """ResNet-18 (arXiv 1512.03385) with torchvision's names: ImageNet top-1 69.8 with its weights.

    All builders here take the same arguments.

    Args:
        num_classes: with ``pretrained``, anything but 1000 starts the last layer afresh.
        pretrained: start from torchvision's ImageNet weights (fetched once).
        norm: batch norm, or frozen batch norm, the default for a pretrained network.
        trainable_layers: how many groups of the backbone's layers learn, counted from the last; 3 if pretrained, else
            all. The classifier always learns.
        boxes: find a box, too. Then the whole image is stretched to a square; otherwise its middle is cut out.
        size: the side of the network's images in pixels.
    """
    return _classifier("resnet18", num_classes, pretrained, norm, trainable_layers, boxes, size)


def resnet34(
    *,
    num_classes: int = 1000,
    pretrained: bool = False,
    norm: NormName | None = None,
    trainable_layers: int | None = None,
    boxes: bool = False,
    size: int = 224,
) -> ImageClassifier:
    """ResNet-34 (arXiv 1512.03385): ImageNet top-1 73.3 with torchvision's weights."""
    return _classifier("resnet34", num_classes, pretrained, norm, trainable_layers, boxes, size)


def resnet50(
    *,
    num_classes: int = 1000,
    pretrained: bool = False,
    norm: NormName | None = None,
    trainable_layers: int | None = None,
    boxes: bool = False,
    size: int = 224,
) -> ImageClassifier:
    """ResNet-50 (arXiv 1512.03385): ImageNet top-1 76.1 with torchvision's first weights, 80.9 with its second."""
    return _classifier("resnet50", num_classes, pretrained, norm, trainable_layers, boxes, size)


def resnet101(
    *,
    num_classes: int = 1000,
    pretrained: bool = False,
    norm: NormName | None = None,
    trainable_layers: int | None = None,
    boxes: bool = False,
    size: int = 224,
) -> ImageClassifier:
    """ResNet-101 (arXiv 1512.03385): ImageNet top-1 77.4 with torchvision's first weights, 81.9 with its second."""
    return _classifier("resnet101", num_classes, pretrained, norm, trainable_layers, boxes, size)


def mobilenet_v3_large(
    *,
    num_classes: int = 1000,
    pretrained: bool = False,
    norm: NormName | None = None,
    trainable_layers: int | None = None,
    boxes: bool = False,
    size: int = 224,
) -> ImageClassifier:
    """MobileNetV3-Large (arXiv 1905.02244): ImageNet top-1 74.0 with torchvision's weights."""
    return _classifier("mobilenet_v3_large", num_classes, pretrained, norm, trainable_layers, boxes, size)


def mobilenet_v3_small(
    *,
    num_classes: int = 1000,
    pretrained: bool = False,
    norm: NormName | None = None,
    trainable_layers: int | None = None,
    boxes: bool = False,
    size: int = 224,
) -> ImageClassifier:
    """MobileNetV3-Small (arXiv 1905.02244): ImageNet top-1 67.7 with torchvision's weights."""
    return _classifier("mobilenet_v3_small", num_classes, pretrained, norm, trainable_layers, boxes, size)


def vgg16(
    *,
    num_classes: int = 1000,
    pretrained: bool = False,
    trainable_layers: int | None = None,
    boxes: bool = False,
    size: int = 224,
) -> ImageClassifier:
    """VGG-16 (arXiv 1409.1556), which has no norms: ImageNet top-1 71.6 with torchvision's weights."""
    return _classifier("vgg16", num_classes, pretrained, None, trainable_layers, boxes, size)


def classifier_lite0(
    *,
    num_classes: int = 1000,
    pretrained: bool = True,
    trainable_layers: int | None = None,
    boxes: bool = False,
    size: int = 128,
) -> ImageClassifier:
    """Our small classifier for a CPU: EfficientNet-Lite0 with the ImageNet weights that come with the install.

    It always sees the whole image, stretched to a square.
    """
    network = _network("efficientnet_lite0", num_classes, pretrained, None, trainable_layers)
    return _assembled(network, _whole_image(size, body_of(network)), boxes)


def _classifier(
    name: str,
    num_classes: int,
    pretrained: bool,
    norm: NormName | None,
    trainable_layers: int | None,
    boxes: bool,
    size: int,
) -> ImageClassifier:
    """A published network, fed as it was when it was measured."""
    network = _network(name, num_classes, pretrained, norm, trainable_layers)
    body = body_of(network)
    return _assembled(network, _whole_image(size, body) if boxes else CentreCrop(size=size, body=body), boxes)


def _network(
    name: str, num_classes: int, pretrained: bool, norm: NormName | None, trainable_layers: int | None
) -> Network:
    """A backbone with its classifier, its first layers frozen."""
    frozen = pretrained if norm is None else norm == "frozen"
    options = {"norm": partial(FrozenBatchNorm2d, eps=_EPS.get(name, 1e-5))} if frozen and name != "vgg16" else {}
    network: Network = BACKBONES[name](num_classes=num_classes, **options)
    if pretrained:
        state, source = pretrained_state(name)
        own = network.state_dict()
        fresh = {key: own[key] for key, value in state.items() if key in own and own[key].shape != value.shape}
        load_state(network, state | fresh if num_classes != 1000 else state, source=source)
    body = body_of(network)
    freeze(body, trainable_layers if trainable_layers is not None else 3 if pretrained else len(body.groups()))
    return network


def _assembled(network: Network, transform: ImageTransform, boxes: bool) -> ImageClassifier:
    channels = body_of(network).channels[-2:]
    return ImageClassifier(transform=transform, network=network, box_head=BoxHead(channels) if boxes else None)


_EPS = {"mobilenet_v3_large": 1e-3, "mobilenet_v3_small": 1e-3, "efficientnet_lite0": 1e-3}
"""The epsilon of the norms that the published weights were trained with, where it is not 1e-5."""


def _whole_image(size: int, body: Body) -> SquareTransform:
    """All of an image, as the box of its object may lie anywhere."""
    return SquareTransform(size=size, mean=body.mean, std=body.std, antialias=True)
