"""What a server answers about an input: what `Result.to_dict` says, and with it what a page draws it from."""

from __future__ import annotations

import base64
import io
from collections.abc import Callable
from typing import Any

import numpy as np
from PIL import Image
from torch import Tensor

from visus.clouds import PointCloud
from visus.predict.content import Record
from visus.predict.results import encoded_mask
from visus.report.turntable import cloud_content
from visus.scenes import SceneGraph
from visus.server.loaded import LoadedModel, Seen
from visus.types import (
    ClassPrediction,
    EmbeddingPrediction,
    Episode,
    EpisodePrediction,
    GraphPrediction,
    ImagePrediction,
    InstancePrediction,
    PartPrediction,
    SemanticPrediction,
    row,
)


def answer_of(seen: Seen, model: LoadedModel, *, drawable: bool = False) -> Record:
    """What was found in an input, and by whom.

    Args:
        seen: the result.
        model: that found it.
        drawable: add what a page draws it from: ``labels_png`` (a label a pixel), or the points of a ``cloud``.
    """
    result = seen.result
    about = {"model": model.name, "kind": row(KIND, result.prediction, "answering"), "threshold": result.threshold}
    found = {**result.to_dict(), **about, "milliseconds": round(seen.milliseconds, 2)}
    if drawable:
        found |= row(DRAWN_FROM, result.prediction, "drawing on a page")(result.prediction)
        found |= row(TURNED, result.image, "turning on a page")(result.image, result.prediction, result.schema)
    del found["path"]  # what was sent has none
    return found


def _labels_png(prediction: SemanticPrediction) -> Record:
    mask = Image.fromarray(prediction.labels.cpu().numpy().astype(np.uint8)).convert("L")
    return {"labels_png": base64.b64encode(encoded_mask(mask)).decode()}


def _nothing(prediction: Any) -> Record:
    return {}


KIND: dict[type, str] = {
    InstancePrediction: "objects",
    GraphPrediction: "graph",
    SemanticPrediction: "pixels",
    ClassPrediction: "classes",
    EmbeddingPrediction: "embedding",
    EpisodePrediction: "episode",
    PartPrediction: "parts",
    ImagePrediction: "image",
}
"""The word by which a page tells the kinds of predictions apart."""

DRAWN_FROM: dict[type, Callable[[Any], Record]] = {
    InstancePrediction: _nothing,
    GraphPrediction: _nothing,
    SemanticPrediction: _labels_png,
    ClassPrediction: _nothing,
    EmbeddingPrediction: _nothing,
    EpisodePrediction: _nothing,
    PartPrediction: _nothing,
    ImagePrediction: lambda prediction: {"image_png": base64.b64encode(png_of(prediction.pixels)).decode()},
}
"""What a page draws each kind of prediction from, beyond what `Result.to_dict` says."""

TURNED: dict[type, Callable[[Any, Any, Any], Record]] = {
    Tensor: lambda image, prediction, schema: {},
    PointCloud: lambda cloud, prediction, schema: {"cloud": cloud_content(cloud, prediction, schema)},
    Episode: lambda episode, prediction, schema: {},
    SceneGraph: lambda graph, prediction, schema: {},
}
"""The points of a shape, for a page that turns it."""

ENCODED: dict[type, Callable[[Any], tuple[bytes, str]]] = {
    Tensor: lambda image: (png_of(image), "image/png"),
    PointCloud: lambda cloud: (xyz_of(cloud), "text/plain"),
}
"""Each kind of input that can be sent, as the content of a file and its type."""


def png_of(image: Any) -> bytes:
    """An image [3 h w] as a PNG."""
    content = io.BytesIO()
    Image.fromarray(image.permute(1, 2, 0).contiguous().numpy()).save(content, format="png", compress_level=1)
    return content.getvalue()


def xyz_of(cloud: PointCloud) -> bytes:
    """The points of a shape as text, with their normals where it has some."""
    import torch

    table = cloud.points if cloud.normals is None else torch.cat([cloud.points, cloud.normals], dim=1)
    content = io.BytesIO()
    np.savetxt(content, table.numpy(), fmt="%.5f")
    return content.getvalue()
