"""A small problem that keeps every part of the contract: one coloured square in a noisy image, found and named."""

from __future__ import annotations

from dataclasses import dataclass, replace
from types import SimpleNamespace

import pytest
import torch
from torch import Tensor, nn

from visus.metrics.metric import Measure, Metric
from visus.ops.padding import pad_images
from visus.training.recipe import AugmentRecipe, DataRecipe, FitRecipe, OptimRecipe, Recipe
from visus.types import Batch, ImageBatch, InstancePrediction, InstanceTarget, Sample, Schema

SCHEMA = Schema(categories=("red", "green", "blue"), category_ids=(1, 5, 9))
SIDE = 32


class Squares:
    """Images with one square each."""

    schema = SCHEMA

    def __init__(self, length: int, seed: int) -> None:
        self.length, self.seed = length, seed

    def __len__(self) -> int:
        return self.length

    def size(self, index: int) -> tuple[int, int]:
        return SIDE, SIDE

    def path(self, index: int) -> str:
        return f"square_{self.seed}_{index}.png"

    def __getitem__(self, index: int) -> Sample:
        generator = torch.Generator().manual_seed(self.seed * 1000 + index)
        image = torch.randint(0, 80, (3, SIDE, SIDE), generator=generator, dtype=torch.uint8)
        left, top = torch.randint(0, 16, (2,), generator=generator).tolist()
        label = index % 3
        image[label, top : top + 16, left : left + 16] += 150
        target = InstanceTarget(
            boxes_xyxy=torch.tensor([[left, top, left + 16.0, top + 16.0]]),
            labels=torch.tensor([label]),
            areas=torch.tensor([256.0]),
            is_crowd=torch.tensor([False]),
            size=(SIDE, SIDE),
            image_id=index,
        )
        return Sample(input=image, target=target, path=self.path(index))


class Brighter:
    """A random change, so that a wrong epoch or index shows in the loss."""

    def __call__(self, sample: Sample, generator: torch.Generator) -> Sample:
        gain = 0.7 + 0.3 * torch.rand((), generator=generator)
        return replace(sample, input=(sample.input * gain).to(torch.uint8))


@dataclass(frozen=True)
class Outputs:
    logits: Tensor
    boxes: Tensor


class Padded:
    """Images of one size in one tensor."""

    one_frame = True

    def batch(self, images: list[Tensor]) -> ImageBatch:
        return pad_images(images, 1)

    def frame(self, size: tuple[int, ...]) -> tuple[int, ...]:
        return size


class Finder(nn.Module):
    """Looks at a image once: a batch norm, a dropout and a frozen layer, as real detectors have."""

    channels_last = False
    adapts = False

    def __init__(self, dropout: float = 0.2, norm: bool = True) -> None:
        super().__init__()
        layers = [nn.Conv2d(3, 8, 3, 2, 1), nn.BatchNorm2d(8) if norm else nn.Identity(), nn.ReLU()]
        self.backbone = nn.Sequential(
            *layers, nn.Conv2d(8, 8, 3, 2, 1), nn.ReLU(), nn.AdaptiveAvgPool2d(4), nn.Flatten()
        )
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(128, 3 + 4)
        self.frozen = nn.Linear(1, 1).requires_grad_(False)
        self.transform = Padded()

    def forward(self, images: ImageBatch, targets: list[InstanceTarget] | None = None) -> Outputs:
        found = self.head(self.dropout(self.backbone(images.pixels.float() / 255)))
        return Outputs(logits=found[:, :3], boxes=found[:, 3:])

    def postprocess(self, outputs: Outputs, sizes: list[tuple[int, int]]) -> list[InstancePrediction]:
        scores, labels = outputs.logits.softmax(1).max(1)
        return [
            InstancePrediction(box[None] * SIDE, label[None], score[None], size=size)
            for box, label, score, size in zip(outputs.boxes, labels, scores, sizes, strict=True)
        ]


def criterion(outputs: Outputs, targets: list[InstanceTarget]) -> dict[str, Tensor]:
    labels = torch.cat([target.labels for target in targets])
    boxes = torch.cat([target.boxes_xyxy for target in targets]) / SIDE
    return {
        "class": nn.functional.cross_entropy(outputs.logits, labels),
        "box": nn.functional.smooth_l1_loss(outputs.boxes, boxes),
    }


class Named(Metric):
    """The share of images whose square is named rightly."""

    right: Tensor
    total: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.add_state("right", torch.tensor(0.0), dist_reduce_fx="sum")
        self.add_state("total", torch.tensor(0.0), dist_reduce_fx="sum")

    @property
    def measures(self) -> dict[str, Measure]:
        return {"box AP": Measure(headline=True)}

    def update(self, predictions: list[InstancePrediction], batch: Batch) -> None:
        for prediction, target in zip(predictions, batch.targets, strict=True):
            self.right += (prediction.labels == target.labels).sum()
            self.total += len(target)

    def compute(self) -> dict[str, float]:
        return {"box AP": float(self.right / self.total)}


def make_recipe(**fit: object) -> Recipe:
    settings = {"epochs": 4, "accelerator": "cpu", "seed": 3, **fit}
    return Recipe(
        name="squares",
        model="finder",
        data=DataRecipe(batch_size=8, workers=0, augment=AugmentRecipe(flip=0.0)),
        optim=OptimRecipe(lr=0.05, warmup_steps=2, clip_norm=5.0),
        fit=FitRecipe(**settings),
    )


def make_loaders(recipe: Recipe, train_length: int = 40, val_length: int = 16):
    from visus.data.feed.collate import Collate
    from visus.data.feed.loader import Transformed, make_loader

    train = Transformed(Squares(train_length, seed=1), Brighter(), seed=recipe.fit.seed)
    common = {"collate": Collate(), "batch_size": recipe.data.batch_size, "workers": recipe.data.workers}
    return (
        make_loader(train, shuffle=True, seed=recipe.fit.seed, **common),
        make_loader(Squares(val_length, seed=2), **common),
    )


def make_task(recipe: Recipe, **model: object):
    from visus.training.task import Task

    torch.manual_seed(0)
    return Task(model=Finder(**model), criterion=criterion, metric=Named(), recipe=recipe)


@pytest.fixture
def squares() -> SimpleNamespace:
    """Factories of the small problem."""
    return SimpleNamespace(
        schema=SCHEMA,
        recipe=make_recipe,
        loaders=make_loaders,
        task=make_task,
        finder=Finder,
        dataset=Squares,
        criterion=criterion,
        metric=Named,
    )
