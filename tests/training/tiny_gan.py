"""A problem with two optimisers and a measure that counts down: a tiny GAN that learns the colours of drawn objects."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from PIL import Image
from torch import Tensor, nn
from torch.nn import functional as F

from visus.metrics.metric import Measure, Metric
from visus.nn.square import SquareTransform
from visus.problem import Architecture, Problem
from visus.training.optim import build_optimizer
from visus.training.recipe import AugmentRecipe, DataRecipe, FitRecipe, OptimRecipe, Recipe
from visus.training.update import Round, frozen
from visus.types import Batch, ClassTarget, ImageBatch

SIDE, NOISE = 8, 4


@dataclass(frozen=True)
class Generated:
    """An image in 0..1 that a network made, [3, SIDE, SIDE], for a frame of ``size``."""

    image: Tensor
    size: tuple[int, int]

    def to(self, device: torch.device | str) -> Generated:
        return replace(self, image=self.image.to(device))


@dataclass(frozen=True)
class GANOutputs:
    """What the discriminator says of real and of made images, and the made ones."""

    real_logits: Tensor
    fake_logits: Tensor
    fakes: Tensor


class TinyGAN(nn.Module):
    """Noise to images of 8 x 8, and a judge of them."""

    channels_last = False
    adapts = False

    def __init__(self) -> None:
        super().__init__()
        self.transform = SquareTransform(size=SIDE, mean=(0.5,) * 3, std=(0.5,) * 3)
        self.generator = nn.Sequential(nn.Linear(NOISE, 32), nn.ReLU(), nn.Linear(32, 3 * SIDE * SIDE), nn.Tanh())
        self.discriminator = nn.Sequential(nn.Flatten(), nn.Linear(3 * SIDE * SIDE, 32), nn.ReLU(), nn.Linear(32, 1))

    def forward(self, images: ImageBatch, targets: Sequence[ClassTarget] | None = None) -> GANOutputs:
        fakes = self.fakes(len(images))
        return GANOutputs(self.discriminator(self.transform(images)), self.discriminator(fakes), fakes)

    def fakes(self, count: int) -> Tensor:
        return self.generator(torch.randn(count, NOISE)).view(count, 3, SIDE, SIDE)

    def postprocess(self, outputs: GANOutputs, sizes: Sequence[tuple[int, int]]) -> list[Generated]:
        return [Generated(fake / 2 + 0.5, size) for fake, size in zip(outputs.fakes.detach(), sizes, strict=True)]


def tiny_gan() -> TinyGAN:
    """A tiny GAN."""
    return TinyGAN()


@dataclass(frozen=True)
class GANCriterion:
    """The two losses of Goodfellow et al., arXiv 1406.2661, the generator's in its non-saturating form."""

    def __call__(self, outputs: GANOutputs, targets: Sequence[ClassTarget]) -> dict[str, Tensor]:
        return {"discriminator": judge_loss(outputs), "generator": F.softplus(-outputs.fake_logits).mean()}


def judge_loss(outputs: GANOutputs) -> Tensor:
    return F.softplus(-outputs.real_logits).mean() + F.softplus(outputs.fake_logits).mean()


class Alternating:
    """First the discriminator, then the generator, on the same batch."""

    def __init__(self, model: TinyGAN, criterion: GANCriterion, recipe: Recipe) -> None:
        self.model, self.recipe = model, recipe.optim

    def optimizers(self) -> Sequence[torch.optim.Optimizer]:
        self.judging, self.making = (
            build_optimizer(part, self.recipe) for part in (self.model.discriminator, self.model.generator)
        )
        return [self.judging, self.making]

    def round(self, step: Round) -> None:
        images = step.batch.inputs
        with frozen(self.model.generator):
            step.backward({"discriminator": judge_loss(self.model(images))})
        step.descend(self.judging)
        with frozen(self.model.discriminator):
            logits = self.model.discriminator(self.model.fakes(len(images)))
            step.backward({"generator": F.softplus(-logits).mean()})
        step.descend(self.making)


class ColourDistance(Metric):
    """The distance between the mean colours of made and of real images, in levels of 0..255."""

    def __init__(self) -> None:
        super().__init__()
        self.made: list[Tensor] = []
        self.real: list[Tensor] = []

    @property
    def measures(self) -> Mapping[str, Measure]:
        return {"colour distance": Measure(unit="number", smaller_is_better=True, headline=True)}

    def update(self, predictions: Sequence[Generated], batch: Batch) -> None:
        self.made += [prediction.image.mean((1, 2)) for prediction in predictions]
        pixels = batch.inputs.pixels
        self.real += list((pixels / 255 if pixels.dtype == torch.uint8 else pixels).mean((2, 3)))

    def compute(self) -> dict[str, float]:
        made, real = torch.stack(self.made).mean(0), torch.stack(self.real).mean(0)
        return {"colour distance": 255 * float((made - real).norm())}

    def reset(self) -> None:
        super().reset()
        self.made, self.real = [], []


PROBLEM = Problem(
    name="tiny_generation",
    targets=(ClassTarget,),
    architectures=(Architecture({"tiny_gan": tiny_gan}, {"gan": GANCriterion}),),
    metric=lambda model, recipe, schema: ColourDistance(),
    update=Alternating,
)


def recipe() -> Recipe:
    """The tiny GAN on drawn objects."""
    return Recipe(
        name="tiny_gan",
        model="tiny_gan",
        data=DataRecipe(
            dataset="vignettes_objects",
            train_length=32,
            val_length=8,
            batch_size=8,
            workers=0,
            augment=AugmentRecipe(size=(32, 32)),
        ),
        optim=OptimRecipe(name="adamw", lr=5e-3, momentum=0.5, weight_decay=0.0, warmup_steps=0, schedule="constant"),
        fit=FitRecipe(epochs=3, accelerator="cpu"),
    )


def draw_generated(picture: Image.Image, shown: Generated, schema: Any, style: Any) -> Image.Image:
    """The made image, enlarged."""
    made = (255 * shown.image.clamp(0, 1)).round().to(torch.uint8).permute(1, 2, 0).contiguous().numpy()
    return Image.fromarray(made).resize(picture.size)


def closeness(prediction: Generated, target: ClassTarget) -> float:
    """How bright a made image is: something to rank it by."""
    return float(prediction.image.mean())
