"""Recipes of deep metric learning: each method with its paper's numbers, on each of the three data sets.

``visus train hdc_sop --data.root FOLDER`` trains on the first half of the classes and measures recall@K on the other
half, as the papers do: there is no validation set, and the best weights are chosen on the test classes. A number marked
(*) was written down from memory of the paper or chosen here where the paper's cannot be expressed: check it against the
paper before you lean on it. Training images are enlarged by 8/7 and laid at random, which is the papers' crop of 224
pixels from 256. All of these want a GPU; `descriptor_lite0_sop` is for a laptop.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Literal

from visus.recipes.metric_table import Setting, metric_table
from visus.training.recipe import AugmentRecipe, DataRecipe, FitRecipe, OptimRecipe, Option, Recipe

DatasetName = Literal["cub200", "cars196", "sop"]
TITLES: dict[DatasetName, str] = {"cub200": "CUB-200-2011", "cars196": "CARS196", "sop": "Stanford Online Products"}
TRAINING_PICTURES: dict[DatasetName, int] = {"cub200": 5_864, "cars196": 8_054, "sop": 59_551}
CROP = 256 / 224
MOST_VALIDATIONS = 20


def contrastive(dataset: DatasetName) -> Recipe:
    """Contrastive loss, GoogLeNet, 512 dimensions (*), trained as the lifted structure paper trains its own."""
    base = lifted_structure(dataset)
    data = replace(base.data, batches="classes", images_per_class=2)
    return replace(base, name=f"contrastive_{dataset}", loss="contrastive", model_options=_model(512), data=data)


def lifted_structure(dataset: DatasetName) -> Recipe:
    """Lifted structure (arXiv 1511.06452), GoogLeNet, 512 dimensions without unit length."""
    return Recipe(
        name=f"lifted_structure_{dataset}",
        model="descriptor_googlenet",
        model_options=_model(512, normalise=False),
        loss="lifted_structure",
        data=_data(dataset, 128, batches="lifted", images_per_class=2),
        optim=OptimRecipe(lr=1e-4, weight_decay=2e-4, schedule="constant", warmup_steps=0, lr_factors={"head": 10.0}),
        fit=_fit(dataset, steps=20_000, batch_size=128),
    )


def npairs(dataset: DatasetName) -> Recipe:
    """N-pairs (NIPS 2016), GoogLeNet, 512 dimensions without unit length; Adam at 6e-5 (*)."""
    return Recipe(
        name=f"npairs_{dataset}",
        model="descriptor_googlenet",
        model_options=_model(512, normalise=False),
        loss="npairs",
        loss_options={"l2_weight": 0.002},
        data=_data(dataset, 120, batches="pairs", images_per_class=2),
        optim=OptimRecipe(name="adamw", lr=6e-5, schedule="constant", warmup_steps=0),
        fit=_fit(dataset, steps=20_000, batch_size=120),
    )


def clustering(dataset: DatasetName) -> Recipe:
    """Facility-location clustering (arXiv 1612.01213), BN-Inception, 64 dimensions; RMSprop at 1e-4 (*)."""
    return Recipe(
        name=f"clustering_{dataset}",
        model="descriptor_bn_inception",
        model_options=_model(64),
        loss="clustering",
        data=_data(dataset, 128, batches="classes", images_per_class=4),
        optim=OptimRecipe(name="rmsprop", lr=1e-4, weight_decay=2e-4, schedule="constant", warmup_steps=0),
        fit=_fit(dataset, steps=20_000, batch_size=128),
    )


def proxy_nca(dataset: DatasetName) -> Recipe:
    """Proxy-NCA (arXiv 1703.07464), BN-Inception, 64 dimensions, batches of 32 images as they come.

    The paper's RMSprop has an epsilon of 1, which is not offered here: this is AdamW at 1e-4 (*), proxies at 1e-2 (*).
    """
    return Recipe(
        name=f"proxy_nca_{dataset}",
        model="descriptor_bn_inception",
        model_options=_model(64),
        loss="proxy_nca",
        data=_data(dataset, 32),
        optim=OptimRecipe(name="adamw", lr=1e-4, lr_factors={"criterion": 100.0}),
        fit=_fit(dataset, steps=20_000, batch_size=32),
    )


def margin(dataset: DatasetName) -> Recipe:
    """Margin with distance-weighted sampling (arXiv 1706.07567), ResNet-50, 128 dimensions, 14 classes x 5 images.

    The released code crops CUB-200-2011 to its boxes, and gives the borders a momentum optimiser of their own at 0.1;
    here they learn by AdamW at 1e-2 (*).
    """
    return Recipe(
        name=f"margin_{dataset}",
        model="descriptor_resnet50",
        model_options=_model(128),
        loss="margin",
        data=_data(dataset, 70, batches="classes", images_per_class=5),
        optim=OptimRecipe(
            name="adamw",
            lr=1e-4,
            weight_decay=1e-4,
            schedule="step",
            milestones=(12, 14, 16, 18),
            gamma=0.5,
            warmup_steps=0,
            lr_factors={"backbone": 0.01, "criterion": 100.0},
        ),
        fit=FitRecipe(epochs=20, max_steps=4_000),
    )


def hdc(dataset: DatasetName) -> Recipe:
    """HDC (arXiv 1611.05720), GoogLeNet, 3 x 128 dimensions, batches of 10 classes x 10 images, never mirrored."""
    steps, lr = {"cub200": (60_000, 1e-4), "cars196": (60_000, 1e-2), "sop": (30_000, 1e-2)}[dataset]
    batches: Literal["classes", "super_classes"] = "super_classes" if dataset == "sop" else "classes"
    data = _data(dataset, 100, batches=batches, images_per_class=5 if dataset == "sop" else 10)
    fit = _fit(dataset, steps=steps, batch_size=100)
    optim = OptimRecipe(lr=lr, weight_decay=2e-4, schedule="constant", warmup_steps=0)
    if dataset == "sop":
        optim = replace(optim, schedule="step", milestones=_milestones(fit, steps, every=10_000), gamma=0.1)
    return Recipe(
        name=f"hdc_{dataset}",
        model="hdc_googlenet",
        model_options={"pretrained": True},
        loss="hdc",
        loss_options={"mode": "paper"},
        data=replace(data, augment=replace(data.augment, flip=0.0)),
        optim=optim,
        fit=fit,
    )


def abier(dataset: DatasetName) -> Recipe:
    """A-BIER (arXiv 1801.04815), GoogLeNet, 96 + 160 + 256 dimensions, batches of 64 classes x 2 images."""
    fit = _fit(dataset, steps=100_000, batch_size=128)
    return Recipe(
        name=f"abier_{dataset}",
        model="abier_googlenet",
        model_options={"pretrained": True},
        loss="abier",
        loss_options={"diversity": 5e-5, "unit_weight": 1e5},
        data=_data(dataset, 128, batches="classes", images_per_class=2),
        optim=OptimRecipe(
            name="adamw",
            lr=1e-5,
            weight_decay=2e-4,
            schedule="step",
            milestones=_milestones(fit, 100_000, every=25_000),
            gamma=0.5,
            warmup_steps=0,
            lr_factors={"embedding": 10.0},
        ),
        fit=fit,
    )


def abe8(dataset: DatasetName) -> Recipe:
    """ABE-8 (arXiv 1804.00382), GoogLeNet, 8 x 64 dimensions; batches of 64 (*) and SGD at 1e-4 (*)."""
    return Recipe(
        name=f"abe8_{dataset}",
        model="abe8_googlenet",
        model_options={"pretrained": True},
        loss="abe",
        data=_data(dataset, 64, batches="classes", images_per_class=2),
        optim=OptimRecipe(lr=1e-4, schedule="constant", warmup_steps=0),
        fit=_fit(dataset, steps=40_000, batch_size=64),
    )


def abe4(dataset: DatasetName) -> Recipe:
    """ABE-4 (arXiv 1804.00382), GoogLeNet, 4 x 128 dimensions, else as ABE-8."""
    return _fewer_learners(dataset, 4)


def abe2(dataset: DatasetName) -> Recipe:
    """ABE-2 (arXiv 1804.00382), GoogLeNet, 2 x 256 dimensions, else as ABE-8."""
    return _fewer_learners(dataset, 2)


def _fewer_learners(dataset: DatasetName, learners: int) -> Recipe:
    recipe = abe8(dataset)
    options = recipe.model_options | {"learners": learners}
    return replace(recipe, name=f"abe{learners}_{dataset}", model_options=options)


def descriptor_lite0_sop() -> Recipe:
    """Triplet loss on EfficientNet-Lite0, 512 dimensions, 96 pixels, for a CPU and any folder in the layout of SOP.

    ``visus train descriptor_lite0_sop --data.root FOLDER``, ten minutes. It is the triplet row of
    ``visus reproduce metric-learning``; what that measured stands in docs/metric_learning.md.
    """
    recipe = metric_table(Setting())["triplet"].recipe
    return replace(recipe, name="descriptor_lite0_sop", fit=replace(recipe.fit, val_every_epochs=5))


def reid_vignettes() -> Recipe:
    """Re-identification of drawn individuals by four cameras, on EfficientNet-Lite0, for a CPU.

    ``visus train reid_vignettes``, four and a half minutes; then ``visus evaluate RUN --split test --metric
    reid_all_cameras`` shows how much the cameras flatter. In the time for 65 steps of one busy thread: mAP .227 and
    CMC-1 .218 on other cameras, .246 and .267 on all (docs/reidentification.md).
    """
    base = metric_table(Setting())["triplet"].recipe
    data = replace(base.data, dataset="vignettes_cameras", root="", val="val")
    fit = FitRecipe(epochs=40, max_minutes=4.5, val_every_epochs=10)
    return replace(base, name="reid_vignettes", data=data, fit=fit, metric="market1501")


def _model(embedding_dim: int, *, normalise: bool = True) -> dict[str, Option]:
    """A pretrained descriptor."""
    return {"embedding_dim": embedding_dim, "normalise": normalise, "pretrained": True}


def _data(
    dataset: DatasetName,
    batch_size: int,
    *,
    batches: Literal["shuffled", "classes", "pairs", "lifted", "super_classes"] = "shuffled",
    images_per_class: int = 4,
) -> DataRecipe:
    """The first half of the classes to learn from, the second to measure on."""
    return DataRecipe(
        dataset=dataset,
        root=dataset,
        val="test",
        batch_size=batch_size,
        batches=batches,
        images_per_class=images_per_class,
        augment=AugmentRecipe(flip=0.5, scale=(CROP, CROP)),
    )


def _fit(dataset: DatasetName, *, steps: int, batch_size: int) -> FitRecipe:
    """So many steps, measured some twenty times on the way."""
    epochs = math.ceil(steps * batch_size / TRAINING_PICTURES[dataset])
    return FitRecipe(epochs=epochs, max_steps=steps, val_every_epochs=math.ceil(epochs / MOST_VALIDATIONS))


def _milestones(fit: FitRecipe, steps: int, *, every: int) -> tuple[int, ...]:
    """The epochs in which every so many steps are done, but for the last."""
    return tuple(round(step / steps * fit.epochs) for step in range(every, steps, every))


def _on(method: Callable[[DatasetName], Recipe], dataset: DatasetName) -> Callable[[], Recipe]:
    """A method's recipe for one data set."""

    def recipe() -> Recipe:
        return method(dataset)

    recipe.__name__ = f"{method.__name__}_{dataset}"
    first = (method.__doc__ or "").splitlines()[0]
    recipe.__doc__ = f"{TITLES[dataset]}: {first}"
    return recipe


METHODS = (contrastive, lifted_structure, npairs, clustering, proxy_nca, margin, hdc, abier, abe2, abe4, abe8)
METRIC_LEARNING: dict[str, Callable[[], Recipe]] = {
    "descriptor_lite0_sop": descriptor_lite0_sop,
    "reid_vignettes": reid_vignettes,
    **{f"{method.__name__}_{dataset}": _on(method, dataset) for method in METHODS for dataset in TITLES},
}
"""Every recipe of this page by its name."""
