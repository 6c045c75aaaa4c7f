"""FCOS gives the outputs, losses and detections of the published one, from the same weights."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from one_stage import SIZES, compare_detections, images, inputs, objects, targets
from peer import run_peer
from torch import Tensor

from visus.nn.weights import load_state, remap_torchvision
from visus.systems.detection.fcos import (
    FCOSCriterion,
    FCOSOutputs,
    assign_objects,
    fcos_resnet50_fpn,
)

pytestmark = pytest.mark.peers

SCRIPT = """
from torchvision.models import detection
torch.manual_seed(3)
model = detection.fcos_resnet50_fpn(
    weights=None, weights_backbone=None, num_classes=13, min_size=224, max_size=320
)
images = [inputs["image0"], inputs["image1"]]
# Running statistics of the images themselves, so that random weights give activations of order one.
norms = [module for module in model.modules() if isinstance(module, torch.nn.BatchNorm2d)]
for module in norms:
    module.momentum = None
with torch.no_grad():
    batch, _ = model.train().transform(images)
    model.backbone(batch.tensors)
    model.eval()
    features = list(model.backbone(batch.tensors).values())
    # Heads whose answers differ enough to pass thresholds, on every level; nothing is ever of the unused class 0.
    classes, boxes = model.head.classification_head, model.head.regression_head
    for layer, tower, spread in (
        (classes.cls_logits, classes.conv, 2.0),
        (boxes.bbox_reg, boxes.conv, 1.5),
        (boxes.bbox_ctrness, boxes.conv, 2.0),
    ):
        answers = torch.cat([layer(tower(feature)).flatten() for feature in features])
        layer.weight.mul_(spread / (answers - answers.mean()).std())
    classes.cls_logits.bias.fill_(-3)[0] = -60
    boxes.bbox_reg.bias.fill_(2)
    heads = model.head(features)
    outputs |= {f"level{i}": feature for i, feature in enumerate(features)}
    outputs |= {"pixels": batch.tensors, "anchors": model.anchor_generator(batch, features)[0], **heads}
    for i, one in enumerate(model(images)):
        outputs |= {f"{key}_of_image{i}": value for key, value in one.items()}
    targets = [{"boxes": inputs[f"boxes{i}"], "labels": inputs[f"labels{i}"]} for i in range(2)]
    model.train()
    for module in norms:
        module.eval()
    outputs |= {f"loss {key}": value for key, value in model(images, targets).items()}
    outputs |= {"state." + key: value for key, value in model.state_dict().items()}
"""

ASSIGN_SCRIPT = """
from torchvision.models import detection
model = detection.fcos_resnet50_fpn(weights=None, weights_backbone=None, num_classes=13)
count = len(inputs["counts"])
targets = [{"boxes": inputs[f"boxes{i}"], "labels": inputs[f"labels{i}"]} for i in range(count)]
half = inputs["strides"][:, None] / 2
anchors = [torch.cat([inputs["points"] - half, inputs["points"] + half], 1)] * count
heads = {key: inputs[key] for key in ("cls_logits", "bbox_regression", "bbox_ctrness")}
levels = inputs["levels"].tolist()
outputs |= model.compute_loss(targets, heads, anchors, levels)
model.head.compute_loss = lambda targets, heads, anchors, matched: {"matched": torch.stack(matched)}
outputs |= model.compute_loss(targets, heads, anchors, levels)
"""

LAYOUT_SCRIPT = """
from torchvision.models.detection.backbone_utils import _resnet_fpn_extractor
from torchvision.models.detection.fcos import FCOS
from torchvision.models.resnet import resnet50
from torchvision.ops.feature_pyramid_network import LastLevelP6P7
from torchvision.ops.misc import FrozenBatchNorm2d
trainable = []
for layers in range(6):
    with torch.device("meta"):
        body = resnet50(norm_layer=FrozenBatchNorm2d)
        pyramid = _resnet_fpn_extractor(body, layers, returned_layers=[2, 3, 4], extra_blocks=LastLevelP6P7(256, 256))
        model = FCOS(pyramid, 91)
    trainable.append(sum(p.requires_grad for p in model.parameters()))
