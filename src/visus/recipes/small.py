"""Recipes for a laptop: EfficientNet-Lite0 with the ImageNet weights of the install, trained on two cores."""

from __future__ import annotations

from dataclasses import replace

from visus.training.recipe import AugmentRecipe, DataRecipe, FitRecipe, OptimRecipe, Recipe


def maskrcnn_vignettes() -> Recipe:
    """Mask R-CNN with keypoints on drawn scenes, in five minutes: ``visus demo``.

    On two cores of a Xeon, seed 0, 200 unseen scenes: box AP 59.9, mask AP 41.0, keypoint AP 57.6.
    """
    return Recipe(
        name="maskrcnn_vignettes",
        model="maskrcnn_lite0_fpn",
        model_options={"size": 192},
        data=DataRecipe(
            dataset="vignettes",
            val="test",
            train_length=16_000,
            val_length=200,
            batch_size=8,
            augment=AugmentRecipe(flip=0.0),
        ),
        optim=OptimRecipe(name="adamw", lr=2e-3, weight_decay=0.02, warmup_steps=30, clip_norm=5.0),
        fit=FitRecipe(epochs=1, max_minutes=4.8, ema_decay=0.98),
    )


def maskrcnn_lite0() -> Recipe:
    """Mask R-CNN on a COCO folder, with its keypoints if any: ``visus train maskrcnn_lite0 --data.root FOLDER``."""
    return Recipe(
        name="maskrcnn_lite0",
        model="maskrcnn_lite0_fpn",
        model_options={"size": 320},
        data=DataRecipe(
            dataset="coco",
            root="coco",
            batch_size=8,
            augment=AugmentRecipe(size=(320, 320), flip=0.5, scale=(0.7, 1.5), translate=0.1, colour=0.3),
        ),
        optim=OptimRecipe(name="adamw", lr=1e-3, weight_decay=0.02, warmup_steps=50, clip_norm=5.0),
        fit=FitRecipe(epochs=24, ema_decay=0.998),
    )


def fasterrcnn_lite0() -> Recipe:
    """Faster R-CNN on a COCO folder: ``visus train fasterrcnn_lite0 --data.root FOLDER``."""
    return replace(maskrcnn_lite0(), name="fasterrcnn_lite0", model="fasterrcnn_lite0_fpn")


def maskrcnn_pennfudan() -> Recipe:
    """Mask R-CNN on 128 photographs of pedestrians: ``visus train maskrcnn_pennfudan --data.root FOLDER``.

    Under four minutes on two cores of a Xeon; on the 42 held-out photographs, seed 0, box AP50 95.7 and AP 55.7, mask
    AP50 88.8 and AP 47.3.
    """
    base = maskrcnn_lite0()
    return replace(
        base,
        name="maskrcnn_pennfudan",
        data=replace(base.data, dataset="pennfudan", root="pennfudan", val="test"),
        fit=replace(base.fit, epochs=14, ema_decay=0.98, val_every_epochs=14),
    )
