"""A run's validation images with what is right, wrong and missed in each, and the labels that are probably wrong.

Which detection finds which object does not depend on those of lower scores (`visus.metrics.object_matches`), so one
look at each image serves every least score: a page counts anew without asking.
"""

from __future__ import annotations

import io
import json
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any, Final

import torch
from PIL import Image

from visus import catalog
from visus.draw.inputs import picture_of
from visus.errors import VisusError
from visus.metrics.object_matches import MIN_IOU, match_objects, overlap_of
from visus.nn.model import predict_batch
from visus.ops.boxes import box_area
from visus.predict.content import Record
from visus.runs.feed import as_learned, open_split, val_loader
from visus.server.jobs import Jobs, call_each
from visus.server.loaded import LoadedModel
from visus.server.settings import RequestError
from visus.training.run import RunFolder
from visus.types import (
    ClassPrediction,
    ClassTarget,
    GraphPrediction,
    InstancePrediction,
    InstanceTarget,
    Schema,
    row,
)
from visus.whole_file import write_whole

LEAST_SCORE: Final = 0.05
"""Detections below are not shown: a page of thousands of them tells nothing."""

NEAR: Final = 0.1
"""The least IoU with an object of its label at which a wrong detection counts as badly placed."""

SMALL, LARGE = 32.0**2, 96.0**2
"""COCO's classes of sizes, in pixels of the box."""

NOISE_FILE: Final = "label_noise.json"


@dataclass(eq=False)
class Browser:
    """Looks at all validation images of a run, one batch after the other, and keeps what was found.

    Args:
        model: of the run.
        jobs: the queue that the network is asked through.
        split: another split than the run's validation split.
        root: another folder of data in the layout of the run's own.

    Raises:
        VisusError: the model is no run, its data is not there, or it finds neither objects nor classes.
    """

    model: LoadedModel
    jobs: Jobs
    split: str = ""
    root: str = ""
    images: list[Record] = field(default_factory=list, init=False)
    seen: list[Callable[[float], Record]] = field(default_factory=list, init=False)
    failure: str = field(default="", init=False)

    def __post_init__(self) -> None:
        if self.model.folder is None:
            raise VisusError(f"{self.model.source}: no run folder, so nobody knows what it was validated on")
        recipe = RunFolder(self.model.folder).recipe()
        data = replace(recipe.data, workers=0, val=self.split or recipe.data.val, root=self.root or recipe.data.root)
        self.recipe = replace(recipe, data=data)
        problem = catalog.problem_of(recipe.model)
        predictor = self.model.predictor
        dataset = open_split(self.recipe, "val")
        other = f"the split {data.val!r} of {data.root or data.dataset}"
        self.dataset = as_learned(
            self.recipe, problem, predictor.model, predictor.schema, dataset, of=f"run {self.model.name}", other=other
        )
        threading.Thread(target=self._look_at_all, name="visus browse", daemon=True).start()

    def about(self, since: int = 0, iou: float = MIN_IOU) -> Record:
        """How far it is, and what was found in the images from number ``since`` on.

        Args:
            since: leaves out so many images.
            iou: the least overlap of what counts as found.
        """
        judged = self.images[since:]
        if iou != MIN_IOU:
            judged = [{**image, **again(iou)} for image, again in zip(judged, self.seen[since:], strict=False)]
        return {
            "model": self.model.name,
            "split": self.recipe.data.val,
            "total": len(self.dataset),
            "threshold": self.model.predictor.threshold,
            "categories": self.model.about["categories"],
            "failure": self.failure,
            "images": judged,
            "noise": self.noise(),
        }

    def picture(self, index: int, side: int) -> bytes:
        """An image as a JPEG whose longer side is at most ``side`` pixels.

        Raises:
            RequestError: there is no such image.
        """
        if not 0 <= index < len(self.dataset):
            raise RequestError(f"there are {len(self.dataset):,} images, numbered from 0", status=404)
        image = Image.fromarray(picture_of(self.dataset[index].input).permute(1, 2, 0).contiguous().numpy())
        image.thumbnail((side, side))
        content = io.BytesIO()
        image.save(content, "JPEG", quality=88)
        return content.getvalue()

    def noise(self) -> list[Record]:
        """What was marked as label noise before.

        Raises:
            RequestError: the file is no longer what was written.
        """
        place = self._noise_file
        if not place.exists():
            return []
        try:
            found = json.loads(place.read_text(encoding="utf-8"))
        except ValueError as error:
            raise RequestError(f"{place} is damaged, and is left as it is; move it away", status=409) from error
        return list(found)

    def save_noise(self, marked: Any) -> Record:
        """Writes the labels that somebody marked as wrong: a list beside the run, which replaces the last one.

        Raises:
            RequestError: something else than a list of records.
        """
        if not isinstance(marked, list) or not all(isinstance(one, dict) for one in marked) or len(marked) > 100_000:
            raise RequestError("a JSON list of marked labels is needed")
        self.noise()  # what is not ours stays
        kept = [
            {name: one.get(name) for name in ("image", "index", "box_xyxy", "label", "found", "score")}
            for one in marked
        ]
        write_whole(self._noise_file, json.dumps(kept, indent=1))
        return {"file": str(self._noise_file), "marked": len(kept)}

    @property
    def _noise_file(self) -> Path:
        return (self.model.folder or Path()) / NOISE_FILE

    def _look_at_all(self) -> None:
        try:
            predictor = self.model.predictor
            loader = val_loader(self.recipe, self.dataset, predictor.model)
            sampler: Any = loader.batch_sampler
            for places, batch in zip(sampler, loader, strict=True):
                work = partial(predict_batch, predictor.model, batch.inputs.to(predictor.device))
                _, found = self._in_turn(work)
                for place, path, prediction, target in zip(places, batch.paths, found, batch.targets, strict=True):
                    kept = row(KEPT, prediction, "browsing")(prediction.to("cpu"))
                    truth = row(KEPT, target, "browsing")(target.to("cpu"))
                    again = partial(JUDGES[type(kept)], kept, truth, predictor.schema)
                    image = {"index": place, "name": path, "height": target.size[0], "width": target.size[-1]}
                    self.seen.append(again)
                    self.images.append({**image, **again(MIN_IOU)})
        except Exception as error:
            self.failure = " ".join(str(error).split()) or type(error).__name__

    def _in_turn(self, work: Callable[[], Any]) -> Any:
        """The result of work that waits in the queue like any other, and where there is no room, before it."""
        while True:
            try:
                [job] = self.jobs.add(call_each, work)
                return job.done.result()
            except RequestError as error:
                if error.status != 503 or self.jobs.stopped:
                    raise
                time.sleep(0.2)


