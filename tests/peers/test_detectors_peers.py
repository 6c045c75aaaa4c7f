"""Every builder with torchvision's name gives the same outputs as the published one, from the same weights.

The published networks get random weights (batch norms calibrated on the images, so that activations stay of order one),
save them, and run; ours load the file and must agree on raw head outputs and on every detection.
"""

from __future__ import annotations

import pytest
import torch
from peer import run_peer

from visus.catalog import MODELS
from visus.nn.weights import load_state, remap_torchvision

pytestmark = pytest.mark.peers

SCRIPT = """
import torch, torchvision
from torchvision.models import detection
torch.manual_seed({seed})
options = dict(weights=None, weights_backbone=None, min_size=224, max_size=320)
if "{name}" == "keypointrcnn_resnet50_fpn":
    options |= dict(num_classes=2, num_keypoints=17)
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
    # Confident heads: with plain initial weights no score of 91 classes would pass the threshold.
    model.roi_heads.box_predictor.cls_score.weight.mul_(10 if "{name}".endswith("v2") else 30)
    model.rpn.head.cls_logits.weight.mul_(20)
    for module in model.modules():
        if isinstance(module, torch.nn.Conv2d) and module in list(model.rpn.head.conv.modules()):
            module.weight.mul_(3)
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
    theirs = run_peer(SCRIPT.format(name=name, seed=3), images, tmp_path)
    model = MODELS[name](min_size=224, max_size=320).eval()
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
        assert_near(outputs.rpn.proposals[i], theirs[f"proposals{i}"], 1e-3)
    index = torch.cat([torch.full((len(p),), i) for i, p in enumerate(outputs.rpn.proposals)])
    with torch.no_grad():
        logits, moves = model.roi_heads.score(outputs.features, torch.cat(outputs.rpn.proposals), index)
    assert_near(logits, theirs["logits"], 1e-4)
    assert_near(moves, theirs["moves"], 1e-4)
    for i, mine in enumerate(found):
        assert len(mine) > 3, "the comparison needs detections"
        assert torch.equal(mine.labels + 1, theirs[f"labels_of_image{i}"])
        assert_near(mine.scores, theirs[f"scores_of_image{i}"])
        assert_near(mine.boxes_xyxy, theirs[f"boxes_of_image{i}"], 1e-3)
        if mine.masks is not None:
            differing = (mine.masks != (theirs[f"masks_of_image{i}"][:, 0] > 0.5)).float().mean()
            assert differing < 1e-4, f"{differing:.2%} of the mask pixels differ"
        if mine.keypoints_xyv is not None:
            assert_near(mine.keypoints_xyv, theirs[f"keypoints_of_image{i}"], 1e-2)
            assert_near(mine.keypoint_scores, theirs[f"keypoints_scores_of_image{i}"], 1e-3)


def assert_near(ours: torch.Tensor, theirs: torch.Tensor, tolerance: float = 1e-4) -> None:
    """Both have the same shape and differ by at most ``tolerance`` of the largest number (of 1 if that is smaller)."""
    assert ours.shape == theirs.shape
    scale = max(1.0, theirs.abs().max().item()) if theirs.numel() else 1.0
    assert (ours - theirs).abs().max().item() <= tolerance * scale
