"""A step of training against torchvision: Faster and Mask R-CNN with ResNet-50 and a pyramid, two images of 480 x 640.

Run ``python benchmarks/training_step.py``. Forward, all losses, backward and a step of SGD with momentum, eight objects
an image; as is usual, the stem and the first stage do not learn and norms are frozen. The peer computes in float32,
ours in float32, and under autocast in bfloat16, with the memory kept as under the command line.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from interleaved import Cases, run
from torch import Tensor, nn

SIZE, IMAGES, OBJECTS = (480, 640), 2, 8
SIZES = {"image": SIZE, "batch": IMAGES, "objects an image": OBJECTS}
NETWORKS = ("fasterrcnn_resnet50_fpn", "maskrcnn_resnet50_fpn")
CASES = [(network, half) for network in NETWORKS for half in (False, True)]


def title(network: str, half: bool) -> str:
    return f"{network}, {'bf16' if half else 'fp32'}"


def ours() -> Cases:
    from visus import keep_memory

    keep_memory()  # as the command line does
    return {title(*case): our_step(*case) for case in CASES}


def theirs() -> Cases:
    steps = {network: their_step(network) for network in NETWORKS}
    return {title(network, half): steps[network] for network, half in CASES}


def our_step(network: str, half: bool) -> Callable[[], object]:
    from visus import catalog
    from visus.training.numbers import in_float32
    from visus.types import InstanceTarget

    torch.manual_seed(0)
    model: Any = catalog.MODELS[network](norm="frozen", trainable_layers=3, min_size=SIZE[0], max_size=SIZE[1])
    model = model.train().to(memory_format=torch.channels_last)
    (loss,) = next(a for a in catalog.problem_of(network).architectures if network in a.models).losses.values()
    criterion, optimizer = loss(), optimizer_of(model)
    images, boxes, labels, masks = scene()
    targets = [
        InstanceTarget(
            boxes_xyxy=some,
            labels=of - 1,
            areas=(some[:, 2:] - some[:, :2]).prod(dim=1),
            is_crowd=torch.zeros(OBJECTS, dtype=torch.bool),
            size=SIZE,
            masks=outlines.bool() if "mask" in network else None,
        )
        for some, of, outlines in zip(boxes, labels, masks, strict=True)
    ]

    def step() -> None:
        batch = model.transform.batch(images)
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=half):
            outputs = model(batch, targets)
        losses = criterion(in_float32(outputs, except_fields=("features",)), targets)
        torch.stack(list(losses.values())).sum().backward()
        optimizer.step()
        optimizer.zero_grad()
        torch.clear_autocast_cache()

    return step


def their_step(network: str) -> Callable[[], object]:
    import torchvision

    torch.manual_seed(0)
    make = getattr(torchvision.models.detection, network)
    model = make(weights=None, weights_backbone=None, min_size=SIZE[0], max_size=SIZE[1]).train()
    freeze_norms(model, torchvision.ops.misc.FrozenBatchNorm2d)
    body = model.backbone.body
    for part in (body.conv1, body.layer1):
        part.requires_grad_(False)
    optimizer = optimizer_of(model)
    images, boxes, labels, masks = scene()
    targets = [
        {"boxes": some, "labels": of, "masks": outlines}
        for some, of, outlines in zip(boxes, labels, masks, strict=True)
    ]
    if "mask" not in network:
        targets = [{name: value for name, value in one.items() if name != "masks"} for one in targets]

    def step() -> None:
        losses = model([image.float() / 255 for image in images], targets)
        sum(losses.values()).backward()
        optimizer.step()
        optimizer.zero_grad()

    return step


def freeze_norms(module: nn.Module, frozen: type[nn.Module]) -> None:
    for name, child in module.named_children():
        if isinstance(child, nn.BatchNorm2d):
            setattr(module, name, frozen(child.num_features))
        else:
            freeze_norms(child, frozen)


def optimizer_of(model: nn.Module) -> torch.optim.Optimizer:
    return torch.optim.SGD([p for p in model.parameters() if p.requires_grad], lr=1e-5, momentum=0.9)


def scene() -> tuple[list[Tensor], list[Tensor], list[Tensor], list[Tensor]]:
    """Images, boxes, labels from 1 on, and masks that fill the boxes."""
    generator = torch.Generator().manual_seed(0)
    images, boxes, labels, masks = [], [], [], []
    height, width = SIZE
    for _ in range(IMAGES):
        images.append(torch.randint(0, 256, (3, *SIZE), dtype=torch.uint8, generator=generator))
        sides = 32 * (240 / 32) ** torch.rand(OBJECTS, 2, generator=generator)
        corner = torch.rand(OBJECTS, 2, generator=generator) * (torch.tensor([width, height]) - sides)
        found = torch.cat([corner, corner + sides], dim=1)
        boxes.append(found)
        labels.append(torch.randint(1, 91, (OBJECTS,), generator=generator))
        outlines = torch.zeros(OBJECTS, height, width, dtype=torch.uint8)
        for outline, (left, top, right, bottom) in zip(outlines, found.round().int().tolist(), strict=True):
            outline[top:bottom, left:right] = 1
        masks.append(outlines)
    return images, boxes, labels, masks


if __name__ == "__main__":
    run(__file__, ours, theirs, SIZES)
