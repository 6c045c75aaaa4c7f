"""Training Mask R-CNN: its losses, and COCO's average precision of boxes, masks and keypoints."""

from __future__ import annotations

from visus.metrics.coco import CocoMetric
from visus.systems.instances.losses import InstanceCriterion
from visus.systems.instances.mask_rcnn import MaskRCNN
from visus.systems.instances.roi_heads import InstanceRoIHeads
from visus.training.recipe import Recipe
from visus.training.task import Task
from visus.types import Schema


def instance_task(model: MaskRCNN, recipe: Recipe, schema: Schema) -> Task:
    """Trains ``model`` by ``recipe`` on boxes and on what its branches predict.

    Raises:
        ValueError: a branch learns what the data set does not have.
    """
    heads = model.roi_heads
    assert isinstance(heads, InstanceRoIHeads)
    kinds = ["box"]
    if heads.mask is not None:
        _need(schema.has_masks, recipe, "masks", "choose a Faster R-CNN or set model_options masks to false")
        kinds.append("mask")
    if heads.keypoint is not None:
        _need(schema.keypoints is not None, recipe, "keypoints", "choose a model without a keypoint branch")
        kinds.append("keypoint")
    metric = CocoMetric(schema=schema, kinds=tuple(kinds))
    return Task(model=model, criterion=InstanceCriterion(), metric=metric, recipe=recipe)


def _need(there: bool, recipe: Recipe, what: str, advice: str) -> None:
    if not there:
        raise ValueError(
            f"{recipe.model} learns {what}, which {recipe.data.dataset} {recipe.data.root} lacks: {advice}"
        )
