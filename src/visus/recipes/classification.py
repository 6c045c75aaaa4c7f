"""Recipes for classifiers: a small one with boxes for a laptop, and the published ResNet-50 for a GPU."""

from __future__ import annotations

from visus.training.recipe import AugmentRecipe, DataRecipe, FitRecipe, OptimRecipe, Recipe


def classifier_vignettes() -> Recipe:
    """Class and box of the object in a drawn image, in five minutes: ``visus train classifier_vignettes``.

    On two cores of a Xeon, seed 0, 1,000 unseen images of 13 categories: top-1 99.1, localisation error 1.4.
    """
    return Recipe(
        name="classifier_vignettes",
        model="classifier_lite0",
        model_options={"size": 128, "boxes": True},
        data=DataRecipe(
            dataset="vignettes_objects",
            val="test",
            train_length=40_000,
            val_length=1000,
            batch_size=32,
            augment=AugmentRecipe(flip=0.5),
        ),
        optim=OptimRecipe(name="adamw", lr=1e-3, weight_decay=0.02, warmup_steps=30, clip_norm=5.0),
        fit=FitRecipe(epochs=1, max_minutes=4.8, ema_decay=0.98),
    )


def classifier_lite0() -> Recipe:
    """A folder for each class of pictures: ``visus train classifier_lite0 --data.root FOLDER``."""
    return Recipe(
        name="classifier_lite0",
        model="classifier_lite0",
        model_options={"size": 160},
        loss_options={"label_smoothing": 0.1},
        data=DataRecipe(
            dataset="image_folder",
            root="images",
            batch_size=32,
            augment=AugmentRecipe(size=(160, 160), scale=(1.0, 1.8), stretch=1.3, flip=0.5, colour=0.3, mixup=0.2),
        ),
        optim=OptimRecipe(name="adamw", lr=1e-3, weight_decay=0.02, warmup_steps=50, clip_norm=5.0),
        fit=FitRecipe(epochs=20, ema_decay=0.998),
    )


def resnet50_imagenet() -> Recipe:
    """torchvision's ResNet-50 on ImageNet's folders, for eight GPUs: ``visus train resnet50_imagenet --data.root ...``.

    SGD at 0.1 for batches of 8 x 32, a tenth every 30 of 90 epochs. Not trained here.
    """
    return Recipe(
        name="resnet50_imagenet",
        model="resnet50",
        model_options={"pretrained": False},
        data=DataRecipe(
            dataset="image_folder",
            root="imagenet",
            batch_size=32,
            augment=AugmentRecipe(size=(256, 256), scale=(1.0, 3.5), stretch=1.33, flip=0.5),
        ),
        optim=OptimRecipe(name="sgd", lr=0.1, schedule="step", milestones=(30, 60), warmup_steps=0),
        fit=FitRecipe(epochs=90, devices=8),
    )
