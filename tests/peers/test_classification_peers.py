"""Our classifiers give torchvision's probabilities from its weights, image to classes, preprocessing included."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from peer import run_peer
from torch import Tensor

from visus.data.formats.imagenet_names import IMAGENET_SCHEMA
from visus.nn.backbones.build import BACKBONES
from visus.nn.published import PUBLISHED
from visus.nn.weights import load_state
from visus.systems.classification import PROBLEM
from visus.systems.classification.transforms import CentreCrop
from visus.types import ImageBatch

pytestmark = pytest.mark.peers

# Random statistics for all batch norms; torchvision's own initial values would hide a mistake.
CLASSIFIER = """
import torchvision
torch.manual_seed(0)
model = getattr(torchvision.models, "{name}")(weights=None)
for module in model.modules():
    if isinstance(module, torch.nn.BatchNorm2d):
        for name, low in (("weight", 0.7), ("bias", -0.2), ("running_mean", -0.2), ("running_var", 0.7)):
            getattr(module, name).data.uniform_(low, low + 0.5)
preset = torchvision.models.get_weight("{weights}.IMAGENET1K_V1").transforms()
pixels = preset(inputs["image"])[None]
with torch.no_grad():
    outputs["logits"] = model.eval()(pixels)
outputs["pixels"] = pixels
for key, value in model.state_dict().items():
    outputs["state." + key] = value.clone()
"""
PRESETS = """
import torchvision
weights = torchvision.models.get_weight("ResNet50_Weights.IMAGENET1K_{version}")
for key, image in inputs.items():
    outputs[key] = weights.transforms()(image)
"""
NAMES = """
import torchvision
names = torchvision.models.ResNet50_Weights.IMAGENET1K_V1.meta["categories"]
outputs["names"] = torch.tensor(list("\\n".join(names).encode()))
"""
NETWORKS = {
    "resnet18": "ResNet18_Weights",
    "resnet50": "ResNet50_Weights",
    "vgg16": "VGG16_Weights",
    "mobilenet_v3_large": "MobileNet_V3_Large_Weights",
    "mobilenet_v3_small": "MobileNet_V3_Small_Weights",
}
STEP = 1 / 255 / 0.224
"""One of 255 levels of brightness after normalising; torchvision rounds to levels after resizing and we do not."""


def scene_of(height: int, width: int) -> Tensor:
    """A smooth coloured scene with noise."""
    generator = torch.Generator().manual_seed(height)
    coarse = torch.rand(1, 3, 6, 8, generator=generator) * 200
    scene = torch.nn.functional.interpolate(coarse, size=(height, width), mode="bicubic")[0]
    return (scene + 30 * torch.rand(3, height, width, generator=generator)).clamp(0, 255).to(torch.uint8)


@pytest.mark.parametrize("name", NETWORKS)
def test_from_image_to_logits(name: str, tmp_path: Path) -> None:
    image = scene_of(300, 420)
    results = run_peer(CLASSIFIER.format(name=name, weights=NETWORKS[name]), {"image": image}, tmp_path)
    model = PROBLEM.models[name]()
    state = {key.removeprefix("state."): value for key, value in results.items() if key.startswith("state.")}
    published = {PUBLISHED[name].prefix + key: value for key, value in state.items()}
    load_state(model, published, source="the peer")
    model.eval()
    with torch.no_grad():
        logits = model.network(results["pixels"])
        scale = float(results["logits"].abs().max())
        torch.testing.assert_close(logits, results["logits"], rtol=1e-4, atol=1e-4 * scale)
        batch = model.transform.batch([image])
        assert float((model.transform(batch) - results["pixels"]).abs().max()) < 0.55 * STEP
        whole = model(batch).logits
        rounded = (batch.pixels * 255).round().to(torch.uint8)
        exact = model(ImageBatch(rounded, batch.sizes)).logits
    spread = float(results["logits"].std())
    torch.testing.assert_close(exact, results["logits"], rtol=1e-3, atol=1e-2 * spread)
    assert float((whole - results["logits"]).abs().max()) < 0.25 * spread


@pytest.mark.parametrize(("version", "resize"), [("V1", 256), ("V2", 232)])
def test_presets(version: str, resize: int, tmp_path: Path) -> None:
    sizes = [(300, 420), (481, 333), (224, 224), (100, 90), (375, 500), (513, 257)]
    images = {f"{h}x{w}": scene_of(h, w) for h, w in sizes}
    results = run_peer(PRESETS.format(version=version), images, tmp_path)
    transform = CentreCrop(size=224, body=BACKBONES["resnet18"](num_classes=None).body, resize=resize)
    for key, image in images.items():
        found = transform(transform.batch([image]))[0]
        assert float((found - results[key]).abs().max()) < 0.55 * STEP, key


def test_names(tmp_path: Path) -> None:
    results = run_peer(NAMES, {"x": torch.zeros(1)}, tmp_path)
    assert bytes(results["names"].tolist()).decode().split("\n") == list(IMAGENET_SCHEMA.categories)
