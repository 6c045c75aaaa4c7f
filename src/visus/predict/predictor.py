"""A trained model that is ready to look at pictures: `load` finds the weights, `Predictor.predict` uses them."""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import torch
from jaxtyping import UInt8
from PIL import Image
from torch import Tensor, nn

from visus import catalog
from visus.data.files.images import read_image, rgb_pixels
from visus.download import cache_path, fetch
from visus.errors import VisusError
from visus.names import suggestion
from visus.nn.model import predict_batch
from visus.nn.published import PUBLISHED
from visus.nn.weights import load_state, read_weights, remap_torchvision, set_frozen_eps
from visus.predict.published_schemas import published_schema
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

WEIGHTS_FILE: Final = "weights.safetensors"


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
            VisusError: the model's problem has no such average, or a class has a side and no counterpart in a mirror.
        """
        if self._averaged is None:
            names = [problem.name for problem in catalog.PROBLEMS.values() if problem.averaged]
            raise VisusError(f"--scales, --flip and --window need a {' or '.join(names)} model")
        from visus.data.augment.mirror import mirror_of

        mirror = mirror_of(self.schema)
        if flip and not mirror.allowed:
            raise VisusError(f"--flip would mirror images, but {'; '.join(mirror.refusals)}")
        looks = {"scales": scales, "flip": flip, "window": window}
        model = self._averaged(self.model, **looks, counterparts=mirror.categories)
        return Predictor(model, self.schema, device=str(self.device))

    def _predict_batch(self, images: list[UInt8[Tensor, "3 h w"]]) -> list[Prediction]:
        """One pass through the network."""
        model: Any = self.model
        _, found = predict_batch(model, model.transform.batch(images).to(self.device))
        return [prediction.to("cpu") for prediction in found]


def load(name_or_run: str | Path, *, device: str | None = None) -> Predictor:
    """Loads a trained model.

    Args:
        name_or_run: a run folder, a ``.safetensors`` file that visus wrote, or the name of published weights such as
            ``maskrcnn_resnet50_fpn``, which are fetched once.
        device: such as ``cpu`` or ``cuda:1``; None picks a GPU where there is one.

    Raises:
        VisusError: nothing of that name exists; the message says what does.
        WeightsError: the file does not hold what the model needs.
    """
    path = Path(name_or_run)
    if path.is_dir():
        weights = path / WEIGHTS_FILE
        if not weights.is_file():
            raise VisusError(f"{path}: no {WEIGHTS_FILE} here: no run folder, or none that finished an epoch")
        return _load_file(weights, device)
    if path.is_file():
        return _load_file(path, device)
    name = str(name_or_run)
    if (architecture := architecture_of(name)) is not None:
        return _load_published(name, architecture, device)
    raise VisusError(_unknown(name))


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


def architecture_of(name: str) -> str | None:
    """The model that published weights belong to; None where there are none of that name, or no such model yet."""
    # Files of an earlier or a later training of the same network have the name of the network and these endings.
    names = (name, name.removesuffix("_legacy"), name.removesuffix("_v2"))
    return next((other for other in names if name in PUBLISHED and other in catalog.MODELS), None)


def is_cached(name: str) -> bool:
    """Whether published weights lie on this machine already."""
    return cache_path(PUBLISHED[name].url).is_file()


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


def _load_file(path: Path, device: str | None) -> Predictor:
    """A model from weights that say themselves which model they belong to."""
    state, metadata = read_weights(path)
    missing = [key for key in ("model", "options", "schema") if key not in metadata]
    if missing:
        raise VisusError(
            f"{path}: these weights do not say what they belong to (no {', '.join(missing)} in the file's metadata); "
            "give a run folder, or a file that `visus train` wrote"
        )
    name, schema = metadata["model"], Schema.from_json(metadata["schema"])
    if name not in catalog.MODELS:
        raise VisusError(f"{path}: this version of visus has no model {name!r}{suggestion(name, catalog.MODELS)}")
    model = catalog.build_model(name, schema, _without_downloads(name, json.loads(metadata["options"])))
    load_state(model, state, source=str(path))
    if "frozen_eps" in metadata:
        set_frozen_eps(model, float(metadata["frozen_eps"]))
    return _predictor(model, name, schema, device)


def _load_published(name: str, architecture: str, device: str | None) -> Predictor:
    """torchvision's weights in our network of the same architecture."""
    published, (schema, data) = PUBLISHED[name], published_schema(name)
    note = f"{name}, trained on {data}, {published.licence}"
    path = fetch(published.url, published.sha256_prefix, note=note, size_mb=published.size_mb)
    state, _ = read_weights(path)
    model = catalog.build_model(architecture, schema, _without_downloads(architecture, {"pretrained": True}))
    state = {published.prefix + key: value for key, value in remap_torchvision(state).items()}
    load_state(model, state, source=f"{name} ({path.name})")
    if published.frozen_eps is not None:
        set_frozen_eps(model, published.frozen_eps)
    if published.shorter_side is not None:
        preprocessing: Any = model.transform
        preprocessing.shorter = published.shorter_side
    return _predictor(model, architecture, schema, device)


def _predictor(model: nn.Module, name: str, schema: Schema, device: str | None) -> Predictor:
    return Predictor(model, schema, device=device, averaged=catalog.problem_of(name).averaged)


def _without_downloads(name: str, options: dict[str, Any]) -> dict[str, Any]:
    """Options that build the same network without fetching the backbone's weights, which are overwritten anyway."""
    accepted = inspect.signature(catalog.MODELS[name]).parameters
    changed = dict(options)
    if changed.get("pretrained") and "norm" in accepted and changed.get("norm") is None:
        changed["norm"] = "frozen"  # what a pretrained backbone gets by default
    if "pretrained" in accepted:
        changed["pretrained"] = False
    else:
        changed.pop("pretrained", None)
    return changed


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


def _unknown(name: str) -> str:
    """Why nothing can be loaded under a name, and what could."""
    if Path(name).suffix or "/" in name:
        return f"{name}: no such run folder or weights file"
    if name in catalog.MODELS:
        return f"{name} has no published weights; train it first (visus train), then give the run folder"
    if name in PUBLISHED:
        return f"{name}: its published weights are known, but visus has no such model yet"
    known = [*filter(architecture_of, PUBLISHED), *_runs()]
    return f"{name}: neither a run folder nor published weights{suggestion(name, known)}"


def _runs() -> Iterator[str]:
    """Run folders in their usual place below the working directory."""
    return (str(path.parent) for path in sorted(Path("runs").glob(f"*/{WEIGHTS_FILE}")))


def _whole(prediction: Any, min_score: float) -> Any:
    return prediction


AT_LEAST: dict[type, Callable[[Any, float], Any]] = {
    InstancePrediction: lambda prediction, min_score: prediction[prediction.scores >= min_score],
    SemanticPrediction: _whole,
    ClassPrediction: _whole,
    EmbeddingPrediction: _whole,
}
"""What a least score leaves of each kind of prediction."""
