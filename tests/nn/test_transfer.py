"""What a network takes from another: the backbone always, heads where name, shape and kind agree."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from visus.catalog import build_model
from visus.nn.backbones import without_pretrained
from visus.nn.transfer import TransferError, dependent, load_matching, matching, parts
from visus.types import Schema

THREE = Schema(("a", "b", "c"), (1, 2, 3), has_masks=True)
FIVE = Schema(tuple("abcde"), (1, 2, 3, 4, 5), has_masks=True)


def build(name: str, schema: Schema = THREE, **options: object) -> nn.Module:
    with without_pretrained():
        return build_model(name, schema, options)


@pytest.mark.parametrize(
    ("name", "source", "taken", "new"),
    [
        ("fasterrcnn_lite0_fpn", "fasterrcnn_lite0_fpn", ["backbone", "rpn", "roi_heads"], []),
        (
            "maskrcnn_lite0_fpn",
            "fasterrcnn_lite0_fpn",
            ["backbone", "rpn", "roi_heads.box_head", "roi_heads.box_predictor"],
            ["roi_heads.mask_head", "roi_heads.mask_predictor"],
        ),
        ("fasterrcnn_lite0_fpn", "maskrcnn_lite0_fpn", ["backbone", "rpn", "roi_heads"], []),
        ("fasterrcnn_lite0_fpn", "classifier_lite0", ["backbone.body"], ["backbone.fpn", "rpn", "roi_heads"]),
        ("fasterrcnn_lite0_fpn", "fcos_lite0_fpn", ["backbone.body"], ["backbone.fpn", "rpn", "roi_heads"]),
        ("classifier_lite0", "fasterrcnn_lite0_fpn", ["network.features"], ["network.head", "network.classifier"]),
        ("deeplabv3_lite0", "fcn_lite0", ["backbone"], ["classifier"]),
        ("segnet_lite0", "classifier_lite0", ["backbone"], ["classifier"]),
        ("classifier_lite0", "segnet_lite0", ["network.features"], ["network.head", "network.classifier"]),
        ("descriptor_lite0", "descriptor_lite0", ["backbone", "head"], []),
        ("fasterrcnn_lite0_fpn", "descriptor_lite0", ["backbone.body"], ["backbone.fpn", "rpn", "roi_heads"]),
        ("abe2_lite0", "abe2_lite0", ["backbone", "attention", "head"], []),
    ],
)
def test_what_is_taken_and_what_is_new(name: str, source: str, taken: list[str], new: list[str]) -> None:
    model, other = build(name), build(source)
    pairs = matching(model, other)
    rest = [key for key in model.state_dict() if key not in pairs and not key.endswith("num_batches_tracked")]
    assert (parts(pairs, model), parts(rest, model)) == (taken, new)
    before = {key: value.clone() for key, value in model.state_dict().items()}
    load_matching(model, other.state_dict(), pairs)
    after, theirs = model.state_dict(), other.state_dict()
    assert all(torch.equal(after[key], theirs[pairs[key]]) for key in pairs)
    assert all(torch.equal(after[key], before[key]) for key in rest)


def test_other_classes_leave_the_last_layers_out() -> None:
    model, other = build("maskrcnn_lite0_fpn", FIVE), build("maskrcnn_lite0_fpn", THREE)
    pairs = matching(model, other)
    rest = [key for key in model.state_dict() if key not in pairs and not key.endswith("num_batches_tracked")]
    assert parts(rest, model) == ["roi_heads.box_predictor", "roi_heads.mask_predictor.mask_fcn_logits"]
    assert set(dependent(model, other)) == set(rest)
    assert "roi_heads.mask_predictor.conv5_mask.weight" in pairs
    asked = matching(model, model, new=rest)
    assert asked.keys() == pairs.keys()


@pytest.mark.parametrize(
    ("name", "source", "message"),
    [
        ("fasterrcnn_lite0_fpn", "resnet18", "its backbone is a ResNet of other layers than this EfficientNetLite"),
        ("resnet18", "resnet34", "its backbone is a ResNet of other layers"),
        ("descriptor_lite0", "abe2_lite0", "of other layers"),
        ("abe2_lite0", "descriptor_lite0", "of other layers"),
    ],
)
def test_other_backbones_are_refused(name: str, source: str, message: str) -> None:
    with pytest.raises(TransferError, match=message):
        matching(build(name), build(source))


def test_pixels_of_another_range_are_refused() -> None:
    model, other = build("classifier_lite0"), build("classifier_lite0")
    other.network.features.mean = (0.0, 0.0, 0.0)
    with pytest.raises(TransferError, match="expects pixels in another range"):
        matching(model, other)


def test_a_network_without_a_backbone_is_refused() -> None:
    with pytest.raises(TransferError, match="a Linear has no backbone"):
        matching(nn.Linear(2, 2), build("classifier_lite0"))
