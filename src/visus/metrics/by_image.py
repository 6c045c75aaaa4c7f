"""What a measure remembers of each image, merged over processes so that the numbers are those of one process."""

from __future__ import annotations

from typing import Any

import torch.distributed as dist

from visus.metrics.metric import Metric


class ImageRecords(Metric):
    """A measure whose state is one record for each image, by the image's identifier.

    A distributed sampler repeats images to give each process as many, so sums over processes count some images twice.
    Records by image do not: of an image that is added twice the first record stays (a prediction may differ in the
    last digit from batch to batch). A subclass calls `add` for each image in ``update`` and reads `records` in
    ``compute``; where several processes measure, ``compute`` sees the images of all of them.

    A record is any value that pickle can send. Give tensors on the CPU and small: all images are held at once.
    """

    def __init__(self) -> None:
        super().__init__()
        self._images: dict[int, Any] = {}

    def add(self, image_id: int, record: Any) -> None:
        """Remembers an image, once.

        Raises:
            ValueError: where another image (see `same_image`) has this identifier.
        """
        _add(self, self._images, int(image_id), record)

    def records(self) -> dict[int, Any]:
        """The record of each image in the order of the identifiers, which does not depend on who measured an image."""
        return dict(sorted(self._images.items()))

    def same_image(self, known: Any, record: Any) -> bool:
        """Whether two records of one identifier may be of one image; a subclass compares what is annotated."""
        return True

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
        dist.all_gather_object(gathered, self._images, group=process_group)
        merged: dict[int, Any] = {}
        for images in gathered:
            for image_id, record in images.items():
                _add(self, merged, image_id, record)
        self._images = merged


def _add(metric: ImageRecords, images: dict[int, Any], image_id: int, record: Any) -> None:
    known = images.setdefault(image_id, record)
    if known is not record and not metric.same_image(known, record):
        raise ValueError(f"two different images have image_id {image_id}: give each target its own")
