"""The recipes that torchvision's published detectors were trained with, for people with COCO and GPUs.

Their learning rate is 0.02 for 16 images a step; it scales with the images of a step: two devices with two images each
take ``--optim.lr 0.005``. The scores are those published with the weights; they were not measured again here.
"""

from __future__ import annotations

from dataclasses import replace

from visus.training.recipe import AugmentRecipe, DataRecipe, FitRecipe, OptimRecipe, Recipe


def maskrcnn_resnet50_fpn() -> Recipe:
    """Mask R-CNN, ResNet-50 pyramid: ``visus train maskrcnn_resnet50_fpn --data.root coco --fit.devices 8``.

    26 epochs of COCO train2017 on 8 GPUs; published box AP 37.9, mask AP 34.6.
    """
    return Recipe(
        name="maskrcnn_resnet50_fpn",
        model="maskrcnn_resnet50_fpn",
        model_options={"pretrained": True},
        data=DataRecipe(dataset="coco", root="coco", batch_size=2, augment=AugmentRecipe(flip=0.5)),
        optim=OptimRecipe(lr=0.02, weight_decay=1e-4, schedule="step", milestones=(16, 22), warmup_steps=1000),
        fit=FitRecipe(epochs=26),
    )


def fasterrcnn_resnet50_fpn() -> Recipe:
    """Faster R-CNN, ResNet-50 pyramid: ``visus train fasterrcnn_resnet50_fpn --data.root coco --fit.devices 8``.

    26 epochs of COCO train2017 on 8 GPUs; published box AP 37.0.
    """
    return replace(maskrcnn_resnet50_fpn(), name="fasterrcnn_resnet50_fpn", model="fasterrcnn_resnet50_fpn")


def fasterrcnn_mobilenet_v3_large_fpn() -> Recipe:
    """Faster R-CNN, MobileNetV3 pyramid: ``visus train fasterrcnn_mobilenet_v3_large_fpn --data.root coco``.

    26 epochs of COCO train2017 on 8 GPUs; published box AP 32.8.
    """
    name = "fasterrcnn_mobilenet_v3_large_fpn"
    return replace(maskrcnn_resnet50_fpn(), name=name, model=name)


def keypointrcnn_resnet50_fpn() -> Recipe:
    """Keypoint R-CNN, ResNet-50 pyramid: ``visus train keypointrcnn_resnet50_fpn --data.root coco --fit.devices 8``.

    46 epochs of COCO's people on 8 GPUs; published box AP 54.6, keypoint AP 65.0.
    """
    base = maskrcnn_resnet50_fpn()
    return replace(
        base,
        name="keypointrcnn_resnet50_fpn",
        model="keypointrcnn_resnet50_fpn",
        data=replace(base.data, dataset="coco_keypoints"),
        optim=replace(base.optim, milestones=(36, 43)),
        fit=replace(base.fit, epochs=46),
    )
