"""A trained model that is ready to look at pictures: `load` finds the weights, `Predictor.predict` uses them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from jaxtyping import UInt8
from PIL import Image
from torch import Tensor, nn

from visus import catalog
from visus.data.files.images import read_image, rgb_pixels
from visus.errors import VisusError
from visus.nn.backbones import AnyBackbone, as_backbone
from visus.nn.model import predict_batch
from visus.predict.stored import find_weights
from visus.types import (
    ClassPrediction,
    EmbeddingPrediction,
    InstancePrediction,
    Prediction,
    Schema,
    SemanticPrediction,
    row,
)

Picture = UInt8[Tensor, "3 h w"] | Image.Image | str | Path


class Predictor:
    """A model in evaluation mode together with the meaning of its labels.

    Args:
        model: what turns an image batch into predictions.
        schema: the names of its labels.
        device: where it runs; None picks a GPU where there is one.
        averaged: makes a model of it that averages several looks, where its problem has one.
    """

    def __init__(
        self,
        model: nn.Module,
        schema: Schema,
        *,
        device: str | None = None,
        averaged: Callable[..., nn.Module] | None = None,
    ) -> None:
        self._averaged = averaged
        self.device = _device(device)
        self.model = model.to(self.device).eval()
        self.schema = schema

    def predict(
        self, images: Picture | Sequence[Picture], *, batch_size: int = 1, min_score: float | None = None
    ) -> list[Prediction]:
        """Looks at each picture: finds its objects, the classes of its pixels, its class or its embedding.

        Args:
            images: uint8 RGB tensors, Pillow images or paths; one or a list.
            batch_size: images that go through the network together. Images of a batch share one padded size, which
                moves scores in the third decimal; 1 is what the published numbers were measured with.
            min_score: leave out objects under this score; None keeps all that the model reports. Other kinds of
                predictions are kept as they are.

        Returns:
            A prediction per image, in the image's own pixels, on the CPU.

        Raises:
            ImageError: a path that holds no readable image.
        """
        several = images if isinstance(images, Sequence) and not isinstance(images, str) else [images]
        if batch_size < 1:
            raise ValueError(f"batch_size must be at least 1, not {batch_size}")
        found: list[Prediction] = []
        for start in range(0, len(several), batch_size):
            found += self._predict_batch([as_pixels(image) for image in several[start : start + batch_size]])
        if min_score is None:
            return found
        return [row(AT_LEAST, prediction, "a least score")(prediction, min_score) for prediction in found]

    def averaged(
        self, *, scales: Sequence[float] = (1.0,), flip: bool = False, window: tuple[int, int] | None = None
    ) -> Predictor:
        """A predictor that averages several looks at each image (test-time augmentation).

        Args:
            scales: the sizes that it looks at, as factors on the usual one.
            flip: whether it looks at each of them mirrored, too.
            window: rows and columns of a sliding window for large images; None looks at the whole.

        Raises:
            VisusError: the model's problem has no such average.
        """
        if self._averaged is None:
            names = [problem.name for problem in catalog.PROBLEMS.values() if problem.averaged]
            raise VisusError(f"--scales, --flip and --window need a {' or '.join(names)} model")
        model = self._averaged(self.model, scales=scales, flip=flip, window=window)
        return Predictor(model, self.schema, device=str(self.device))

    def _predict_batch(self, images: list[UInt8[Tensor, "3 h w"]]) -> list[Prediction]:
        """One pass through the network."""
        model: Any = self.model
        _, found = predict_batch(model, model.transform.batch(images).to(self.device))
        return [prediction.to("cpu") for prediction in found]


def load(name_or_run: str | Path, *, device: str | None = None, backbone: AnyBackbone | None = None) -> Predictor:
    """Loads a trained model.

    Args:
        name_or_run: a run folder, a ``.safetensors`` file that visus wrote, or the name of published weights such as
            ``maskrcnn_resnet50_fpn``, which are fetched once.
        device: such as ``cpu`` or ``cuda:1``; None picks a GPU where there is one.
        backbone: the backbone of your own that the run was trained with, or what makes it.

    Raises:
        VisusError: nothing of that name exists; the message says what does.
        WeightsError: the file does not hold what the model needs.
    """
    stored = find_weights(name_or_run)
    averaged = catalog.problem_of(stored.model).averaged
    body = None if backbone is None else as_backbone(backbone)
    return Predictor(stored.network(body), stored.schema, device=device, averaged=averaged)


def predict(
    model: str | Path | Predictor,
    images: Picture | Sequence[Picture],
    *,
    device: str | None = None,
    batch_size: int = 1,
    min_score: float | None = None,
) -> list[Prediction]:
    """Loads a model and looks at images; `load` once and `Predictor.predict` often is faster.

    Args:
        model: as for `load`, or a predictor.
        images: as for `Predictor.predict`.
        device: as for `load`.
        batch_size: as for `Predictor.predict`.
        min_score: as for `Predictor.predict`.

    Raises:
        VisusError: there is no such model.
        ImageError: a path that holds no readable image.
    """
    predictor = model if isinstance(model, Predictor) else load(model, device=device)
    return predictor.predict(images, batch_size=batch_size, min_score=min_score)


def as_pixels(image: Picture) -> UInt8[Tensor, "3 h w"]:
    """An image as an upright uint8 RGB tensor.

    Raises:
        ImageError: a file, or an image of Pillow's, that cannot be decoded.
        ValueError: a tensor that is not [3, h, w] of uint8.
    """
    if isinstance(image, str | Path):
        return read_image(image)
    if isinstance(image, Image.Image):
        return rgb_pixels(image)
    if image.dtype != torch.uint8 or image.ndim != 3 or image.shape[0] != 3:
        raise ValueError(f"an image must be uint8 of shape [3, h, w], not {image.dtype} of {list(image.shape)}")
    return image


def _device(name: str | None) -> torch.device:
    """The named device, or the best there is."""
    if name is None:
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:
        first_line = str(error).splitlines()[0]
        raise VisusError(f"the device {name!r} cannot be used: {first_line}") from error
    return device


def _whole(prediction: Any, min_score: float) -> Any:
    return prediction


AT_LEAST: dict[type, Callable[[Any, float], Any]] = {
    InstancePrediction: lambda prediction, min_score: prediction[prediction.scores >= min_score],
    SemanticPrediction: _whole,
    ClassPrediction: _whole,
    EmbeddingPrediction: _whole,
}
"""What a least score leaves of each kind of prediction."""
