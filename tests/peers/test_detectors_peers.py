"""Every builder with torchvision's name gives the same outputs as the published one, from the same weights.

The published networks get random weights (batch norms calibrated on the images, so that activations stay of order one),
save them, and run; ours load the file and must agree on raw head outputs and on every detection.
"""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from peer import run_peer

from visus.catalog import MODELS
from visus.nn.weights import load_state, remap_torchvision
from visus.systems.detection.roi_heads import index_of_images
from visus.types import InstancePrediction

pytestmark = pytest.mark.peers

SCRIPT = """
import torch, torchvision
from torchvision.models import detection
torch.manual_seed({seed})
options = dict(weights=None, weights_backbone=None, min_size=224, max_size=320)
if "{name}" == "keypointrcnn_resnet50_fpn":
    options |= dict(num_classes=2, num_keypoints=17)
if {few}:
    options |= dict(rpn_post_nms_top_n_test={few}[0], box_detections_per_img={few}[1])
model = getattr(detection, "{name}")(**options)
images = [inputs["image0"], inputs["image1"]]

# Running statistics of the images themselves, so that random weights give activations of order one.
for module in model.modules():
    if isinstance(module, torch.nn.BatchNorm2d):
        module.momentum = None
        module.train()
model.eval()
for module in model.backbone.modules():
    if isinstance(module, torch.nn.BatchNorm2d):
        module.train()
with torch.no_grad():
    batch, _ = model.transform(images)
    model.backbone(batch.tensors)
    model.eval()
    # Heads whose logits differ enough to pass thresholds, and not so much that probabilities are equal by saturation.
    features = model.backbone(batch.tensors)
    objectness, _ = model.rpn.head(list(features.values()))
    model.rpn.head.cls_logits.weight.mul_(1.5 / torch.cat([o.flatten() for o in objectness]).std())
    proposals, _ = model.rpn(batch, features)
    pooled = model.roi_heads.box_roi_pool(features, proposals, batch.image_sizes)
    logits, _ = model.roi_heads.box_predictor(model.roi_heads.box_head(pooled))
    spread = (logits - logits.mean(0)).std()
    model.roi_heads.box_predictor.cls_score.weight.mul_(2.0 / spread)
    features = model.backbone(batch.tensors)
    objectness, deltas = model.rpn.head(list(features.values()))
    proposals, _ = model.rpn(batch, features)
    pooled = model.roi_heads.box_roi_pool(features, proposals, batch.image_sizes)
    logits, moves = model.roi_heads.box_predictor(model.roi_heads.box_head(pooled))
    outputs = {{"logits": logits, "moves": moves}}
    for i, (boxes, o, d) in enumerate(zip(proposals, zip(*objectness), zip(*deltas))):
        outputs[f"proposals{{i}}"] = boxes
        outputs[f"objectness{{i}}"] = torch.cat([x.permute(1, 2, 0).flatten() for x in o])
        outputs[f"deltas{{i}}"] = torch.cat([x.permute(1, 2, 0).reshape(-1, 4) for x in d])
    found = model(images)
    for i, one in enumerate(found):
        for key, value in one.items():
            outputs[f"{{key}}_of_image{{i}}"] = value
    outputs |= {{"state." + key: value for key, value in model.state_dict().items()}}
"""

BUILDERS = [
    "fasterrcnn_resnet50_fpn",
    "fasterrcnn_resnet50_fpn_v2",
    "fasterrcnn_mobilenet_v3_large_fpn",
    "fasterrcnn_mobilenet_v3_large_320_fpn",
    "maskrcnn_resnet50_fpn",
    "maskrcnn_resnet50_fpn_v2",
    "keypointrcnn_resnet50_fpn",
]

FEW = {
    name: (200, 25)
    for name in BUILDERS
    if name.startswith(("maskrcnn", "keypointrcnn")) or name == "fasterrcnn_resnet50_fpn_v2"
}
"""How many proposals and detections of an image are compared where the heads are heavy; of others all."""


def _images() -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(5)
    smooth = [torch.rand(3, 9, 12, generator=generator), torch.rand(3, 11, 8, generator=generator)]
    sizes = [(180, 240), (230, 170)]
    grown = [
        torch.nn.functional.interpolate(s[None], size=size, mode="bicubic")[0].clamp(0, 1)
        for s, size in zip(smooth, sizes, strict=True)
    ]
    return {f"image{i}": image for i, image in enumerate(grown)}


