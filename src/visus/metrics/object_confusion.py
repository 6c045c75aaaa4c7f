"""What objects are taken for: a confusion matrix of detections at one least score, with what is there and not found."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Int64
from torch import Tensor

from visus.metrics.object_matches import ObjectMatches


@dataclass(frozen=True)
class ObjectConfusion:
    """How many objects of each of c categories (rows) were detected as each (columns).

    The last row counts detections where nothing is, or where everything was found already; the last column objects that
    were not found. A row adds up to the objects of a category, a column to its detections.

    Args:
        counts: of the categories, then of nothing.
        threshold: the least score of the detections; nan where no score was found that is worth anything.
    """

    counts: Int64[Tensor, "d d"]
    threshold: float


def object_confusion(images: Sequence[ObjectMatches], num_classes: int, *, threshold: float) -> ObjectConfusion:
    """Counts what each object is detected as.

    A detection that found an object of its label stands on the diagonal, so that right, wrong and missed objects are
    those of precision and recall. What is left over is taken for each other where it overlaps by an IoU of a half or
    more, the largest overlap first; the rest is nothing.

    Args:
        images: what was found in each.
        num_classes: of the data.
        threshold: the least score; nan counts every object as missed.
    """
    counts = np.zeros((num_classes + 1, num_classes + 1), dtype=np.int64)
    for image in images:
        kept = 0 if math.isnan(threshold) else image.kept(threshold)
        named = np.where(image.ignored[:kept], -1, num_classes)  # the true label of each detection, -1 left out
        taken = np.full(len(image.objects), num_classes)  # what each object is detected as
        right = np.flatnonzero(image.found[:kept] >= 0)
        named[right] = image.labels[right]
        taken[image.found[right]] = image.labels[right]
        for detection, thing, _ in image.mistaken:
            detection, thing = int(detection), int(thing)
            if detection < kept and named[detection] == num_classes and taken[thing] == num_classes:
                named[detection], taken[thing] = image.objects[thing], image.labels[detection]
        np.add.at(counts, (image.objects, taken), 1)
        alone = named == num_classes
        np.add.at(counts, (named[alone], image.labels[:kept][alone]), 1)
    return ObjectConfusion(torch.from_numpy(counts), threshold)
