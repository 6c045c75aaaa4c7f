"""A recipe for a folder that nobody has said anything about: its layout and its annotations decide what is learned."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from torch import Tensor

from visus.clouds import PointCloud
from visus.data.datasets import DATASETS
from visus.data.entry import Void
from visus.data.feed.loader import SampleDataset
from visus.data.recognise import find_dataset
from visus.data.records.chosen import first_readable
from visus.names import find
from visus.recipes.classification import classifier_lite0
from visus.recipes.meta_learning import prototypical_omniglot
from visus.recipes.metric_learning import descriptor_lite0_sop
from visus.recipes.objects import suited
from visus.recipes.scene_generation import scene_generation_vignettes
from visus.recipes.segmentation import deeplabv3_lite0
from visus.recipes.shapes import pointnet_parts_shapes, pointnet_shapes
from visus.recipes.small import fasterrcnn_lite0, maskrcnn_lite0
from visus.training.recipe import Recipe
from visus.types import ClassTarget, EpisodeTarget, ImageTarget, InstanceTarget, PartTarget, SemanticTarget, row

STEPS_OF_A_SHORT_RUN = 2000


def for_folder(folder: str | Path, *, dataset: str = "", void: Void = "auto") -> Recipe:
    """The small recipe that suits a folder: what it can teach, and enough epochs for a small data set.

    Masks or keypoints of objects are learned by Mask R-CNN, boxes by Faster R-CNN, the class of each pixel by DeepLabv3
    and the class of each image or shape by a classifier; where the classes of the test are unseen in training, a
    descriptor is.

    Args:
        folder: the folder.
        dataset: what it holds, a name of `DATASETS`; empty recognises it.
        void: what 255 means in masks, see `Void`.

    Raises:
        UnknownNameError: there is no such data set.
        FileNotFoundError: the folder holds no annotations in a layout that is known.
    """
    layout, root = (dataset, Path(folder).expanduser()) if dataset else find_dataset(Path(folder))
    entry = find(DATASETS, layout, "data set").with_void(void)
    train = entry.open(root, "train", for_training=True)
    if entry.unseen_classes:
        return _descriptor(layout, root)
    recipe = row(SUITABLE, first_readable(train).target, "choosing a recipe")(train)
    batch_size = min(recipe.data.batch_size, max(1, len(train)))
    steps = max(1, len(train) // batch_size)
    epochs = min(200, max(recipe.fit.epochs, STEPS_OF_A_SHORT_RUN // steps))
    return replace(
        recipe,
        name=name_of(root),
        data=replace(recipe.data, dataset=layout, root=str(root), void=void, batch_size=batch_size),
        fit=replace(recipe.fit, epochs=epochs, val_every_epochs=max(1, epochs // 20)),
    )


def name_of(root: Path) -> str:
    """What a recipe for the folder is called."""
    return root.resolve().name or "folder"


def _descriptor(layout: str, root: Path) -> Recipe:
    """The small recipe for retrieval, on this data set."""
    recipe = descriptor_lite0_sop()
    data = replace(recipe.data, dataset=layout, root=str(root))
    return replace(recipe, name=name_of(root), data=data)


def _for_objects(dataset: SampleDataset) -> Recipe:
    schema = dataset.schema
    return suited(maskrcnn_lite0() if schema.has_masks or schema.keypoints else fasterrcnn_lite0(), dataset)


SUITABLE: dict[type, Callable[[SampleDataset], Recipe]] = {
    InstanceTarget: _for_objects,
    SemanticTarget: lambda dataset: deeplabv3_lite0(),
    ClassTarget: lambda dataset: row(OF_CLASSES, first_readable(dataset).input, "choosing a recipe")(),
    EpisodeTarget: lambda dataset: prototypical_omniglot(),
    PartTarget: lambda dataset: pointnet_parts_shapes(),
    ImageTarget: lambda dataset: scene_generation_vignettes(),
}
"""The small recipe for data with each kind of target."""

OF_CLASSES: dict[type, Callable[[], Recipe]] = {Tensor: classifier_lite0, PointCloud: pointnet_shapes}
"""The small recipe for inputs with a class, by the kind of input: images, shapes."""
