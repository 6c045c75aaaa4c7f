"""A made-up image with two objects, as truth and as prediction, for the tests of drawings, results and reports."""

import torch

from visus.types import InstancePrediction, InstanceTarget, Keypoints, Sample, Schema

SCHEMA = Schema(
    categories=("cat", "dog"),
    category_ids=(3, 7),
    has_masks=True,
    keypoints=Keypoints(
        names=("nose", "left_paw", "right_paw"),
        flip_pairs=((1, 2),),
        sigmas=(0.05, 0.05, 0.05),
        skeleton=((0, 1), (0, 2), (1, 2)),
    ),
)


def make_target(height=96, width=128, image_id=1):
    boxes = torch.tensor([[10.0, 10, 60, 80], [70, 30, 120, 90]])
    masks = torch.zeros(2, height, width, dtype=torch.bool)
    masks[0, 12:78, 12:58] = True
    masks[1, 32:88, 72:118] = True
    keypoints = torch.tensor([[[35.0, 20, 2], [20, 60, 2], [50, 60, 1]], [[0, 0, 0], [0, 0, 0], [0, 0, 0]]])
    return InstanceTarget(
        boxes_xyxy=boxes,
        labels=torch.tensor([0, 1]),
        areas=masks.flatten(1).sum(1).float(),
        is_crowd=torch.tensor([False, True]),
        size=(height, width),
        image_id=image_id,
        masks=masks,
        keypoints_xyv=keypoints,
    )


def make_prediction(scores=(0.9, 0.2), height=96, width=128):
    target = make_target(height, width)
    return InstancePrediction(
        boxes_xyxy=target.boxes_xyxy,
        labels=target.labels,
        scores=torch.tensor(scores),
        size=(height, width),
        masks=target.masks,
        keypoints_xyv=target.keypoints_xyv.index_fill(2, torch.tensor([2]), 1.0),
        keypoint_scores=torch.tensor([[5.0, 5, -5], [-5, -5, -5]]),
    )


def make_image(height=96, width=128, value=90):
    return torch.full((3, height, width), value, dtype=torch.uint8)


def make_sample(path="scene.png", image_id=1):
    return Sample(make_image(), make_target(image_id=image_id), path)
