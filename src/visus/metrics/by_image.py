"""What a measure remembers of each image, merged over processes so that the numbers are those of one process."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, TypeVar

import torch.distributed as dist

from visus.metrics.metric import Metric
from visus.types import ClassTarget, EpisodeTarget, ImageTarget, InstanceTarget, PartTarget, SemanticTarget

_AnyTarget = TypeVar("_AnyTarget", ClassTarget, EpisodeTarget, ImageTarget, InstanceTarget, SemanticTarget, PartTarget)


class ImageRecords(Metric):
    """A measure whose state is one record for each image, by the image's identifier.

    A sampler repeats images to give each process as many, so sums over processes count some images twice. Records by
    image do not: of an image that two processes measured the first record stays (a prediction may differ in the last
    digit from batch to batch). In one process an image comes once; there a second record of its identifier is refused
    unless it equals the first. Targets without an identifier are images of their own, in the order of their arrival.

    A subclass calls `identified` and `add` for each image in ``update`` and reads `records` in ``compute``; where
    several processes measure, ``compute`` sees the images of all of them.

    A record is any value that pickle can send. Give tensors on the CPU and small: all images are held at once.
    """

    def __init__(self) -> None:
        super().__init__()
        self._images: dict[int, Any] = {}
        self._counted = False  # whether identifiers are places in the order of arrival

    def identified(self, target: _AnyTarget) -> _AnyTarget:
        """The target with an ``image_id``: its own, or the number of images before it where none was given.

        Raises:
            ValueError: some targets have one, and others have none.
        """
        counted = target.image_id is None
        if self._images and counted != self._counted:
            raise ValueError("some targets have an image_id and others have none: give all of them one, or none")
        self._counted = counted
        return replace(target, image_id=len(self._images)) if counted else target

    def add(self, image_id: int, record: Any) -> None:
        """Remembers an image, once.

        Raises:
            ValueError: where another image (see `same_image`), or another prediction of the same one, has this
                identifier.
        """
        known = self._images.setdefault(int(image_id), record)
        if known is record:
            return
        _check_same(self, known, record, image_id)
        if not self.same_prediction(known, record):
            raise ValueError(
                f"image_id {image_id} was measured twice, with different predictions: give each target an image_id of "
                "its own (or none), and call reset() before the same images are measured again"
            )

    def records(self) -> dict[int, Any]:
        """The record of each image in the order of the identifiers, which does not depend on who measured an image."""
        return dict(sorted(self._images.items()))

    def same_image(self, known: Any, record: Any) -> bool:
        """Whether two records of one identifier may be of one image; a subclass compares what is annotated."""
        return True

    def same_prediction(self, known: Any, record: Any) -> bool:
        """Whether two records of one image are equal in what was predicted, too."""
        return bool(known == record)

    def reset(self) -> None:
        """Forgets all images."""
        super().reset()
        self._images = {}

    # torchmetrics gathers tensors of its own states. The state here is Python records, so the two methods by which its
    # `sync` keeps a copy of the state and gathers it are replaced; its `unsync` sets what the copy holds.

    def _copy_state_dict(self) -> dict[str, Any]:
        return {"_images": dict(self._images)}

    def _sync_dist(self, dist_sync_fn: Any = None, process_group: Any = None) -> None:
        """Gives every process the images of all."""
        gathered: list[Any] = [None] * dist.get_world_size(process_group)
        dist.all_gather_object(gathered, (self._counted, self._images), group=process_group)
        shares = [(counted, images) for counted, images in gathered if images]
        if len(shares) > 1 and any(counted for counted, _ in shares):
            raise ValueError("targets without image_id were measured by several processes: give each image its own")
        merged: dict[int, Any] = {}
        for _, images in shares:
            for image_id, record in images.items():
                known = merged.setdefault(image_id, record)
                if known is not record:
                    _check_same(self, known, record, image_id)
        self._images = merged


def check_frame(prediction: Any, target: Any) -> None:
    """Whether a prediction is in the pixels of its target.

    Raises:
        ValueError: their sizes differ.
    """
    if tuple(prediction.size) != tuple(target.size):
        raise ValueError(
            f"image {target.image_id}: the prediction is in pixels of {tuple(prediction.size)}, the target in "
            f"those of {tuple(target.size)}; call postprocess with the sizes of the targets"
        )


def _check_same(metric: ImageRecords, known: Any, record: Any, image_id: int) -> None:
    if not metric.same_image(known, record):
        raise ValueError(f"two different images have image_id {image_id}: give each target its own")
