"""Backbones by name: `network` builds a classifier, `backbone` the body of one for a detector or another head."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Protocol, runtime_checkable

from jaxtyping import Float
from torch import Tensor, nn

from visus.download import fetch
from visus.names import find
from visus.nn.backbones.bn_inception import bn_inception, converted_state
from visus.nn.backbones.efficientnet_lite import efficientnet_lite0, packaged_state
from visus.nn.backbones.googlenet import googlenet
from visus.nn.backbones.interface import Backbone, freeze
from visus.nn.backbones.mobilenet_v3 import mobilenet_v3_large, mobilenet_v3_small
from visus.nn.backbones.resnet import resnet18, resnet34, resnet50, resnet101
from visus.nn.backbones.vgg import vgg16
from visus.nn.norm import MakeNorm, NormName, frozen
from visus.nn.published import PUBLISHED
from visus.nn.weights import StateDict, load_state, read_weights


@runtime_checkable
class Network(Protocol):
    """A backbone with its classifier, which is called ``fc`` or ``classifier`` in the names of its parameters.

    Its builder takes ``num_classes``, None for no classifier, and where it has norms what makes them as ``norm``, whose
    default is that of the published weights.
    """

    @property
    def body(self) -> Backbone:
        """What makes the maps."""

    def classify(self, maps: Sequence[Float[Tensor, "b _ _ _"]]) -> Float[Tensor, "b k"]:
        """The logits of the classes from the maps of the body, of which it reads the last."""


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
"""What builds each `Network`."""

_BODY_NORMS: dict[str, MakeNorm] = {"mobilenet_v3_large": nn.BatchNorm2d, "mobilenet_v3_small": nn.BatchNorm2d}
"""The norms of bodies where torchvision's detectors have others than its classifiers."""

LITE_STRIDES = (4, 8, 16, 32)

PACKAGED = "efficientnet_lite0"
"""The key of `BACKBONES` whose ImageNet weights come with the install."""

_STATES: dict[str, Callable[[], tuple[StateDict, str]]] = {
    PACKAGED: packaged_state,
    "bn_inception": converted_state,
}
"""Where ImageNet weights come from that are not in `PUBLISHED`."""

_LOADED: ContextVar[Callable[[str], bool]] = ContextVar("loaded", default=lambda name: True)
"""Whether the ImageNet weights of a name are loaded where a network is built with them."""

_CLASSIFIERS = ("fc.", "classifier.", "aux1.", "aux2.")


def backbone(
    name: str,
    *,
    pretrained: bool = False,
    trainable_layers: int | None = None,
    norm: NormName | MakeNorm | None = None,
    taps: Sequence[int] | Sequence[str] | None = None,
) -> Backbone:
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
    known = inspect.signature(find(BACKBONES, name, "backbone")).parameters
    if taps is not None and "taps" not in known:
        raise ValueError(f"{name} has four stages and no taps; choose among them with PyramidBackbone(stages=...)")
    usual = _BODY_NORMS.get(name) or _usual_norm(name)
    options = {} if usual is None else {"norm": _norm(usual, norm, pretrained)}
    network = BACKBONES[name](num_classes=None, **options, **({} if taps is None else {"taps": taps}))
    assert isinstance(network, nn.Module)
    if pretrained and loads_pretrained(name):
        state, source = pretrained_state(name)
        features = {key: value for key, value in state.items() if not key.startswith(_CLASSIFIERS)}
        load_state(network, features, source=source)
    _freeze(network.body, trainable_layers, pretrained)
    return network.body