def judged_objects(prediction: InstancePrediction, target: Any, schema: Schema, iou: float = MIN_IOU) -> Record:
    """Detections, each with the object that it found or why it is wrong, and the objects of an image.

    ``found`` is the place of an object; ``cause`` one of twice, class, place, background; ``taken_for`` the label of
    the object that a detection of the wrong class lies on. ``found_score`` of an object is the score of its detection.
    """
    prediction = prediction[prediction.scores >= LEAST_SCORE]
    matches = match_objects(prediction, target, min_iou=iou)
    objects = target[~target.is_crowd]
    boxes = prediction.boxes_xyxy[torch.from_numpy(matches.order)]
    overlap = overlap_of(prediction[torch.from_numpy(matches.order)], objects, matches.outline)
    detections = []
    for place, (score, label, found) in enumerate(
        zip(matches.scores.tolist(), matches.labels.tolist(), matches.found.tolist(), strict=True)
    ):
        one: Record = {"name": schema.categories[label], "score": round(score, 4), "box_xyxy": _rounded(boxes[place])}
        one["size"] = size_of(float(box_area(boxes[place][None])[0]))
        if found >= 0:
            one |= {"found": found, "iou": round(float(matches.ious[place]), 3)}
        elif bool(matches.ignored[place]):
            one["cause"] = "crowd"
        else:
            one |= _cause(overlap[place], objects.labels, label, schema, iou)
        detections.append(one)
    scores = {found: matches.scores[place] for place, found in enumerate(matches.found.tolist()) if found >= 0}
    truths = [
        {
            "name": schema.categories[label],
            "box_xyxy": _rounded(box),
            "size": size_of(float(box_area(box[None])[0])),
            "found_score": round(float(scores[place]), 4) if place in scores else None,
        }
        for place, (label, box) in enumerate(zip(objects.labels.tolist(), objects.boxes_xyxy, strict=True))
    ]
    return {"detections": detections, "objects": truths}


def _cause(overlap: Any, labels: Any, label: int, schema: Schema, iou: float) -> Record:
    """Why a detection is wrong (the kinds of TIDE, arXiv 2008.08115), by its IoU with each object."""
    same = labels == label
    if bool((overlap[same] >= iou).any()):
        return {"cause": "twice"}
    if bool((overlap[~same] >= iou).any()):
        other = int(labels[torch.where(same, -1.0, overlap).argmax()])
        return {"cause": "class", "taken_for": schema.categories[other]}
    if bool((overlap[same] >= NEAR).any()):
        return {"cause": "place"}
    return {"cause": "background"}


def judged_class(prediction: ClassPrediction, target: Any, schema: Schema, iou: float = MIN_IOU) -> Record:
    """The likeliest class of an image, right or not, and the one that it is labelled with."""
    label, score, truth = int(prediction.labels[0]), float(prediction.scores[0]), int(target.label)
    one: Record = {"name": schema.categories[label], "score": round(score, 4), "box_xyxy": None, "size": "large"}
    right = label == truth
    one |= {"found": 0, "iou": 1.0} if right else {"cause": "class", "taken_for": schema.categories[truth]}
    wanted = {"name": schema.categories[truth], "box_xyxy": None, "size": "large"}
    return {"detections": [one], "objects": [{**wanted, "found_score": round(score, 4) if right else None}]}


def size_of(area: float) -> str:
    """COCO's class of the size of a box."""
    return "small" if area < SMALL else "medium" if area < LARGE else "large"


def _rounded(box: Any) -> list[float]:
    return [round(value, 1) for value in box.tolist()]


def _boxed(prediction: InstancePrediction) -> InstancePrediction:
    """The boxes of what is shown, without masks and keypoints, which would fill the memory."""
    kept = prediction[prediction.scores >= LEAST_SCORE]
    return replace(kept, masks=None, keypoints_xyv=None, keypoint_scores=None)


KEPT: dict[type, Callable[[Any], Any]] = {
    InstancePrediction: _boxed,
    GraphPrediction: lambda prediction: _boxed(prediction.objects),
    ClassPrediction: lambda prediction: prediction,
    InstanceTarget: lambda target: replace(target, masks=None, keypoints_xyv=None),
    ClassTarget: lambda target: target,
}
"""What is kept of each kind of prediction and target; others are not browsed."""

JUDGES: dict[type, Callable[[Any, Any, Schema, float], Record]] = {
    InstancePrediction: judged_objects,
    ClassPrediction: judged_class,
}
"""What is right and wrong in each kind of `KEPT` prediction, at a least IoU."""
