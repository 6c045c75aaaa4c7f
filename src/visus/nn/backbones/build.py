"""Backbones by name: `BACKBONES` builds classifiers, `backbone` the body of one for a detector or another head."""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Callable, Sequence
from functools import partial

from torch import Tensor, nn

from visus.download import fetch
from visus.nn.backbones.bn_inception import BNInception, bn_inception, remap_caffe
from visus.nn.backbones.body import Body, freeze
from visus.nn.backbones.efficientnet_lite import EPS, EfficientNetLite, efficientnet_lite0, lite_norm, packaged_state
from visus.nn.backbones.googlenet import EPS as GOOGLENET_EPS
from visus.nn.backbones.googlenet import GoogLeNet, googlenet, googlenet_norm
from visus.nn.backbones.mobilenet_v3 import MobileNetV3, mobilenet_v3_large, mobilenet_v3_small
from visus.nn.backbones.resnet import ResNet, resnet18, resnet34, resnet50, resnet101
from visus.nn.backbones.vgg import VGG, vgg16
from visus.nn.norm import FrozenBatchNorm2d, MakeNorm, NormName
from visus.nn.published import PUBLISHED
from visus.nn.weights import load_state, read_weights

Network = ResNet | VGG | MobileNetV3 | EfficientNetLite | GoogLeNet | BNInception

BACKBONES: dict[str, Callable[..., Network]] = {
    "resnet18": resnet18,
    "resnet34": resnet34,
    "resnet50": resnet50,
    "resnet101": resnet101,
    "vgg16": vgg16,
    "mobilenet_v3_large": mobilenet_v3_large,
    "mobilenet_v3_small": mobilenet_v3_small,
    "efficientnet_lite0": efficientnet_lite0,
    "googlenet": googlenet,
    "bn_inception": bn_inception,
}
_NORMS: dict[str, tuple[float, MakeNorm]] = {
    "efficientnet_lite0": (EPS, lite_norm),
    "googlenet": (GOOGLENET_EPS, googlenet_norm),
}
_CLASSIFIERS = ("fc.", "classifier.", "aux1.", "aux2.")
_BN_INCEPTION = "http://data.lip6.fr/cadene/pretrainedmodels/bn_inception-52deb4733.pth"


def backbone(
    name: str,
    *,
    pretrained: bool = False,
    trainable_layers: int | None = None,
    norm: NormName | MakeNorm | None = None,
    taps: Sequence[int] | Sequence[str] | None = None,
) -> Body:
    """The body called ``name``, without its classifier.

    Args:
        name: a key of `BACKBONES`.
        pretrained: start from ImageNet weights. EfficientNet-Lite0's come with the install, all others are fetched
            once.
        trainable_layers: how many groups of layers learn, counted from the last (`freeze`); None for three of a
            pretrained body and all of any other.
        norm: ``"batch"``, ``"frozen"``, or what makes a norm from its channels; None for frozen norms in a pretrained
            body and batch norms in any other. Frozen norms in a body that starts from scratch diverge: they are for
            weights that are loaded later. Epsilons are those of torchvision's detectors (1e-5), and 1e-3 for
            EfficientNet-Lite0 and GoogLeNet.
        taps: the layers that are read as stages, for bodies that are one row of layers: their numbers for VGG and
            MobileNetV3, their names for GoogLeNet and BN-Inception.

    Raises:
        ValueError: there is no such backbone, or it has no such layers.
        DownloadError: the weights cannot be fetched; the message says which file to place where.
    """
    if name not in BACKBONES:
        near = difflib.get_close_matches(name, BACKBONES, n=1)
        hint = f" Did you mean {near[0]}?" if near else ""
        raise ValueError(f"there is no backbone called {name!r}.{hint} There are: {', '.join(BACKBONES)}")
    known = inspect.signature(BACKBONES[name]).parameters
    if taps is not None and "taps" not in known:
        raise ValueError(f"{name} has four stages and no taps; choose among them with PyramidBackbone(stages=...)")
    options: dict[str, object] = {"norm": _norm(name, norm, pretrained), "taps": taps}
    chosen = {key: value for key, value in options.items() if key in known and value is not None}
    network = BACKBONES[name](num_classes=None, **chosen)
    if pretrained:
        state, source = pretrained_state(name)
        features = {key: value for key, value in state.items() if not key.startswith(_CLASSIFIERS)}
        load_state(network, features, source=source)
    body = network.without_classifier()
    if trainable_layers is None:
        trainable_layers = 3 if pretrained else len(body.groups())
    freeze(body, trainable_layers)
    return body


def pretrained_state(name: str) -> tuple[dict[str, Tensor], str]:
    """The ImageNet weights of a key of `BACKBONES` or of `PUBLISHED`, and the file that they come from.

    Raises:
        DownloadError: they cannot be fetched.
    """
    if name == "efficientnet_lite0":
        return packaged_state()
    if name == "bn_inception":
        path = fetch(
            _BN_INCEPTION, "52deb4733", note="ImageNet weights of BN-Inception, converted from Caffe", size_mb=43
        )
        return remap_caffe(read_weights(path)[0]), str(path)
    row = PUBLISHED[name]
    note = f"ImageNet weights of {name}, {row.licence}"
    path = fetch(row.url, row.sha256_prefix, note=note, size_mb=row.size_mb)
    return read_weights(path)[0], str(path)


def _norm(name: str, norm: NormName | MakeNorm | None, pretrained: bool) -> MakeNorm:
    """What makes the norms of a body."""
    if callable(norm):
        return norm
    if norm not in ("batch", "frozen", None):
        raise ValueError(f'norm must be "batch", "frozen" or a callable, not {norm!r}')
    frozen = pretrained if norm is None else norm == "frozen"
    if name in _NORMS:
        eps, usual = _NORMS[name]
        return partial(FrozenBatchNorm2d, eps=eps) if frozen else usual
    return FrozenBatchNorm2d if frozen else nn.BatchNorm2d