def lite0_or(body: Backbone | None, *, pretrained: bool = True, trainable_layers: int | None = None) -> Backbone:
    """A backbone of somebody's own, or EfficientNet-Lite0 where there is none: what the networks for a CPU stand on.

    Args:
        body: with stages at strides 4, 8, 16 and 32; all of it learns unless ``trainable_layers`` says else.
        pretrained: of EfficientNet-Lite0, as for `backbone`.
        trainable_layers: as for `backbone`.

    Raises:
        ValueError: the strides are others.
    """
    if body is None:
        return backbone(PACKAGED, pretrained=pretrained, trainable_layers=trainable_layers)
    if tuple(body.strides) != LITE_STRIDES:
        raise ValueError(f"a {type(body).__name__} has stages at strides {tuple(body.strides)}, not at {LITE_STRIDES}")
    if trainable_layers is not None:
        freeze(body, trainable_layers)
    return body


def network(
    name: str,
    *,
    num_classes: int,
    pretrained: bool = False,
    trainable_layers: int | None = None,
    norm: NormName | None = None,
) -> Network:
    """The backbone called ``name`` with its classifier, and with the epsilons of its published weights.

    Args:
        name: a key of `BACKBONES`.
        num_classes: with ``pretrained``, anything but 1000 starts the last layer afresh.
        pretrained: as for `backbone`.
        trainable_layers: as for `backbone`; the classifier always learns.
        norm: batch norm, or frozen batch norm, the default for a pretrained network; nothing where it has no norms.

    Raises:
        ValueError: there is no such backbone.
        DownloadError: the weights cannot be fetched.
    """
    build = find(BACKBONES, name, "backbone")
    usual = _usual_norm(name)
    made = build(num_classes=num_classes, **({} if usual is None else {"norm": _norm(usual, norm, pretrained)}))
    assert isinstance(made, nn.Module)
    if pretrained and loads_pretrained(name):
        state, source = pretrained_state(name)
        own = made.state_dict()
        fresh = {key: own[key] for key, value in state.items() if key in own and own[key].shape != value.shape}
        load_state(made, state | fresh if num_classes != 1000 else state, source=source)
    _freeze(made.body, trainable_layers, pretrained)
    return made


@contextmanager
def without_pretrained(*, except_packaged: bool = False) -> Iterator[None]:
    """Inside, networks are built as their options say, but no ImageNet weights are read or fetched.

    For weights that are loaded afterwards: norms and frozen layers are those of a pretrained network.

    Args:
        except_packaged: read those that come with the install all the same.
    """
    token = _LOADED.set(lambda name: except_packaged and name == PACKAGED)
    try:
        yield
    finally:
        _LOADED.reset(token)


def loads_pretrained(name: str) -> bool:
    """Whether a network that is built now with the ImageNet weights of a name loads them."""
    return _LOADED.get()(name)


def pretrained_state(name: str) -> tuple[StateDict, str]:
    """The ImageNet weights of a key of `BACKBONES` or of `PUBLISHED`, and the file that they come from.

    Raises:
        ValueError: nobody has published any.
        DownloadError: they cannot be fetched.
    """
    if name in _STATES:
        return _STATES[name]()
    row = find(PUBLISHED, name, "file of ImageNet weights")
    note = f"ImageNet weights of {name}, {row.licence}"
    path = fetch(row.url, row.sha256_prefix, note=note, size_mb=row.size_mb)
    return read_weights(path)[0], str(path)


def _usual_norm(name: str) -> MakeNorm | None:
    """What makes the norms that the published weights of a network were trained with; None where it has none."""
    norm = inspect.signature(BACKBONES[name]).parameters.get("norm")
    return None if norm is None else norm.default


def _norm(usual: MakeNorm, norm: NormName | MakeNorm | None, pretrained: bool) -> MakeNorm:
    """What makes the norms of a network."""
    if callable(norm):
        return norm
    if norm not in ("batch", "frozen", None):
        raise ValueError(f'norm must be "batch", "frozen" or a callable, not {norm!r}')
    freezes = pretrained if norm is None else norm == "frozen"
    return frozen(usual) if freezes else usual


def _freeze(body: Backbone, trainable_layers: int | None, pretrained: bool) -> None:
    """Lets the last groups learn: three where the weights are pretrained and nobody says how many, else all."""
    freeze(body, trainable_layers if trainable_layers is not None else 3 if pretrained else len(body.groups()))
