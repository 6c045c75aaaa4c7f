"""SSD300 gives the outputs, losses and detections of the published one, from the same weights."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from one_stage import SIZES, compare_detections, images, inputs, objects, targets
from peer import run_peer
from torch import Tensor

from visus.nn.weights import load_state, remap_torchvision
from visus.systems.detection.ssd import SSDOutputs
from visus.systems.detection.ssd_losses import SSDCriterion, match_default_boxes
from visus.systems.detection.ssd_vgg import ssd300_vgg16

pytestmark = pytest.mark.peers

SCRIPT = """
from torchvision.models import detection
torch.manual_seed(3)
model = detection.ssd300_vgg16(weights=None, weights_backbone=None, num_classes=13).eval()
images = [inputs["image0"], inputs["image1"]]
with torch.no_grad():
    batch, _ = model.transform(images)
    model.backbone.features[0].weight.div_(50)  # pixels enter in 0..255
    # Random weights would let the deepest maps fade away.
    for module in model.backbone.extra.modules():
        if isinstance(module, torch.nn.Conv2d):
            module.weight.mul_(1.4)
    features = list(model.backbone(batch.tensors).values())
    # Answers that differ enough to pass thresholds, on every map.
    for heads, spread in ((model.head.classification_head, 3.0), (model.head.regression_head, 2.0)):
        for predictor, feature in zip(heads.module_list, features):
            predictor.weight.mul_(spread / predictor(feature).std())
    for predictor in model.head.classification_head.module_list:
        predictor.bias.view(-1, 13)[:, 0] = 4
    heads = model.head(features)
    anchors = model.anchor_generator(batch, features)[0]
    outputs |= {"pixels": batch.tensors, "anchors": anchors}
    outputs |= {f"map{i}": feature for i, feature in enumerate(features)}
    outputs |= {"logits": heads["cls_logits"], "deltas": heads["bbox_regression"]}
    found = model(images)
    for i, one in enumerate(found):
        outputs |= {f"{key}_of_image{i}": value for key, value in one.items()}
    model.train()
    targets = [{"boxes": inputs[f"boxes{i}"], "labels": inputs[f"labels{i}"]} for i in range(2)]
    losses = model(images, targets)
    outputs |= {f"loss {key}": value for key, value in losses.items()}
    outputs |= {"state." + key: value for key, value in model.state_dict().items()}
"""

MATCH_SCRIPT = """
from torchvision.models.detection._utils import SSDMatcher
from torchvision.models.detection.ssd import SSD
from torchvision.ops import box_iou
import torchvision
model = torchvision.models.detection.ssd300_vgg16(weights=None, weights_backbone=None, num_classes=13)
anchors = inputs["anchors"]
count = len(inputs["counts"])
targets = [{"boxes": inputs[f"boxes{i}"], "labels": inputs[f"labels{i}"]} for i in range(count)]
matched = []
for target in targets:
    if len(target["boxes"]):
        matched.append(SSDMatcher(0.5)(box_iou(target["boxes"], anchors)))
    else:
        matched.append(torch.full((len(anchors),), -1))
heads = {"bbox_regression": inputs["deltas"], "cls_logits": inputs["logits"]}
losses = model.compute_loss(targets, heads, [anchors] * count, matched)
outputs |= {"matched": torch.stack(matched), **losses}
"""

SMALLEST = [5.0, 5, 12, 11]


@pytest.fixture(scope="module")
def theirs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Tensor]:
    return run_peer(SCRIPT, inputs(SMALLEST), tmp_path_factory.mktemp("ssd"))


def test_ssd300_agrees_with_the_published_one(theirs: dict[str, Tensor]) -> None:
    model = ssd300_vgg16(num_classes=12).eval()
    state = {key.removeprefix("state."): value for key, value in theirs.items() if key.startswith("state.")}
    load_state(model, remap_torchvision(state), source="peer")
    torch.testing.assert_close(model.default_boxes, theirs["anchors"], atol=1e-4, rtol=0)
    batch = model.transform.batch(images())
    with torch.no_grad():
        torch.testing.assert_close(model.transform(batch), theirs["pixels"], atol=2e-3, rtol=0)  # of 255
        for i, feature in enumerate(model.backbone(model.transform(batch))):
            assert feature.std() > 0.01, "the comparison needs features"
            assert_near(feature, theirs[f"map{i}"])
        outputs = model(batch)
        assert_near(outputs.class_logits, theirs["logits"])
        assert_near(outputs.box_deltas, theirs["deltas"])
        losses = SSDCriterion()(outputs, targets(SMALLEST))
        found = model.postprocess(outputs, SIZES)
    torch.testing.assert_close(losses["class"], theirs["loss classification"], rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(losses["box"], theirs["loss bbox_regression"], rtol=1e-4, atol=1e-4)
    compare_detections(found, theirs)


def assert_near(ours: Tensor, theirs: Tensor) -> None:
    """Equal to a ten-thousandth of the spread."""
    torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-4 * max(1.0, theirs.std().item()))


def test_matches_and_losses_on_many_objects(tmp_path: Path) -> None:
    generator = torch.Generator().manual_seed(7)
    counts = (12, 0, 1, 40)
    boxes = ssd300_vgg16(num_classes=1).default_boxes
    truths, given = [], {"anchors": boxes, "counts": torch.tensor(counts)}
    for i, count in enumerate(counts):
        sides = 8 * 30 ** torch.rand(count, 2, generator=generator)
        corner = torch.rand(count, 2, generator=generator) * (300 - sides)
        labels = torch.randint(0, 12, (count,), generator=generator)
        truths.append(objects(torch.cat((corner, corner + sides), dim=1), labels, (300, 300)))
        given |= {f"boxes{i}": truths[i].boxes_xyxy, f"labels{i}": labels + 1}
    logits = torch.randn(len(counts), len(boxes), 13, generator=generator) * 3
    deltas = torch.randn(len(counts), len(boxes), 4, generator=generator)
    theirs = run_peer(MATCH_SCRIPT, given | {"logits": logits, "deltas": deltas}, tmp_path)
    matched = torch.stack([match_default_boxes(truth.boxes_xyxy, boxes, 0.5) for truth in truths])
    assert torch.equal(matched, theirs["matched"])
    losses = SSDCriterion()(SSDOutputs(torch.full((len(counts), 2), 300), logits, deltas, boxes), truths)
    torch.testing.assert_close(losses["class"], theirs["classification"], rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(losses["box"], theirs["bbox_regression"], rtol=1e-5, atol=1e-5)
