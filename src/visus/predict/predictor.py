"""A trained model that is ready to look at images: `load` finds the weights, `Predictor.predict` uses them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from copy import copy
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import nn

from visus import catalog
from visus.errors import VisusError
from visus.nn.backbones import AnyBackbone, Backbone, as_backbone
from visus.nn.device import find_device
from visus.nn.fused.choose import Choice, choose
from visus.nn.fused.optimize import Note, warn
from visus.nn.model import predict_batch
from visus.predict.ahead import read_ahead
from visus.predict.exported import is_exported, load_exported
from visus.predict.hub import local_run
from visus.predict.items import Input, Item, Pictures, Reading, items_of
from visus.predict.joined import ALONE, JOINS
from visus.predict.result import SHOWN_SCORE, Result
from visus.predict.stored import StoredWeights, find_weights
from visus.training.run import run_of
from visus.types import (
    ClassPrediction,
    EmbeddingPrediction,
    EpisodePrediction,
    GraphPrediction,
    ImagePrediction,
    InstancePrediction,
    PartPrediction,
    Prediction,
    Schema,
    SemanticPrediction,
    row,
)

CPU_PIXELS = 1 << 18
"""So many pixels go through a network on a CPU at once, at most: more take memory and no less time for each."""

OnError = Callable[[str, Exception], None]
Ready = tuple[Item, Input, Any]
"""An image with its pixels, or a shape, and the inputs of the network that were made of them."""
Unread = tuple[str, Exception]
"""The name of an image that cannot be read, and why."""


class Predictor:
    """A model in evaluation mode together with the meaning of its labels.

    Args:
        model: what turns an image batch into predictions.
        schema: the names of its labels.
        device: where it runs; None picks a GPU where there is one.
        averaged: makes a model of it that averages several looks, where its problem has one.
        threshold: objects are drawn from this score on.
        inputs: the kinds of input that it looks at, as its problem says.
    """

    def __init__(
        self,
        model: nn.Module,
        schema: Schema,
        *,
        device: str | None = None,
        averaged: Callable[..., nn.Module] | None = None,
        threshold: float = SHOWN_SCORE,
        inputs: tuple[type, ...] = (torch.Tensor,),
    ) -> None:
        self._averaged = averaged
        self.inputs = inputs
        self.threshold = threshold
        self.device = find_device(device)
        self.model = model.to(self.device).eval()
        self.schema = schema
        self._form: Callable[[nn.Module, Any], nn.Module] | None = None

    @property
    def names(self) -> tuple[str, ...]:
        """The name of each label."""
        return self.schema.categories

    def predict(
        self,
        images: Pictures,
        *,
        batch_size: int = 1,
        min_score: float | None = None,
        bgr: bool = False,
        pages: bool = False,
    ) -> list[Result]:
        """Looks at each image: finds its objects, the classes of its pixels, its class or its embedding.

        Args:
            images: one image or several, in a list, an iterable, a generator or a data set. An image is a path (a
                folder, a glob, a .txt list and a video stand for all of theirs), an http(s) address, the bytes of a
                file, an open file, an image of Pillow's, or an array or tensor: [h w 3], [3 h w] or [h w], uint8 in
                0..255, uint16, bool, or floats in 0..1; one more axis in front makes it a batch.
            batch_size: images that go through the network together, at most: those alone whose sizes agree once the
                model has resized them, and on a CPU no more than `CPU_PIXELS` pixels. So what is found in an image
                does not depend on the others, but for the rounding of sums.
            min_score: leave out objects under this score; None keeps all that the model reports. Other kinds of
                predictions are kept as they are.
            bgr: arrays and tensors have blue first, as ``cv2.imread`` gives them.
            pages: look at every page of a TIFF and every frame of a GIF, not at the first alone.

        Returns:
            A result for each image, with the image and the prediction in its own pixels, on the CPU.

        Raises:
            ImageError: something that is no image, or a path that holds no readable one.
            VisusError: a path that does not exist, an address that gives nothing.
        """
        return list(self.stream(images, batch_size=batch_size, min_score=min_score, bgr=bgr, pages=pages))

    def stream(
        self,
        images: Pictures | Iterable[Item],
        *,
        batch_size: int = 1,
        min_score: float | None = None,
        bgr: bool = False,
        pages: bool = False,
        on_error: OnError | None = None,
        ahead: bool = False,
    ) -> Iterator[Result]:
        """`predict` that gives each result as soon as it is there, so that no number of images fills the memory.

        Args:
            images: as for `predict`.
            batch_size: as for `predict`.
            min_score: as for `predict`.
            bgr: as for `predict`.
            pages: as for `predict`.
            on_error: called with the name and the error of each image that cannot be read, which is then left out;
                without it the error is raised.
            ahead: a thread reads the next images while the network looks.

        Raises:
            ImageError: as for `predict`.
            VisusError: as for `predict`.
        """
        if batch_size < 1:
            raise ValueError(f"batch_size must be at least 1, not {batch_size}")
        ready = self._ready(items_of(images, Reading(bgr=bgr, pages=pages)), strict=on_error is None)
        for group in self._groups(_without_errors(read_ahead(ready) if ahead else ready, on_error), batch_size):
            for (item, pixels, _), found in zip(group, self._look([inputs for _, _, inputs in group]), strict=True):
                kept = found if min_score is None else row(AT_LEAST, found, "a least score")(found, min_score)
                yield Result(
                    pixels,
                    kept,
                    self.schema,
                    path=item.path,
                    name=item.name,
                    details=item.details,
                    threshold=self.threshold,
                )

    def generate(self, described: Any, *, samples: int = 1, seed: int = 0) -> list[Result]:
        """Makes images of a scene graph: of a phrase, a JSON file or what it holds, or what a scene-graph model found.

        Args:
            described: as for `visus.predict.generate.generate`, which this is.
            samples: images of each graph.
            seed: of the first.

        Raises:
            VisusError: the model makes no images, or there is no such graph.
        """
        from visus.predict.generate import generate

        return generate(self, described, samples=samples, seed=seed)

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
        return Predictor(model, self.schema, device=str(self.device), threshold=self.threshold)

    def faster(
        self,
        precision: Choice = "auto",
        *,
        count: int | None = None,
        exact: bool = False,
        calibration: Callable[[], Iterable[Input]] | None = None,
        on_note: Note = warn,
    ) -> Predictor:
        """A predictor whose network is rewritten for speed at its first look; see `visus.nn.fused.choose.choose`.

        Args:
            precision: ``auto`` takes the fastest form of the network that may stand for the plain one.
            count: how many images there will be; of a few, ``auto`` leaves the network as it is.
            exact: whether ``auto`` takes only what differs by rounding.
            calibration: gives the images that ``int8`` is calibrated with.
            on_note: told what was chosen and why, in a line.
        """
        made = copy(self)
        calibrate = None if calibration is None else partial(_calibrated, calibration)
        made._form = partial(choose, choice=precision, count=count, exact=exact, calibrate=calibrate, on_note=on_note)
        return made

    def _ready(self, items: Iterator[Item], *, strict: bool) -> Iterator[Ready | Unread]:
        """The images as the network takes them; an error in place of one that cannot be read, unless it is raised."""
        model: Any = self.model
        for number, item in enumerate(items):
            named = item if item.name else replace(item, name=f"image_{number:06d}")
            try:
                pixels = item.read()
            except Exception as error:
                if strict:
                    raise
                yield named.name, error
            else:
                yield named, pixels, model.transform.batch([pixels])

    def _groups(self, images: Iterable[Ready], batch_size: int) -> Iterator[list[Ready]]:
        """The images in groups of at most ``batch_size``; none waits longer than it must."""
        most = CPU_PIXELS if self.device.type == "cpu" else None
        group: list[Ready] = []
        waiting = 0
        for item, pixels, inputs in images:
            size = JOINS.get(type(inputs), ALONE)[0](inputs)
            if group and most is not None and waiting + size > most:
                yield group
                group, waiting = [], 0
            group.append((item, pixels, inputs))
            waiting += size
            if len(group) == batch_size:
                yield group
                group, waiting = [], 0
        if group:
            yield group

    def _look(self, group: list[Any]) -> list[Prediction]:
        """The predictions of a group, in its order: one pass through the network for all inputs of one size."""
        together: dict[Any, list[int]] = {}
        for number, inputs in enumerate(group):
            together.setdefault(JOINS.get(type(inputs), ALONE)[1](inputs), []).append(number)
        found: dict[int, Prediction] = {}
        for numbers in together.values():
            join = JOINS.get(type(group[numbers[0]]), ALONE)[2]
            inputs = join([group[number] for number in numbers]).to(self.device)
            if self._form is not None:
                self.model, self._form = self._form(self.model, inputs), None
            _, predictions = predict_batch(self.model, inputs)
            found |= zip(numbers, (prediction.to("cpu") for prediction in predictions), strict=True)
        return [found[number] for number in range(len(group))]


def load(name_or_run: str | Path, *, device: str | None = None, backbone: AnyBackbone | None = None) -> Predictor:
    """Loads a trained model. Its `Predictor.threshold` is the one that the run's validation suggests, else 0.5.

    Args:
        name_or_run: a run folder, a ``.safetensors`` file that visus wrote, a file of ``visus export``, or the name of
            published weights such as ``maskrcnn_resnet50_fpn``, which are fetched once, or of those in a package,
            such as ``faces``; or ``hf://user/name`` or ``hf://user/name@revision``, a run on the Hugging Face Hub.
        device: such as ``cpu`` or ``cuda:1``; None picks a GPU where there is one.
        backbone: the backbone of your own that the run was trained with, or what makes it.

    Raises:
        VisusError: nothing of that name exists; the message says what does.
        WeightsError: the file does not hold what the model needs.
    """
    if str(name_or_run) in catalog.READY:
        network, schema = catalog.READY[str(name_or_run)]()
        return Predictor(network, schema, device=device)
    name_or_run = local_run(name_or_run)
    if is_exported(name_or_run):
        return _of_file(Path(name_or_run).expanduser(), device)
    body = None if backbone is None else as_backbone(backbone)
    return predictor_of(find_weights(name_or_run), device=device, body=body, threshold=threshold_of(name_or_run))


def predictor_of(
    stored: StoredWeights, *, device: str | None = None, body: Backbone | None = None, threshold: float = SHOWN_SCORE
) -> Predictor:
    """The predictor of weights that were found; arguments as for `Predictor` and `StoredWeights.network`."""
    problem = catalog.problem_of(stored.model)
    return Predictor(
        stored.network(body),
        stored.schema,
        device=device,
        averaged=problem.averaged,
        threshold=threshold,
        inputs=problem.inputs,
    )


def _of_file(path: Path, device: str | None) -> Predictor:
    """A file that ``visus export`` wrote, in its own run time, which computes on the CPU."""
    if device is not None and find_device(device).type != "cpu":
        raise VisusError(f"{path}: an exported file is run on the CPU, not on {device}")
    exported = load_exported(path)
    about = exported.about
    inputs = catalog.problem_of(about.model).inputs
    return Predictor(exported, about.schema, device="cpu", threshold=about.threshold, inputs=inputs)


def threshold_of(name_or_run: str | Path) -> float:
    """The least score of an object that is drawn: what the run's validation suggests, else `SHOWN_SCORE`.

    Raises:
        RunError: the run's numbers are damaged.
    """
    run = run_of(Path(name_or_run).expanduser())
    suggested = run.threshold() if run else None
    return SHOWN_SCORE if suggested is None else suggested


def predict(
    model: str | Path | Predictor,
    images: Pictures,
    *,
    device: str | None = None,
    batch_size: int = 1,
    min_score: float | None = None,
    bgr: bool = False,
    pages: bool = False,
) -> list[Result]:
    """Loads a model and looks at images; `load` once and `Predictor.predict` often is faster.

    Args:
        model: as for `load`, or a predictor.
        images: as for `Predictor.predict`.
        device: as for `load`.
        batch_size: as for `Predictor.predict`.
        min_score: as for `Predictor.predict`.
        bgr: as for `Predictor.predict`.
        pages: as for `Predictor.predict`.

    Raises:
        VisusError: there is no such model.
        ImageError: something that is no image, or a path that holds no readable one.
    """
    predictor = model if isinstance(model, Predictor) else load(model, device=device)
    return predictor.predict(images, batch_size=batch_size, min_score=min_score, bgr=bgr, pages=pages)


def _without_errors(images: Iterable[Ready | Unread], on_error: OnError | None) -> Iterator[Ready]:
    """The images that can be read; the errors of the others are told, in their order."""
    for image in images:
        if len(image) == 3:
            yield image
        elif on_error is not None:
            on_error(*image)


def _calibrated(images: Callable[[], Iterable[Input]], fast: nn.Module, on_note: Note) -> nn.Module:
    from visus.nn.fused.int8 import calibrate

    network: Any = fast
    return calibrate(fast, (network.transform.batch([image]) for image in images()), on_note=on_note)


def _whole(prediction: Any, min_score: float) -> Any:
    return prediction


AT_LEAST: dict[type, Callable[[Any, float], Any]] = {
    InstancePrediction: lambda prediction, min_score: prediction[prediction.scores >= min_score],
    SemanticPrediction: _whole,
    ClassPrediction: _whole,
    EmbeddingPrediction: _whole,
    EpisodePrediction: _whole,
    PartPrediction: _whole,
    ImagePrediction: _whole,
    GraphPrediction: lambda prediction, min_score: prediction[prediction.scores >= min_score],
}
"""What a least score leaves of each kind of prediction."""
