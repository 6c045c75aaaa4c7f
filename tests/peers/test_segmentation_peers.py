"""Every builder with torchvision's name gives the same maps as the published one, from the same weights.

The published networks get random weights (batch norms calibrated on the images, so that activations stay of order one),
save them, and run; ours load the file and must agree on both heads, enlarged as theirs are. All in double precision:
fifty random layers magnify the rounding of single precision to 2e-4.
"""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from peer import run_peer

from visus.nn.weights import load_state
from visus.systems.segmentation import PROBLEM
from visus.systems.segmentation.upsampling import enlarge
from visus.types import ImageBatch

pytestmark = pytest.mark.peers

SCRIPT = """
import torch
from torchvision.models import segmentation
torch.manual_seed(0)
model = segmentation.{name}(weights=None, weights_backbone=None, num_classes=5, aux_loss={aux}).double()
for module in model.modules():
    if isinstance(module, torch.nn.BatchNorm2d):
        module.momentum = None
        torch.nn.init.uniform_(module.weight, 0.5, 1.5)
        torch.nn.init.normal_(module.bias, std=0.1)
model.train()
for module in model.modules():
    if isinstance(module, torch.nn.Dropout):
        module.eval()
with torch.no_grad():
    model(torch.cat([inputs["pixels"], torch.randn_like(inputs["pixels"])]))
    found = model.eval()(inputs["pixels"])
outputs = {{"out of " + key: value for key, value in found.items()}}
outputs |= {{"state." + key: value for key, value in model.state_dict().items()}}
"""
BUILDERS = ["fcn_resnet50", "deeplabv3_resnet50", "deeplabv3_mobilenet_v3_large"]


@pytest.mark.parametrize(("size", "aux"), [((65, 97), True), ((96, 64), False)])
@pytest.mark.parametrize("name", BUILDERS)
def test_equal_weights_give_equal_maps(name: str, aux: bool, size: tuple[int, int], tmp_path: Path) -> None:
    pixels = torch.rand(1, 3, *size, generator=torch.Generator().manual_seed(0))
    ours = PROBLEM.models[name](num_classes=5, aux=aux).double().eval()
    normalised = ours.transform(ImageBatch(pixels, torch.tensor([size])))
    theirs = run_peer(SCRIPT.format(name=name, aux=aux), {"pixels": normalised}, tmp_path)
    state = {key.removeprefix("state."): value for key, value in theirs.items() if key.startswith("state.")}
    assert state.keys() == ours.state_dict().keys()
    load_state(ours, state, source="the published network")
    with torch.inference_mode():
        found = ours(ImageBatch(pixels, torch.tensor([size])))
    assert_near(enlarge(found.logits, found.frame), theirs["out of out"])
    if aux:
        assert found.aux_logits is not None
        assert_near(enlarge(found.aux_logits, found.frame), theirs["out of aux"])
    [prediction] = ours.postprocess(found, [size])
    best, labels = theirs["out of out"][0].softmax(0).max(0)
    torch.testing.assert_close(prediction.scores.double(), best, rtol=1e-4, atol=1e-5)
    assert (prediction.labels != labels).float().mean() < 1e-3  # ties within rounding


def assert_near(ours: torch.Tensor, theirs: torch.Tensor) -> None:
    """Both have the same shape and differ by at most 1e-6 of the largest number."""
    assert ours.shape == theirs.shape
    assert (ours - theirs).abs().max().item() <= 1e-6 * theirs.abs().max().item()
