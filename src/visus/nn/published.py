"""The weights that others have published and our networks load: where they lie, how they are checked, what they score.

All are torchvision's, and all names are those of its builders. Every metric is the published one, not measured again
here: ``ImageNet top1`` in percent, ``box AP``, ``mask AP`` and ``keypoint AP`` on COCO val2017, ``VOC mIoU`` and ``VOC
pixels`` (pixels that are right) on its images with Pascal VOC's classes. EfficientNet-Lite0's weights come with the
install and are not in this table.
"""

from __future__ import annotations

from dataclasses import dataclass, replace


@dataclass(frozen=True)
class PackagedWeights:
    """Weights of a network that is ready to predict, inside of another package.

    Args:
        package: as it is imported.
        extra: of visus, which installs it.
        size_mb: of the files that are read, in units of 2^20 bytes.
        licence: of the files.
    """

    package: str
    extra: str
    size_mb: float
    licence: str


PACKAGED: dict[str, PackagedWeights] = {
    "faces": PackagedWeights("face_recognition_models", "faces", 30.85, "CC0-1.0"),
}
"""By the name that `visus.load` and ``visus predict`` know them by."""

_BASE = "https://download.pytorch.org/models/"


@dataclass(frozen=True)
class PublishedWeights:
    """One published file.

    Args:
        url: where it lies.
        sha256_prefix: how the SHA-256 of its content begins.
        size_mb: its size in units of 2^20 bytes.
        num_classes: the classes of its network, the background not counted.
        metric: what it scores, in percent.
        frozen_eps: the epsilon to give to `visus.nn.norm.FrozenBatchNorm2d`; None where the network has none.
        shorter_side: pixels of an image before its middle is cut out, where that is not the classifier's usual 256.
        prefix: what the names of its parameters get in front of them in the model of its name.
        licence: of the file. The images that it was trained on have terms of their own.
    """

    url: str
    sha256_prefix: str
    size_mb: float
    num_classes: int
    metric: dict[str, float]
    frozen_eps: float | None = None
    shorter_side: int | None = None
    prefix: str = ""
    licence: str = "BSD-3-Clause"


def _row(
    file: str, size_mb: float, num_classes: int, metric: dict[str, float], frozen_eps: float | None = None
) -> PublishedWeights:
    """A file whose name ends, before its suffix, in the first eight digits of its SHA-256."""
    prefix = file.removesuffix(".pth").rsplit("-", 1)[1]
    return PublishedWeights(_BASE + file, prefix, size_mb, num_classes, metric, frozen_eps)


def _imagenet(file: str, size_mb: float, top1: float, *, shorter_side: int | None = None) -> PublishedWeights:
    return replace(_row(file, size_mb, 1000, {"ImageNet top1": top1}), shorter_side=shorter_side, prefix="network.")


def _coco(
    file: str,
    size_mb: float,
    box: float,
    *,
    mask: float | None = None,
    keypoint: float | None = None,
    frozen_eps: float | None = None,
) -> PublishedWeights:
    scores = {"box AP": box, "mask AP": mask, "keypoint AP": keypoint}
    metric = {name: score for name, score in scores.items() if score is not None}
    return _row(file, size_mb, 1 if keypoint else 90, metric, frozen_eps)


def _voc(file: str, size_mb: float, miou: float, pixels: float) -> PublishedWeights:
    return _row(file, size_mb, 20, {"VOC mIoU": miou, "VOC pixels": pixels})


