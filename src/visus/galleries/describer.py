"""From images to vectors: the network of a gallery, and the fingerprint by which its vectors are told from others'."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Final, Literal, Protocol

import numpy as np
import torch
from jaxtyping import Float32, UInt8
from torch import Tensor, nn

from visus import catalog
from visus.galleries.errors import GalleryError
from visus.galleries.parts import FACES, Parts
from visus.galleries.screens import Closeness
from visus.nn.fused.choose import FEW
from visus.predict.items import Item
from visus.predict.predictor import Predictor
from visus.predict.stored import StoredWeights, find_weights
from visus.types import EmbeddingPrediction, NoRowError, Schema, row

DEFAULT: Final = "frozen_lite0"
"""The descriptor that needs no training: EfficientNet-Lite0 with ImageNet weights, pooled with the layout kept."""

_DEFAULT_MODEL: Final = "descriptor_lite0"
_DEFAULT_OPTIONS: Final = {"pooling": "layout", "head": "none", "pretrained": True, "size": 224}
_BATCH = 16

Exact = Literal["auto", "plain", "fp32"]
"""The forms of a network that differ by rounding alone: all vectors of a gallery are compared with each other."""

Pixels = UInt8[Tensor, "3 h w"]

VECTORS: dict[type, Callable[[Any], Tensor]] = {
    EmbeddingPrediction: lambda prediction: prediction.embedding,
}
"""The vector in each kind of prediction that has one."""


class Describer(Protocol):
    """What gives images their vectors.

    Attributes:
        name: a run folder, a file of weights, or `DEFAULT`.
        fingerprint: the same for the same network with the same weights, and for no other.
        parts: finds and describes the parts of an image that become entries; None for whole images.
    """

    name: str
    fingerprint: str
    parts: Parts | None

    def describe(self, images: Sequence[Pixels]) -> Float32[np.ndarray, "n d"]:
        """The vector of each image."""


class NetworkDescriber:
    """A network that gives embeddings.

    Args:
        name: as for `Describer`.
        network: a model of the catalog.
        identity: its name in the catalog and its options, as text.
        device: where it runs; None picks a GPU where there is one.
        precision: the form of the network for many images: ``fp32`` or, where that is faster, ``auto`` fuse its layers,
            which changes vectors by rounding; ``plain`` leaves it as it is.
    """

    parts: Parts | None = None

    def __init__(
        self, name: str, network: nn.Module, identity: str, *, device: str | None = None, precision: Exact = "plain"
    ) -> None:
        self.name = name
        self.fingerprint = fingerprint_of(network, identity)
        self._plain = Predictor(network, Schema((), ()), device=device)
        self._fast = self._plain.faster(precision, exact=True, on_note=_say_nothing)

    def describe(self, images: Sequence[Pixels]) -> Float32[np.ndarray, "n d"]:
        """The embedding of each image.

        Raises:
            GalleryError: the network gives none.
        """
        items = (Item(str(number), "", partial(_itself, image)) for number, image in enumerate(images))
        predictor = self._plain if len(images) < FEW else self._fast
        results = predictor.stream(items, batch_size=_BATCH)
        try:
            vectors = [row(VECTORS, result.prediction, "describing")(result.prediction) for result in results]
        except NoRowError as error:
            raise GalleryError(f"{self.name}: this network gives no embedding; a gallery needs a descriptor") from error
        return torch.stack(vectors).float().numpy() if vectors else np.empty((0, 0), dtype=np.float32)


def _say_nothing(note: str) -> None:
    """The plain network stands in for a form that cannot be had."""


def describer(name: str | Path = DEFAULT, *, device: str | None = None, precision: Exact = "plain") -> Describer:
    """The descriptor of that name.

    Args:
        name: `DEFAULT`, ``faces``, a run folder, or a ``.safetensors`` file that visus wrote.
        device: such as ``cpu`` or ``cuda:1``; None picks a GPU where there is one.
        precision: as for `NetworkDescriber`; that of faces does not change.

    Raises:
        VisusError: there is no such thing.
    """
    form: Any = {"device": device, "precision": precision}
    if str(name) == FACES:
        from visus.galleries.faces import FaceDescriber

        return FaceDescriber()
    if str(name) == DEFAULT:
        network = catalog.build_model(_DEFAULT_MODEL, Schema((), ()), _DEFAULT_OPTIONS)
        return NetworkDescriber(DEFAULT, network, _identity(_DEFAULT_MODEL, _DEFAULT_OPTIONS), **form)
    stored: StoredWeights = find_weights(name)
    path = Path(name).expanduser()
    source = str(path.resolve()) if path.exists() else str(name)
    return NetworkDescriber(source, stored.network(), _identity(stored.model, stored.options), **form)


def usual_closeness(name: str) -> Closeness:
    """By what the vectors of a describer are compared: those of faces by distance, others by their angle."""
    return "euclidean" if name == FACES else "cosine"


def _identity(model: str, options: Any) -> str:
    return json.dumps([model, dict(options)], sort_keys=True, default=str)


def fingerprint_of(network: nn.Module, identity: str) -> str:
    """A hash of what decides on the vectors: which network, its options, and every number in it."""
    digest = hashlib.sha256(identity.encode())
    for name, tensor in sorted(network.state_dict().items()):
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        digest.update(tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()


def _itself(pixels: Pixels) -> Pixels:
    return pixels
