"""From a recipe's data to loaders that feed a model."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import TYPE_CHECKING, Any

from visus.training.recipe import Recipe

if TYPE_CHECKING:
    from torch import nn
    from torch.utils.data import DataLoader

    from visus.data.loader import SampleDataset
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
    """Augmented, shuffled batches at the size that the model wants."""
    from visus.data.loader import Transformed, make_loader
    from visus.data.transforms import Augment

    asked, data = recipe.data.augment, recipe.data
    augment = Augment(
        size=(asked.size, asked.size) if asked.size else None,
        scale=asked.scale,
        flip=asked.flip,
        translate=asked.translate,
        rotate=asked.rotate,
        colour=asked.colour,
        keypoints=dataset.schema.keypoints,
    )
    return make_loader(
        Transformed(dataset, augment, seed=recipe.fit.seed),
        collate=_collate(model),
        batch_size=data.batch_size,
        shuffle=True,
        workers=data.workers,
        seed=recipe.fit.seed,
        drop_last=len(dataset) >= data.batch_size * recipe.fit.devices * recipe.fit.nodes,
        aspect_ratio_factor=None if asked.size else 3,
    )


def val_loader(recipe: Recipe, dataset: SampleDataset, model: nn.Module) -> DataLoader[Batch]:
    """Pictures in order, resized as the model wants, targets in their own frame."""
    from visus.data.loader import make_loader

    data = recipe.data
    return make_loader(dataset, collate=_collate(model), batch_size=data.batch_size, workers=data.workers)


def _collate(model: nn.Module) -> Any:
    """Batches at the model's size; a copy of its transform, which need not follow the model to a GPU."""
    from visus.data.collate import Collate

    transform: Any = getattr(model, "transform", None)
    return Collate(batcher=copy.deepcopy(transform).batch if transform is not None else None)
