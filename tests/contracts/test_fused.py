"""Every network of the catalog, fused: the plain numbers, and hardly a layer that is not packed."""

from __future__ import annotations

import copy
from dataclasses import replace
from typing import Any

import pytest
import torch

from contracts.fakes import model_of
from contracts.model_inputs import inputs_of
from visus import catalog
from visus.nn.fused.optimize import difference, optimize_network, packed_layers
from visus.nn.fused.packed import PACKED
from visus.nn.model import predict_batch
from visus.systems.detection.roi_heads import RoIHeads

pytestmark = pytest.mark.skipif(not torch.backends.mkldnn.is_available(), reason="this PyTorch has no oneDNN")

QUICK = {
    "maskrcnn_lite0_fpn",
    "fasterrcnn_mobilenet_v3_large_fpn",
    "ssd_lite0",
    "fcos_lite0_fpn",
    "classifier_lite0",
    "resnet18",
    "deeplabv3_lite0",
    "fcn_lite0",
    "segnet_lite0",
    "descriptor_lite0",
}
"""A network of each kind of backbone, neck, head and decoder; the others take minutes together."""
BARE = 0.2
"""The most of a network's layers that may stay plain: those whose weights it reads itself, or that it never calls."""
PLAIN = {"dgcnn": 0.5}
"""Networks of which more stay plain: an edge convolution reads the weights of its layer itself."""


def names() -> list[Any]:
    adapting = {"maml", "reptile"}
    every = sorted(name for name in catalog.MODELS if not any(one in name for one in adapting))
    return [pytest.param(n, marks=() if n in QUICK else pytest.mark.slow) for n in every]


@pytest.mark.parametrize("name", names())
def test_fused_networks_give_the_plain_numbers(name: str) -> None:
    model = copy.deepcopy(model_of(name)).eval()
    for module in model.modules():
        if isinstance(module, RoIHeads):  # a hundred detections, each through the mask and keypoint heads, take minutes
            module.limits = replace(module.limits, count=8)
    inputs = inputs_of(name, model)
    notes: list[str] = []
    fast = optimize_network(model, inputs, on_note=notes.append)
    layers = sum(type(layer) in PACKED for layer in model.modules())
    if fast is model:
        assert notes, "a network that stays plain says why"
        return
    plain, _ = predict_batch(model, inputs)
    found, predictions = predict_batch(fast, inputs)
    assert type(found) is type(plain)
    assert difference(first_tensors(plain), first_tensors(found)) < 1e-4
    assert len(predictions) == len(inputs)
    assert len(packed_layers(fast)) >= (1 - PLAIN.get(name, BARE)) * layers, (
        f"{len(packed_layers(fast))} of {layers} layers are packed"
    )


def first_tensors(outputs: Any) -> list[torch.Tensor]:
    """What a network gives before it chooses among it: of the first field with tensors."""
    for value in vars(outputs).values():
        tensors = [value] if isinstance(value, torch.Tensor) else value if isinstance(value, list) else []
        if tensors and all(torch.is_tensor(one) and one.is_floating_point() for one in tensors):
            return list(tensors)
    raise AssertionError(f"{type(outputs).__name__} holds no tensors")
