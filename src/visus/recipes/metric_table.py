"""The results table of deep metric learning: every method under one protocol, on one small network.

The published column is that of Stanford Online Products as later papers copy it, each on its own backbone and dimension
(GoogLeNet "G", BN-Inception "BN" or ResNet-50 "R"), chosen at the best epoch on the test classes. Ours shares backbone,
images, schedule, minutes and dimension among all rows (HDC's three parts have 384); what a method needs of its own
(its batches, its loss, whether embeddings have unit length) is the paper's. The pretrained backbone learns at
BACKBONE_RATE of the rate of what starts anew.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal

from visus.training.recipe import AugmentRecipe, DataRecipe, FitRecipe, OptimRecipe, Option, Recipe

BATCH, DIMENSION = 64, 512
BACKBONE_RATE = 0.5
Published = tuple[float | None, float | None, float | None, float | None]
UNPUBLISHED: Published = (None, None, None, None)
PoolingName = Literal["average", "gem", "layout"]


@dataclass(frozen=True)
class Row:
    """One method of the table.

    Args:
        title: the method's name.
        recipe: how ours is trained.
        dimension: of our embedding.
        published: R@1, 10, 100 and 1000 on Stanford Online Products in percent, None where the paper has none.
        network: the backbone and the dimension that the published numbers belong to.
    """

    title: str
    recipe: Recipe
    dimension: int
    published: Published
    network: str


@dataclass(frozen=True)
class Setting:
    """What all rows share.

    Args:
        dataset: the layout of the data.
        root: its folder.
        size: side of the images in pixels.
        pooling: from the backbone's features to a vector, in every network but HDC, whose heads are its own.
        minutes: of the training of a row.
        seed: of that training.
        classes: how many there are to train on; a batch holds no more, and more images of each where they are few.
    """

    dataset: str = "sop"
    root: str = "sop"
    size: int = 96
    pooling: PoolingName = "layout"
    minutes: float = 10.0
    seed: int = 0
    classes: int = 11_318

    @property
    def images_per_class(self) -> int:
        """Images of a class in a batch: 4, or so many more that few classes fill the batch."""
        doublings = math.ceil(math.log2(max(1.0, BATCH / self.classes)))
        return max(4, 1 << doublings)


def metric_table(setting: Setting) -> dict[str, Row]:
    """The rows by name, in the order of the table."""
    single = {
        "contrastive": Row(
            "Contrastive", _descriptor(setting, "contrastive"), 512, (42.0, 58.2, 73.8, 89.1), "G, 512 or 128"
        ),
        "triplet": Row("Triplet", _descriptor(setting, "triplet"), 512, (42.1, 63.5, 82.5, 94.8), "G"),
        "lifted_structure": Row("Lifted structure", _lifted(setting), 512, (62.1, 79.8, 91.3, 97.4), "G, 512"),
        "npairs": Row("N-pairs", _npairs(setting), 512, (67.7, 83.8, 93.0, 97.8), "G, 512"),
        "clustering": Row("Clustering", _descriptor(setting, "clustering"), 512, (67.0, 83.7, 93.2, None), "BN, 64"),
        "proxy_nca": Row("Proxy-NCA", _proxy_nca(setting), 512, (73.7, None, None, None), "BN, 64"),
        "margin": Row("Margin", _margin(setting), 512, (72.7, 86.2, 93.8, 98.0), "R, 128"),
    }
    published: dict[str, tuple[str, int, tuple[float, float, float, float]]] = {
        "hdc": ("HDC", 384, (69.5, 84.4, 92.8, 97.7)),
        "abier": ("A-BIER", 512, (74.2, 86.9, 94.0, 97.8)),
        "abe2": ("ABE-2", 512, (75.4, 88.0, 94.7, 98.2)),
        "abe4": ("ABE-4", 512, (75.9, 88.3, 94.8, 98.2)),
        "abe8": ("ABE-8", 512, (76.3, 88.4, 94.8, 98.2)),
    }
    ensembles = {
        name: Row(title, _ensemble(setting, name), dimension, numbers, f"G, {dimension}")
        for name, (title, dimension, numbers) in published.items()
    }
    return single | ensembles


def frozen_backbones(setting: Setting) -> dict[str, Row]:
    """The features of the ImageNet backbone, of which nothing learns: what every row has to beat.

    Their average is what others call the frozen backbone; where the rows pool in another way, so does one more of them.
    """
    rows = {"frozen": Row("Frozen backbone", _frozen(setting, "average"), 1280, UNPUBLISHED, "")}
    if setting.pooling == "layout":
        recipe = _frozen(setting, "layout")
        rows["frozen_layout"] = Row("Frozen, layout", recipe, 2288, UNPUBLISHED, "")
    return rows


def _frozen(setting: Setting, pooling: PoolingName) -> Recipe:
    """A backbone without a head."""
    options: dict[str, Option] = {"size": setting.size, "pooling": pooling, "head": "none"}
    return replace(_descriptor(setting, ""), name="frozen", model_options=options)


def _descriptor(setting: Setting, loss: str, *, normalise: bool = True) -> Recipe:
    """A linear layer on the pooled features of EfficientNet-Lite0, in batches of 16 classes with four images each."""
    return Recipe(
        name=loss or "descriptor",
        model="descriptor_lite0",
        model_options={
            "size": setting.size,
            "pooling": setting.pooling,
            "embedding_dim": DIMENSION,
            "normalise": normalise,
        },
        loss=loss,
        data=DataRecipe(
            dataset=setting.dataset,
            root=setting.root,
            val="test",
            batch_size=BATCH,
            batches="classes",
            images_per_class=setting.images_per_class,
            augment=AugmentRecipe(
                size=(setting.size, setting.size), scale=(0.85, 1.25), stretch=1.1, flip=0.5, translate=0.05, colour=0.3
            ),
        ),
        optim=OptimRecipe(
            name="adamw",
            lr=1e-3,
            weight_decay=0.02,
            warmup_steps=20,
            clip_norm=10.0,
            lr_factors={"backbone": BACKBONE_RATE},
        ),
        fit=FitRecipe(
            epochs=200, max_minutes=setting.minutes, val_every_epochs=200, seed=setting.seed, log_every_steps=10
        ),
    )


def _lifted(setting: Setting) -> Recipe:
    base = _descriptor(setting, "lifted_structure", normalise=False)
    return replace(base, data=replace(base.data, batches="lifted", images_per_class=2))


def _npairs(setting: Setting) -> Recipe:
    base = _descriptor(setting, "npairs", normalise=False)
    size = min(BATCH, 2 * setting.classes)
    return replace(base, data=replace(base.data, batches="pairs", images_per_class=2, batch_size=size))


def _proxy_nca(setting: Setting) -> Recipe:
    base = _descriptor(setting, "proxy_nca")
    return replace(
        base,
        loss_options={"scale": 8.0},
        data=replace(base.data, batches="shuffled"),
        optim=replace(base.optim, lr_factors=base.optim.lr_factors | {"criterion": 20.0}),
    )


def _margin(setting: Setting) -> Recipe:
    base = _descriptor(setting, "margin")
    return replace(base, optim=replace(base.optim, lr_factors=base.optim.lr_factors | {"criterion": 20.0}))


def _ensemble(setting: Setting, name: str) -> Recipe:
    base = _descriptor(setting, name.rstrip("0123456789"))
    options: dict[str, Option] = {"size": setting.size}
    if name != "hdc":
        options["pooling"] = setting.pooling
    return replace(base, name=name, model=f"{name}_lite0", model_options=options)


TABLES: dict[str, Callable[[Setting], dict[str, Row]]] = {"metric-learning": metric_table}
