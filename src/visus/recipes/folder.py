"""A recipe for a folder that nobody has said anything about: what its annotations hold decides what is learned."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from visus.data.datasets.coco import open_coco
from visus.recipes.small import fasterrcnn_lite0, maskrcnn_lite0
from visus.training.recipe import Recipe

STEPS_OF_A_SHORT_RUN = 2000


def for_folder(folder: str | Path) -> Recipe:
    """The small recipe for a COCO folder: masks and keypoints if it has them, enough epochs for a small data set.

    Raises:
        FileNotFoundError: the folder holds no annotations in a layout that is known.
    """
    root = Path(folder)
    dataset = open_coco(root, "train", for_training=True)
    schema = dataset.schema
    recipe = maskrcnn_lite0() if schema.has_masks or schema.keypoints else fasterrcnn_lite0()
    steps = max(1, len(dataset) // recipe.data.batch_size)
    epochs = min(200, max(recipe.fit.epochs, STEPS_OF_A_SHORT_RUN // steps))
    return replace(
        recipe,
        name=root.resolve().name or "folder",
        data=replace(recipe.data, root=str(root), batch_size=min(recipe.data.batch_size, max(1, len(dataset)))),
        fit=replace(recipe.fit, epochs=epochs, val_every_epochs=max(1, epochs // 20)),
    )