outputs["trainable"] = torch.tensor(trainable)
outputs["parameters"] = torch.tensor(sum(p.numel() for p in model.parameters()))
outputs |= {"shape." + key: torch.tensor(value.shape) for key, value in model.state_dict().items()}
"""

SMALLEST = [5.0, 5, 19, 21]


@pytest.fixture(scope="module")
def theirs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Tensor]:
    return run_peer(SCRIPT, inputs(SMALLEST), tmp_path_factory.mktemp("fcos"))


def test_fcos_agrees_with_the_published_one(theirs: dict[str, Tensor]) -> None:
    model = fcos_resnet50_fpn(num_classes=12, min_size=224, max_size=320).eval()
    state = {key.removeprefix("state."): value for key, value in theirs.items() if key.startswith("state.")}
    assert set(state) == set(model.state_dict())
    load_state(model, remap_torchvision(state), source="peer")
    batch = model.transform.batch(images())
    with torch.no_grad():
        assert_near(model.transform(batch), theirs["pixels"])
        for i, level in enumerate(model.backbone(model.transform(batch))):
            assert level.std() > 0.01, "the comparison needs features"
            assert_near(level, theirs[f"level{i}"])
        outputs = model(batch)
        losses = FCOSCriterion()(outputs, targets(SMALLEST))
        found = model.postprocess(outputs, SIZES)
    middles = (theirs["anchors"][:, :2] + theirs["anchors"][:, 2:]) / 2
    assert torch.equal(outputs.locations.points_xy, middles)
    assert torch.equal(outputs.locations.strides, theirs["anchors"][:, 2] - theirs["anchors"][:, 0])
    assert_near(outputs.class_logits, theirs["cls_logits"])
    assert_near(outputs.distances_ltrb, theirs["bbox_regression"])
    assert_near(outputs.centerness_logits, theirs["bbox_ctrness"][..., 0])
    for ours, name in (("class", "classification"), ("box", "bbox_regression"), ("centerness", "bbox_ctrness")):
        assert theirs[f"loss {name}"] > 0.1
        torch.testing.assert_close(losses[ours], theirs[f"loss {name}"], rtol=1e-4, atol=1e-4)
    compare_detections(found, theirs)


def assert_near(ours: Tensor, theirs: Tensor) -> None:
    """Equal to a ten-thousandth of the largest number (of 1 if that is smaller)."""
    torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-4 * max(1.0, theirs.abs().max().item()))


def test_assignment_and_losses_on_many_objects(tmp_path: Path) -> None:
    generator = torch.Generator().manual_seed(7)
    counts = (12, 0, 1, 40)
    grids = [torch.zeros(1, 1, side, side) for side in (128, 64, 32, 16, 8)]
    places = fcos_resnet50_fpn(num_classes=12).locations(grids, torch.zeros(1, 3, 1024, 1024))
    truths, given = [], {"points": places.points_xy, "strides": places.strides, "counts": torch.tensor(counts)}
    for i, count in enumerate(counts):
        sides = 8 * 120 ** torch.rand(count, 2, generator=generator)
        corner = torch.rand(count, 2, generator=generator) * (1024 - sides)
        labels = torch.randint(0, 12, (count,), generator=generator)
        truths.append(objects(torch.cat((corner, corner + sides), dim=1), labels, (1024, 1024)))
        given |= {f"boxes{i}": truths[i].boxes_xyxy, f"labels{i}": labels + 1}
    heads = {
        "cls_logits": torch.randn(len(counts), len(places.strides), 13, generator=generator) * 3,
        "bbox_regression": torch.rand(len(counts), len(places.strides), 4, generator=generator) * 6,
        "bbox_ctrness": torch.randn(len(counts), len(places.strides), 1, generator=generator),
    }
    theirs = run_peer(ASSIGN_SCRIPT, given | heads | {"levels": torch.tensor(places.counts)}, tmp_path)
    matched = assign_objects([truth.boxes_xyxy for truth in truths], places, 1.5)
    assert torch.equal(matched, theirs["matched"])
    assert all((matched >= 0)[:, places.strides == stride].any() for stride in (8, 16, 32, 64, 128))
    outputs = FCOSOutputs(
        image_sizes=torch.full((len(counts), 2), 1024),
        class_logits=heads["cls_logits"],
        distances_ltrb=heads["bbox_regression"],
        centerness_logits=heads["bbox_ctrness"][..., 0],
        locations=places,
    )
    losses = FCOSCriterion()(outputs, truths)
    for ours, name in (("class", "classification"), ("box", "bbox_regression"), ("centerness", "bbox_ctrness")):
        torch.testing.assert_close(losses[ours], theirs[name], rtol=1e-5, atol=1e-5)


def test_layout_of_the_published_weights(tmp_path: Path) -> None:
    theirs = run_peer(LAYOUT_SCRIPT, {}, tmp_path)
    with torch.device("meta"):
        models = [fcos_resnet50_fpn(norm="frozen", trainable_layers=layers) for layers in range(6)]
    assert [sum(p.requires_grad for p in model.parameters()) for model in models] == theirs["trainable"].tolist()
    assert sum(p.numel() for p in models[0].parameters()) == theirs["parameters"].item() == 32_269_600
    shapes = {key.removeprefix("shape."): value.tolist() for key, value in theirs.items() if key.startswith("shape.")}
    assert {key: list(value.shape) for key, value in models[0].state_dict().items()} == shapes