PUBLISHED: dict[str, PublishedWeights] = {
    "resnet18": _imagenet("resnet18-f37072fd.pth", 44.661, 69.758),
    "resnet34": _imagenet("resnet34-b627a593.pth", 83.275, 73.314),
    "resnet50": _imagenet("resnet50-0676ba61.pth", 97.781, 76.130),
    "resnet50_v2": _imagenet("resnet50-11ad3fa6.pth", 97.790, 80.858, shorter_side=232),
    "resnet101": _imagenet("resnet101-63fe2227.pth", 170.511, 77.374),
    "resnet101_v2": _imagenet("resnet101-cd907fc2.pth", 170.530, 81.886, shorter_side=232),
    "vgg16": _imagenet("vgg16-397923af.pth", 527.796, 71.592),
    "mobilenet_v3_large": _imagenet("mobilenet_v3_large-8738ca79.pth", 21.114, 74.042),
    "mobilenet_v3_large_v2": _imagenet("mobilenet_v3_large-5c1a4163.pth", 21.107, 75.274, shorter_side=232),
    "mobilenet_v3_small": _imagenet("mobilenet_v3_small-047dcff4.pth", 9.829, 67.668),
    "googlenet": _imagenet("googlenet-1378be20.pth", 49.731, 69.778),
    # SSD's backbone: its pixels enter as Caffe's, and it was never measured as a classifier.
    "vgg16_caffe_features": _row("vgg16_features-amdegroot-88682ab5.pth", 527.802, 1000, {}),
    "fasterrcnn_resnet50_fpn": _coco("fasterrcnn_resnet50_fpn_coco-258fb6c6.pth", 159.743, 37.0, frozen_eps=0.0),
    "fasterrcnn_resnet50_fpn_v2": _coco("fasterrcnn_resnet50_fpn_v2_coco-dd69338a.pth", 167.104, 46.7),
    "fasterrcnn_mobilenet_v3_large_fpn": _coco(
        "fasterrcnn_mobilenet_v3_large_fpn-fb6a3cc7.pth", 74.239, 32.8, frozen_eps=1e-5
    ),
    "fasterrcnn_mobilenet_v3_large_320_fpn": _coco(
        "fasterrcnn_mobilenet_v3_large_320_fpn-907ea3f9.pth", 74.239, 22.8, frozen_eps=1e-5
    ),
    "maskrcnn_resnet50_fpn": _coco("maskrcnn_resnet50_fpn_coco-bf2d0c1e.pth", 169.840, 37.9, mask=34.6, frozen_eps=0.0),
    "maskrcnn_resnet50_fpn_v2": _coco("maskrcnn_resnet50_fpn_v2_coco-73cbd019.pth", 177.219, 47.4, mask=41.8),
    "keypointrcnn_resnet50_fpn": _coco(
        "keypointrcnn_resnet50_fpn_coco-fc266e95.pth", 226.054, 54.6, keypoint=65.0, frozen_eps=0.0
    ),
    # The one ResNet-50 detector without a second norm that was trained with an epsilon.
    "keypointrcnn_resnet50_fpn_legacy": _coco(
        "keypointrcnn_resnet50_fpn_coco-9f466800.pth", 226.054, 50.6, keypoint=61.1, frozen_eps=1e-5
    ),
    "fcos_resnet50_fpn": _coco("fcos_resnet50_fpn_coco-99b0c9b7.pth", 123.608, 39.2, frozen_eps=1e-5),
    "ssd300_vgg16": _coco("ssd300_vgg16_coco-b556d3b4.pth", 135.988, 25.1),
    "fcn_resnet50": _voc("fcn_resnet50_coco-1167a1af.pth", 135.009, 60.5, 91.4),
    "fcn_resnet101": _voc("fcn_resnet101_coco-7ecb50ca.pth", 207.711, 63.7, 91.9),
    "deeplabv3_resnet50": _voc("deeplabv3_resnet50_coco-cd0a2569.pth", 160.515, 66.4, 92.4),
    "deeplabv3_resnet101": _voc("deeplabv3_resnet101_coco-586e9e4e.pth", 233.217, 67.4, 92.4),
    "deeplabv3_mobilenet_v3_large": _voc("deeplabv3_mobilenet_v3_large-fc3c493d.pth", 42.301, 60.3, 91.2),
}
