"""All that the routes of a server share: models, the queue, a gallery, counts and limits."""

from __future__ import annotations

import asyncio
import re
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from visus.errors import VisusError
from visus.galleries import Gallery
from visus.phrases.questions import is_question
from visus.predict.ask import answers, rank_images, vocabulary_of
from visus.predict.content import Record
from visus.predict.generate import generate, image_size
from visus.runs.teach import teach
from visus.server.answers import answer_of
from visus.server.counting import Counts, resident_bytes
from visus.server.jobs import Jobs, Work, call_each
from visus.server.loaded import LoadedModel, Models, Seen, Upload, require_pixels
from visus.server.settings import RequestError, Settings

MOST_IMAGES = 16
"""Of one request."""


@dataclass(eq=False)
class State:
    """What the routes work with.

    Args:
        settings: the limits.
        models: that are loaded.
        gallery: that is searched; None for none.
        jobs: the queue.
        counts: of requests.
    """

    settings: Settings
    models: Models
    gallery: Gallery | None = None
    jobs: Jobs = field(init=False)
    counts: Counts = field(default_factory=Counts)

    def __post_init__(self) -> None:
        self.jobs = Jobs(most=self.settings.queue, batch_size=self.settings.batch_size)

    @property
    def most_images(self) -> int:
        """Of one request."""
        return min(MOST_IMAGES, self.settings.queue)

    async def done(self, work: Work, things: Sequence[Any]) -> list[Any]:
        """The results of work on each thing, or the exceptions that it failed with.

        Raises:
            RequestError: the queue is full, or it takes too long.
        """
        jobs = self.jobs.add(work, *things)
        futures = [asyncio.wrap_future(job.done) for job in jobs]
        _, late = await asyncio.wait(futures, timeout=self.settings.seconds)
        if late:
            for future in late:
                future.cancel()
            if any(job.started for job in jobs):
                raise RequestError(f"not computed within {self.settings.seconds:g} seconds", status=504)
            raise self.jobs.busy()
        return [future.exception() or future.result() for future in futures]

    async def called(self, function: Callable[[], Any]) -> Any:
        """What a function gives, called in its turn.

        Raises:
            Exception: what it raises.
        """
        [result] = await self.done(call_each, [function])
        if isinstance(result, BaseException):
            raise result
        return result

    def gauges(self) -> dict[str, tuple[str, float]]:
        """What holds now, for the metrics."""
        return {
            "visus_queue_length": ("Jobs that wait.", len(self.jobs)),
            "visus_batches_total": ("Times that a network was asked.", self.jobs.batches),
            "visus_inputs_total": ("Images and other jobs that were done.", self.jobs.taken),
            "visus_models": ("Models that are loaded.", len(self.models)),
            "process_resident_memory_bytes": ("Memory in RAM.", resident_bytes()),
        }


def asked(model: LoadedModel, uploads: Sequence[Upload], words: str) -> Record:
    """Which of the images show a phrase, and where; or the answer to a question about each.

    Raises:
        VisusError: the model finds no scene graphs, does not know the words, or cannot read an image.
    """
    vocabulary_of(model.predictor)
    images = [model.read(upload) for upload in uploads]
    if is_question(words):
        told = [
            {"file_name": upload.name, "answer": found.text, "objects": list(found.places)}
            for upload, (_, found) in zip(uploads, answers(model.predictor, images, words), strict=True)
        ]
        return {"model": model.name, "question": words, "answers": told}
    ranking = rank_images(model.predictor, images, words, top=len(images))
    names = {f"image_{number:06d}": upload.name for number, upload in enumerate(uploads)}
    best = []
    for found in ranking.best:
        boxes = found.result.prediction.boxes_xyxy[list(found.grounding.places)].tolist()  # type: ignore[union-attr]
        about = {"file_name": names[found.result.name], "score": round(found.grounding.score, 6)}
        best.append({**about, "objects": list(found.grounding.places), "boxes_xyxy": boxes})
    understood = ranking.graph.words(model.predictor.schema)
    return {"model": model.name, "phrase": words, "understood": understood, "best": best}


MOST_SAMPLES = 8
"""Images that are made of one phrase."""


def generated(model: LoadedModel, phrase: str, *, samples: int, seed: int) -> Record:
    """Images of a phrase, each with its layout.

    Raises:
        VisusError: the model makes no images, or does not know the words.
    """
    image_size(model.predictor)
    began = time.perf_counter()
    results = generate(model.predictor, _words_alone(phrase), samples=samples, seed=seed)
    each = 1000 * (time.perf_counter() - began) / len(results)
    images = [answer_of(Seen(result, each), model, drawable=True) for result in results]
    return {"model": model.name, "phrase": phrase, "images": images}


def _words_alone(phrase: str) -> str:
    """A phrase that is no name of a file: nothing on this machine is read for whoever asks.

    Raises:
        RequestError: it is one.
    """
    if phrase.strip().lower().endswith(".json"):
        raise RequestError("a phrase is needed, not the name of a file")
    return phrase


def taught(models: Models, uploads: Sequence[Upload], *, name: str, source: str | None, work: Path) -> Record:
    """A model of new classes: the fields of the form name them, each with its images.

    Raises:
        VisusError: too few classes, an image that cannot be read, or no room for one more model.
    """
    models.room()
    classes: dict[str, list[str | Path]] = {}
    with tempfile.TemporaryDirectory() as folder:
        for number, upload in enumerate(uploads):
            require_pixels(upload, models.max_pixels)
            file = Path(folder) / f"{number}-{re.sub(r'[^A-Za-z0-9.-]', '_', upload.name)[-60:]}"
            file.write_bytes(upload.content)
            classes.setdefault(upload.field, []).append(file)
        try:
            lesson = teach(classes, model=source, run=work / name)
        except VisusError as error:
            raise RequestError(str(error).replace(f"{folder}/", "")) from error
    model = models.add(str(lesson.run))
    return {"model": model.name, "run": str(lesson.run), "classes": lesson.classes, "threshold": lesson.threshold}
