"""From a recipe's data to loaders that feed a model."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from visus.errors import VisusError
from visus.training.recipe import Recipe

if TYPE_CHECKING:
    from torch import nn
    from torch.utils.data import DataLoader

    from visus.data.feed.loader import SampleDataset, Transform
    from visus.types import Batch


def open_split(recipe: Recipe, part: str) -> SampleDataset:
    """The ``train`` or the ``val`` split of a recipe's data, as short as the recipe wants it."""
    from visus import catalog
    from visus.training.loaders import First

    data, training = recipe.data, part == "train"
    entry = catalog.find(catalog.DATASETS, data.dataset, "data set")
    dataset = entry.open(Path(data.root), data.train if training else data.val, for_training=training)
    length = data.train_length if training else data.val_length
    return dataset if length is None else First(dataset, length)


def train_loader(recipe: Recipe, dataset: SampleDataset, model: nn.Module) -> DataLoader[Batch]:
    """Augmented batches at the size that the model wants, put together as the recipe says."""
    from visus.data.feed.loader import Transformed, load_batches, make_loader

    data = recipe.data
    varied = Transformed(dataset, _augmentation(recipe, dataset), seed=recipe.fit.seed)
    if data.batches != "shuffled":
        return load_batches(varied, _class_batches(recipe, dataset), collate=_collate(model), workers=data.workers)
    return make_loader(
        varied,
        collate=_collate(model),
        batch_size=data.batch_size,
        shuffle=True,
        workers=data.workers,
        seed=recipe.fit.seed,
        drop_last=len(dataset) >= data.batch_size * recipe.fit.devices * recipe.fit.nodes,
        aspect_ratio_factor=None if data.augment.size else 3,
    )


def _augmentation(recipe: Recipe, dataset: SampleDataset) -> Transform:
    """How the recipe changes training pictures."""
    from visus.data.augment.ssd import SSDAugment
    from visus.data.augment.augment import Augment

    asked, keypoints = recipe.data.augment, dataset.schema.keypoints
    if asked.kind == "ssd":
        return SSDAugment(size=asked.size, flip=asked.flip, keypoints=keypoints)
    return Augment(
        size=asked.size,
        scale=asked.scale,
        stretch=asked.stretch,
        flip=asked.flip,
        translate=asked.translate,
        rotate=asked.rotate,
        colour=asked.colour,
        keypoints=keypoints,
    )


def _class_batches(recipe: Recipe, dataset: SampleDataset) -> Any:
    """Batches by class, for data that tells the label of every picture."""
    from visus.data.feed.class_batches import class_batches

    data, labels = recipe.data, getattr(dataset, "labels", None)
    if labels is None:
        raise VisusError(
            f"data.batches is {data.batches!r}, but {data.dataset} does not tell the labels of its pictures ahead: "
            "use 'shuffled', or a data set of classes"
        )
    return class_batches(
        cast(Any, data.batches),
        labels,
        getattr(dataset, "super_labels", None),
        batch_size=data.batch_size,
        images_per_class=data.images_per_class,
        seed=recipe.fit.seed,
    )


def val_loader(recipe: Recipe, dataset: SampleDataset, model: nn.Module) -> DataLoader[Batch]:
    """Pictures in order, resized as the model wants, targets in their own frame."""
    from visus.data.feed.loader import make_loader

    data = recipe.data
    return make_loader(dataset, collate=_collate(model), batch_size=data.batch_size, workers=data.workers)


def _collate(model: nn.Module) -> Any:
    """Batches at the model's size; a copy of its transform, which need not follow the model to a GPU."""
    from visus.data.feed.collate import Collate

    transform: Any = getattr(model, "transform", None)
    return Collate(batcher=copy.deepcopy(transform).batch if transform is not None else None)
