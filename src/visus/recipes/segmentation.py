"""Recipes for semantic segmentation: three small networks for a laptop, and the published ones for a GPU."""

from __future__ import annotations

from dataclasses import replace

from visus.training.recipe import AugmentRecipe, DataRecipe, FitRecipe, OptimRecipe, Recipe

SMALL_OPTIM = OptimRecipe(
    name="adamw",
    lr=4e-3,
    weight_decay=0.02,
    schedule="poly",
    warmup_steps=30,
    clip_norm=5.0,
    lr_factors={"backbone": 0.25},
)
"""A high rate for the new layers; at the same rate the pretrained ones come apart."""


def deeplabv3_vignettes() -> Recipe:
    """DeepLabv3 on drawn scenes, in five minutes: ``visus train deeplabv3_vignettes``."""
    return Recipe(
        name="deeplabv3_vignettes",
        model="deeplabv3_lite0",
        model_options={"size": 192},
        loss_options={"balance": 1.0},
        data=DataRecipe(
            dataset="vignettes_semantic",
            val="test",
            train_length=16_000,
            val_length=200,
            batch_size=8,
            augment=AugmentRecipe(flip=0.5),
        ),
        optim=SMALL_OPTIM,
        fit=FitRecipe(epochs=1, max_minutes=4.8, ema_decay=0.98),
    )


def fcn_vignettes() -> Recipe:
    """A fully convolutional network on drawn scenes, in five minutes: ``visus train fcn_vignettes``."""
    return replace(deeplabv3_vignettes(), name="fcn_vignettes", model="fcn_lite0")


def segnet_vignettes() -> Recipe:
    """SegNet on drawn scenes, in five minutes: ``visus train segnet_vignettes``.

    With ``--fit.max-minutes 4.5`` on two cores of a Xeon, seed 0, 200 unseen scenes of 20 classes: mIoU 69.4.
    """
    return replace(deeplabv3_vignettes(), name="segnet_vignettes", model="segnet_lite0")


def deeplabv3_lite0() -> Recipe:
    """A small DeepLabv3 on images/ and masks/ with a class list: ``visus train deeplabv3_lite0 --data.root FOLDER``."""
    base = deeplabv3_camvid()
    return replace(
        base,
        name="deeplabv3_lite0",
        data=replace(base.data, dataset="mask_folder", root="pictures", val="val"),
        fit=replace(base.fit, epochs=40, max_minutes=None, val_every_epochs=2),
    )


def deeplabv3_camvid() -> Recipe:
    """A small DeepLabv3 on CamVid at 240 x 320: ``visus train deeplabv3_camvid --data.root FOLDER``.

    With ``--fit.max-minutes 8`` on two cores of a Xeon, seed 0, 233 test frames of 360 x 480, void left out: mIoU 54.3.
    """
    return Recipe(
        name="deeplabv3_camvid",
        model="deeplabv3_lite0",
        model_options={"size": 240},
        loss_options={"balance": 0.5},
        data=DataRecipe(
            dataset="camvid",
            root="camvid",
            val="test",
            batch_size=8,
            augment=AugmentRecipe(size=(192, 256), scale=(1.0, 2.0), flip=0.5, colour=0.3),
        ),
        optim=SMALL_OPTIM,
        fit=FitRecipe(epochs=60, max_minutes=12, ema_decay=0.99, val_every_epochs=60),
    )


def fcn_camvid() -> Recipe:
    """A small FCN on CamVid at 240 x 320: ``visus train fcn_camvid --data.root FOLDER``."""
    return replace(deeplabv3_camvid(), name="fcn_camvid", model="fcn_lite0")


def segnet_camvid() -> Recipe:
    """A small SegNet on CamVid at 240 x 320: ``visus train segnet_camvid --data.root FOLDER``.

    With ``--fit.max-minutes 6`` on two cores of a Xeon, seed 0, 233 test frames: mIoU 50.0.
    """
    return replace(deeplabv3_camvid(), name="segnet_camvid", model="segnet_lite0")


def segnet_vgg16_camvid() -> Recipe:
    """SegNet as in its paper on CamVid at 360 x 480, for a GPU: ``visus train segnet_vgg16_camvid --data.root FOLDER``.

    Batches of 12, SGD at 0.1 with momentum 0.9 and classes balanced by median frequency (arXiv 1511.00561, section 4).
    Not trained here.
    """
    return Recipe(
        name="segnet_vgg16_camvid",
        model="segnet_vgg16",
        loss_options={"balance": 1.0},
        data=DataRecipe(dataset="camvid", root="camvid", val="test", batch_size=12, augment=AugmentRecipe(flip=0.5)),
        optim=OptimRecipe(name="sgd", lr=0.1, weight_decay=5e-4, schedule="constant", warmup_steps=0),
        fit=FitRecipe(epochs=400, val_every_epochs=20),
    )


def deeplabv3_resnet50() -> Recipe:
    """DeepLabv3 with ResNet-50 on VOC's layout, for a GPU: ``visus train deeplabv3_resnet50 --data.root VOCdevkit``.

    torchvision's reference: crops of 480 from scales 0.5 to 2, poly from 0.02, the second head ten times as fast; for
    eight GPUs with four images each (``--fit.devices 8``). Not trained here.
    """
    return Recipe(
        name="deeplabv3_resnet50",
        model="deeplabv3_resnet50",
        data=DataRecipe(
            dataset="voc_semantic",
            root="VOCdevkit",
            batch_size=4,
            augment=AugmentRecipe(size=(480, 480), scale=(0.5, 2.0), flip=0.5),
        ),
        optim=OptimRecipe(
            name="sgd", lr=0.02, weight_decay=1e-4, schedule="poly", warmup_steps=0, lr_factors={"aux_classifier": 10.0}
        ),
        fit=FitRecipe(epochs=30),
    )


def fcn_resnet50() -> Recipe:
    """FCN with ResNet-50, trained as `deeplabv3_resnet50`: ``visus train fcn_resnet50 --data.root VOCdevkit``."""
    return replace(deeplabv3_resnet50(), name="fcn_resnet50", model="fcn_resnet50")