@pytest.mark.parametrize("name", BUILDERS)
def test_builder_agrees_with_the_published_one(name: str, tmp_path) -> None:
    images = _images()
    few = FEW.get(name, ())
    theirs = run_peer(SCRIPT.format(name=name, seed=3, few=few), images, tmp_path)
    model = MODELS[name](min_size=224, max_size=320).eval()
    if few:
        model.rpn.limits = replace(model.rpn.limits, after=(few[0], few[0]))
        model.roi_heads.limits = replace(model.roi_heads.limits, count=few[1])
    state = {key.removeprefix("state."): value for key, value in theirs.items() if key.startswith("state.")}
    keep_counts = any(key.endswith("num_batches_tracked") for key in model.state_dict())
    load_state(model, state if keep_counts else remap_torchvision(state), source=name)
    with torch.no_grad():
        batch = model.transform.batch(list(images.values()))
        outputs = model(batch)
        found = model.postprocess(outputs, [tuple(image.shape[-2:]) for image in images.values()])
    for i in range(2):
        assert_near(outputs.rpn.objectness[i], theirs[f"objectness{i}"])
        assert_near(outputs.rpn.deltas[i], theirs[f"deltas{i}"])
        same = nearest(outputs.rpn.proposals[i], theirs[f"proposals{i}"]) < 0.05
        assert same.float().mean() > 0.99, f"{(~same).sum()} of {len(same)} proposals differ"
    regions = [theirs["proposals0"], theirs["proposals1"]]
    index = index_of_images(regions)
    with torch.no_grad():
        logits, moves = model.roi_heads.score(outputs.features, torch.cat(regions), index)
    assert_near(logits, theirs["logits"], 1e-4)
    assert_near(moves, theirs["moves"], 1e-4)
    for i, mine in enumerate(found):
        compare_detections(mine, {key: theirs[f"{key}_of_image{i}"] for key in KEYS if f"{key}_of_image{i}" in theirs})


KEYS = ("boxes", "labels", "scores", "masks", "keypoints", "keypoints_scores")


def compare_detections(mine: InstancePrediction, theirs: dict[str, torch.Tensor]) -> None:
    """The same objects with the same scores, masks and keypoints.

    Rounding may swap neighbours of almost equal score, and decide an overlap that lies on the threshold: so objects are
    paired by box and label, and at most two in a hundred may lack a partner.
    """
    assert len(mine) == len(theirs["boxes"])
    assert len(mine) > 3, "the comparison needs detections"
    distance = torch.cdist(mine.boxes_xyxy, theirs["boxes"], p=float("inf"))
    distance[mine.labels[:, None] + 1 != theirs["labels"]] = float("inf")
    distance += (mine.scores[:, None] - theirs["scores"]).abs() * 100
    gap, pair = distance.min(1)
    same = gap < 0.1
    assert same.float().mean() >= 0.98, f"{(~same).sum()} of {len(same)} detections differ"
    ours, pair = mine[same], pair[same]
    assert_near(ours.scores, theirs["scores"][pair], 5e-4)
    if ours.masks is not None:
        differing = (ours.masks != (theirs["masks"][pair, 0] > 0.5)).float().mean()
        assert differing < 1e-4, f"{differing:.2%} of the mask pixels differ"
    if ours.keypoints_xyv is not None:
        assert_near(ours.keypoint_scores, theirs["keypoints_scores"][pair], 1e-3)
        apart = (ours.keypoints_xyv - theirs["keypoints"][pair]).abs().amax(-1) > 0.1
        # Where two cells of a heat map are equally likely, rounding chooses.
        assert apart.float().mean() < 0.01, f"{apart.float().mean():.2%} of the keypoints differ"


def nearest(ours: torch.Tensor, theirs: torch.Tensor) -> torch.Tensor:
    """For each of our boxes, how far the nearest of theirs is in its worst coordinate, in pixels."""
    assert ours.shape == theirs.shape
    return torch.cdist(ours, theirs, p=float("inf")).amin(1)


def assert_near(ours: torch.Tensor, theirs: torch.Tensor, tolerance: float = 1e-4) -> None:
    """Both have the same shape and differ by at most ``tolerance`` of the largest number (of 1 if that is smaller)."""
    assert ours.shape == theirs.shape
    scale = max(1.0, theirs.abs().max().item()) if theirs.numel() else 1.0
    assert (ours - theirs).abs().max().item() <= tolerance * scale
