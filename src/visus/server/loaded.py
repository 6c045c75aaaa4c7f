"""The models that a server has loaded: what each says of itself, and how it looks at what was sent."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from torch import Tensor

from visus import catalog
from visus.clouds import PointCloud
from visus.data.files.images import content_size, decode_image
from visus.data.files.shapes import decode_shape
from visus.data.files.suffixes import SHAPE_SUFFIXES
from visus.draw.palette import category_colour, schema_colour
from visus.errors import VisusError
from visus.names import closest
from visus.nn.fused.choose import Choice
from visus.nn.published import PACKAGED, PUBLISHED
from visus.predict.faster import optimize
from visus.predict.items import Input, Item
from visus.predict.predictor import Predictor, load, predictor_of, threshold_of
from visus.predict.result import Result
from visus.predict.stored import StoredWeights, find_weights
from visus.runs.teach import can_see
from visus.scenes import SceneGraph
from visus.server.settings import RequestError
from visus.training.run import run_of
from visus.types import Episode, Schema

MOST_MODELS = 16
"""Loaded at the same time, those that were taught included: each keeps its weights in memory."""

TAKES: dict[type, str] = {Tensor: "image", PointCloud: "shape", SceneGraph: "phrase", Episode: ""}
"""What is sent to models of each kind of input; empty for those that nothing can be sent to."""


@dataclass(frozen=True)
class Upload:
    """A file that was sent.

    Args:
        name: as its sender called it; nothing is ever read or written under it.
        content: its bytes.
        field: of the form.
    """

    name: str
    content: bytes
    field: str = ""


@dataclass(frozen=True)
class Seen:
    """What a model found, and how long that took.

    Args:
        result: of the input.
        milliseconds: of the look, shared by those that went through the network together.
    """

    result: Result
    milliseconds: float


@dataclass(frozen=True, eq=False)
class LoadedModel:
    """A model that is ready.

    Args:
        name: by which requests name it.
        source: the run folder, file or published weights that it comes from.
        predictor: the network.
        about: what it says of itself, as JSON can hold it.
        max_pixels: of an image.
    """

    name: str
    source: str
    predictor: Predictor
    about: Mapping[str, Any]
    max_pixels: int

    @property
    def folder(self) -> Path | None:
        """Of its run; None where it has none."""
        run = run_of(Path(self.source).expanduser())
        return run.path if run else None

    def look(self, uploads: Sequence[Upload]) -> list[Seen | Exception]:
        """What it finds in each of them, as its predictor alone would; what spoils one leaves the others alone."""
        read: dict[str, Input | Exception] = {}
        for number, upload in enumerate(uploads):
            try:
                read[str(number)] = self.read(upload)
            except Exception as error:
                read[str(number)] = error
        items = [Item(name, "", partial(_itself, one)) for name, one in read.items() if not isinstance(one, Exception)]
        found = {**read, **self._together(items)}
        return [_named(found[str(number)], upload) for number, upload in enumerate(uploads)]

    def read(self, upload: Upload) -> Input:
        """The image or the shape that was sent.

        Raises:
            RequestError: it has too many pixels.
            VisusError: it cannot be read, or the model takes no such thing.
        """
        name = upload.name or self.about["takes"]
        if self.about["takes"] == "phrase":
            raise RequestError(f"{self.name} makes images of phrases: POST /api/generate", status=415)
        if not upload.content:
            raise RequestError(f"{name}: empty (0 bytes)")
        shape = Path(name).suffix.lower() in SHAPE_SUFFIXES
        if shape != (self.about["takes"] == "shape"):
            wanted = f"shapes ({', '.join(sorted(SHAPE_SUFFIXES))})" if not shape else "images"
            raise RequestError(f"{name}: {self.name} looks at {wanted}", status=415)
        if shape:
            return decode_shape(upload.content, name)
        require_pixels(upload, self.max_pixels)
        return decode_image(upload.content, name)

    def _together(self, items: list[Item]) -> dict[str, Seen | Exception]:
        """The results by name; where the network fails on several, each is tried alone."""
        if not items:
            return {}
        began = time.perf_counter()
        try:
            results = list(self.predictor.stream(items, batch_size=len(items)))
        except Exception as error:
            if len(items) == 1:
                return {items[0].name: error}
            return {name: seen for item in items for name, seen in self._together([item]).items()}
        each = 1000 * (time.perf_counter() - began) / len(items)
        return {result.name: Seen(result, each) for result in results}


class Models:
    """The models by name. One can take the place of another while that still works for somebody.

    Args:
        sources: run folders, files of weights or published weights, the usual model first.
        device: where they run; None picks a GPU where there is one.
        max_pixels: of an image.
        precision: of networks that look at images, see `visus.optimize`.
    """

    def __init__(
        self, sources: Sequence[str], *, device: str | None = None, max_pixels: int, precision: Choice = "plain"
    ) -> None:
        self.max_pixels = max_pixels
        self._form: Any = {"device": device, "max_pixels": max_pixels, "precision": precision}
        self._models: dict[str, LoadedModel] = {}
        self._lock = threading.Lock()
        for source in sources:
            self.add(source)

    def __iter__(self) -> Any:
        return iter(list(self._models.values()))

    def __len__(self) -> int:
        return len(self._models)

    def get(self, name: str = "") -> LoadedModel:
        """The model of that name, or the first.

        Raises:
            RequestError: there is none.
        """
        models = dict(self._models)
        if not models:
            raise RequestError("no model is loaded", status=404)
        if not name:
            return next(iter(models.values()))
        if name not in models:
            meant = closest(name, models)
            hint = f"; did you mean {meant}?" if meant else ""
            raise RequestError(f"no model {name!r} is loaded; there are {', '.join(models)}{hint}", status=404)
        return models[name]

    def room(self) -> None:
        """Refuses one more model where there are as many as memory should hold.

        Raises:
            RequestError: there is no room.
        """
        if len(self._models) >= MOST_MODELS:
            raise RequestError(f"{MOST_MODELS} models are loaded, and no more fit", status=409)

    def add(self, source: str) -> LoadedModel:
        """Loads one more model, under a name that no other has.

        Raises:
            VisusError: there is no such model, or it looks at nothing that can be sent.
        """
        self.room()
        stem = Path(source).expanduser().resolve().name if Path(source).expanduser().exists() else source
        model = load_model(stem, source, **self._form)
        with self._lock:
            number, name = 1, stem
            while name in self._models:
                number += 1
                name = f"{stem}-{number}"
            model = replace(model, name=name, about={**model.about, "name": name})
            self._models[name] = model
        return model

    def reload(self, name: str) -> LoadedModel:
        """Loads a model anew from where it came from; until it is ready, and if it fails, the old one answers.

        Raises:
            RequestError: there is none of that name.
            VisusError: what is there now cannot be loaded.
        """
        old = self.get(name)
        fresh = load_model(old.name, old.source, **self._form)
        with self._lock:
            self._models[old.name] = fresh
        return fresh


def load_model(name: str, source: str, *, device: str | None, max_pixels: int, precision: Choice) -> LoadedModel:
    """A model that is ready to look at what is sent.

    Raises:
        VisusError: there is no such model, or it looks at nothing that can be sent.
    """
    if source in catalog.READY:
        predictor = load(source, device=device)
        about = about_model(name, source, predictor, None)
    else:
        stored = find_weights(source)
        predictor = predictor_of(stored, device=device, threshold=threshold_of(source))
        about = about_model(name, source, predictor, stored)
    if not about["takes"]:
        raise VisusError(f"{source}: a {about['problem']} model looks at tasks of several images, which cannot be sent")
    if about["takes"] == "image" and precision != "plain":
        notes: list[str] = []
        predictor = optimize(predictor, precision, on_note=notes.append)
        about = {**about, "precision": "; ".join(notes) or about["precision"]}
    return LoadedModel(name, source, predictor, about, max_pixels)


def about_model(name: str, source: str, predictor: Predictor, stored: StoredWeights | None) -> dict[str, Any]:
    """What a model says of itself, as JSON can hold it."""
    problem = catalog.problem_of(stored.model) if stored else None
    takes = next((TAKES[kind] for kind in problem.inputs if TAKES.get(kind)), "") if problem else "image"
    return {
        "name": name,
        "source": source,
        "model": stored.model if stored else source,
        "problem": problem.name if problem else "faces",
        "takes": takes,
        "teaches": takes == "image" and stored is not None and can_see(source, stored),
        "licence": _licence(source),
        "device": str(predictor.device),
        "precision": "plain",
        "threshold": predictor.threshold,
        **_schema(predictor.schema),
    }


def require_pixels(upload: Upload, most: int) -> tuple[int, int]:
    """The (h, w) of an image that was sent, of which nothing is decoded yet.

    Raises:
        RequestError: it has more pixels than ``most``.
        ImageError: it is no image.
    """
    name = upload.name or "image"
    if not upload.content:
        raise RequestError(f"{name}: empty (0 bytes)")
    height, width = content_size(upload.content, name)
    if height * width > most:
        raise RequestError(
            f"{name}: {width:,} x {height:,} pixels, and {most:,} are allowed (--max-megapixels)", status=413
        )
    return height, width


def _schema(schema: Schema) -> dict[str, Any]:
    """The names and colours that a page needs."""
    points = schema.keypoints
    parts = schema.part_names
    return {
        "categories": [
            {"id": number, "name": name, "colour": schema_colour(schema, label)}
            for label, (number, name) in enumerate(zip(schema.category_ids, schema.categories, strict=True))
        ],
        "keypoints": {"names": points.names, "skeleton": points.skeleton} if points else None,
        "predicates": schema.predicates,
        "attributes": schema.attributes,
        "parts": [{"name": name, "colour": category_colour(part)} for part, name in enumerate(parts)],
    }


def _licence(source: str) -> str:
    if source in PACKAGED:
        return PACKAGED[source].licence
    return PUBLISHED[source].licence if source in PUBLISHED else "your own run"


def _itself(given: Input) -> Input:
    return given


def _named(seen: Any, upload: Upload) -> Any:
    """The result under the name of what was sent."""
    return replace(seen, result=replace(seen.result, name=upload.name)) if isinstance(seen, Seen) else seen
