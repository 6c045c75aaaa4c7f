"""How instances are measured: COCO's average precision of boxes, and of what the network's branches find."""

from __future__ import annotations

from typing import TYPE_CHECKING

from visus.systems.instances.mask_rcnn import MaskRCNN
from visus.systems.instances.roi_heads import InstanceRoIHeads
from visus.training.recipe import Recipe, RecipeError
from visus.types import Schema

if TYPE_CHECKING:
    from visus.metrics.coco import CocoMetric


def instance_metric(model: MaskRCNN, recipe: Recipe, schema: Schema) -> CocoMetric:
    """Measures boxes, and masks and keypoints where ``model`` has a branch for them.

    Raises:
        RecipeError: a branch learns what the data set does not have.
    """
    from visus.metrics.coco import CocoMetric  # torchmetrics takes a second to import; predicting needs none

    heads = model.roi_heads
    assert isinstance(heads, InstanceRoIHeads)
    kinds = ["box"]
    if heads.mask is not None:
        _need(schema.has_masks, recipe, "masks", "choose a Faster R-CNN or set model_options masks to false")
        kinds.append("mask")
    if heads.keypoint is not None:
        _need(schema.keypoints is not None, recipe, "keypoints", "choose a model without a keypoint branch")
        kinds.append("keypoint")
    return CocoMetric(schema=schema, kinds=tuple(kinds))


def _need(there: bool, recipe: Recipe, what: str, advice: str) -> None:
    if not there:
        raise RecipeError(
            f"{recipe.model} learns {what}, which {recipe.data.dataset} {recipe.data.root} lacks: {advice}"
        )
