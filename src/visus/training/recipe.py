"""A recipe: everything that decides a training run, as frozen dataclasses that check themselves.

A variant is ``dataclasses.replace``; the command line sets single fields (``--optim.lr 0.01``). A run's folder keeps it
as JSON. Nothing here imports the training engine.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields, is_dataclass
from pathlib import Path
from typing import Literal, get_args

from visus.data.entry import Void
from visus.dataclass_json import WrongKindError, from_json, to_json
from visus.errors import VisusError

Option = bool | int | float | str


class RecipeError(VisusError, ValueError):
    """A recipe asks for something that cannot be; the message names the field, its value and what is allowed."""


def _require(holds: bool, name: str, value: object, allowed: str) -> None:
    if not holds:
        raise RecipeError(f"{name} must be {allowed}, not {value!r}.")


@dataclass(frozen=True, kw_only=True)
class AugmentRecipe:
    """How training images are changed at random.

    Args:
        kind: name of an entry of visus.data.augment.AUGMENTATIONS: ``warp`` scales, moves, turns and mirrors in one
            map; ``ssd`` is the augmentation of SSD (colours, zoom out, a crop that keeps a drawn IoU with some object),
            of which flip and size are taken; ``none`` changes nothing.
        size: rows and columns of the canvas every image is drawn on; None keeps each image's own size.
        flip: probability of a mirrored image.
        scale: smallest and largest zoom, 1 being the image as it fits.
        stretch: largest factor by which the ratio of width to height changes.
        translate: largest shift, as a share of the canvas.
        rotate: largest rotation, in degrees.
        colour: strength of the changes of brightness, contrast, saturation and hue, 0 to 1.
        mixup: alpha of mixup, by which a classifier's batches blend images; 0 blends none.
        cutmix: alpha of CutMix, by which they get pieces of one another; 0 cuts none.
        options: further arguments of the augmentation, by name.
    """

    kind: str = "warp"
    size: tuple[int, int] | None = None
    flip: float = 0.5
    scale: tuple[float, float] = (1.0, 1.0)
    stretch: float = 1.0
    translate: float = 0.0
    rotate: float = 0.0
    colour: float = 0.0
    mixup: float = 0.0
    cutmix: float = 0.0
    options: dict[str, Option] = field(default_factory=dict)

    def __post_init__(self) -> None:
        _require(bool(self.kind), "data.augment.kind", self.kind, "the name of an augmentation")
        sides = self.size is None or min(self.size) >= 1
        _require(sides, "data.augment.size", self.size, "rows and columns of at least 1, or None (keep the size)")
        _require(self.stretch >= 1, "data.augment.stretch", self.stretch, "a factor of at least 1")
        _require(0 <= self.flip <= 1, "data.augment.flip", self.flip, "a probability from 0 to 1")
        low, high = self.scale
        _require(0 < low <= high, "data.augment.scale", self.scale, "two numbers above 0, the smaller one first")
        _require(0 <= self.translate <= 1, "data.augment.translate", self.translate, "a share from 0 to 1")
        _require(0 <= self.rotate <= 180, "data.augment.rotate", self.rotate, "an angle from 0 to 180 degrees")
        _require(0 <= self.colour <= 1, "data.augment.colour", self.colour, "a strength from 0 to 1")
        for name in ("mixup", "cutmix"):
            _require(getattr(self, name) >= 0, f"data.augment.{name}", getattr(self, name), "at least 0")


@dataclass(frozen=True, kw_only=True)
class EpisodeRecipe:
    """The tasks of few-shot learning, where ``data.batches`` is ``episodes``: n_way classes, k_shot images of each.

    A batch of ``data.batch_size`` episodes is learned from at a time. Training may have other tasks than the test.

    Args:
        n_way: classes of a task.
        k_shot: labelled images of each.
        queries: images of each class whose class is asked for.
        train_way: classes of a training task; 0 for as many as in the test.
        train_shot: labelled images of each there; 0 for as many as in the test.
        train_queries: images of each class that is asked for there; 0 for as many as in the test.
        per_epoch: training tasks of an epoch.
        measured: tasks that are measured on, always the same.
    """

    n_way: int = 5
    k_shot: int = 1
    queries: int = 15
    train_way: int = 0
    train_shot: int = 0
    train_queries: int = 0
    per_epoch: int = 1000
    measured: int = 600

    def __post_init__(self) -> None:
        for name, least in (("n_way", 2), ("k_shot", 1), ("queries", 1), ("per_epoch", 1), ("measured", 1)):
            _require(getattr(self, name) >= least, f"data.episodes.{name}", getattr(self, name), f"at least {least}")
        for name, least in (("train_way", 2), ("train_shot", 1), ("train_queries", 1)):
            value = getattr(self, name)
            _require(value == 0 or value >= least, f"data.episodes.{name}", value, f"at least {least}, or 0")


@dataclass(frozen=True, kw_only=True)
class DataRecipe:
    """Which images, and how they are fed.

    Args:
        dataset: name of an entry of visus.catalog.DATASETS.
        root: folder of the data set; empty for generated data.
        train: name of the split that is learned from.
        val: name of the split that is measured on.
        void: what 255 means in masks of classes where no class has this number: auto (the pixel does not count; an
            error where it can only be meant as a class), 255 (it does not count) or none (the second of two classes).
        train_length: use only this many training images, or tasks of few-shot learning; all when None.
        val_length: use only this many validation images or tasks; all when None.
        batch_size: images or tasks in a batch, on each device.
        batches: how a training batch is put together: images as they come, or for metric learning by their classes:
            images_per_class of each of some classes, pairs (a pair of each class), lifted (random positive pairs and
            negatives of theirs) or super_classes (classes of few super-classes); or of episodes, tasks of few-shot
            learning, in training and in validation.
        images_per_class: images of each class in a batch of classes or super_classes.
        episodes: the tasks that batches of episodes consist of.
        skip_bad: read every image once before the training, and leave out those that cannot be read.
        workers: processes that prepare images; 0 prepares them in the training process, -1 chooses by the machine.
        augment: how training images are changed at random.
    """

    dataset: str = "vignettes"
    root: str = ""
    train: str = "train"
    val: str = "val"
    void: Void = "auto"
    train_length: int | None = None
    val_length: int | None = None
    batch_size: int = 8
    batches: Literal["shuffled", "classes", "pairs", "lifted", "super_classes", "episodes"] = "shuffled"
    images_per_class: int = 4
    episodes: EpisodeRecipe = field(default_factory=EpisodeRecipe)
    skip_bad: bool = False
    workers: int = -1
    augment: AugmentRecipe = field(default_factory=AugmentRecipe)

    def __post_init__(self) -> None:
        _require(bool(self.dataset), "data.dataset", self.dataset, "the name of a data set")
        _require(bool(self.train), "data.train", self.train, "the name of a split")
        _require(bool(self.val), "data.val", self.val, "the name of a split")
        _require(self.void in get_args(Void), "data.void", self.void, f"one of {', '.join(get_args(Void))}")
        for name in ("train_length", "val_length"):
            value = getattr(self, name)
            _require(value is None or value >= 1, f"data.{name}", value, "at least 1, or None for all")
        _require(self.batch_size >= 1, "data.batch_size", self.batch_size, "at least 1")
        kinds = ("shuffled", "classes", "pairs", "lifted", "super_classes", "episodes")
        _require(self.batches in kinds, "data.batches", self.batches, f"one of {', '.join(kinds)}")
        _require(self.images_per_class >= 1, "data.images_per_class", self.images_per_class, "at least 1")
        _require(self.workers >= -1, "data.workers", self.workers, "at least 0, or -1 to choose by the machine")


@dataclass(frozen=True, kw_only=True)
class OptimRecipe:
    """The optimiser and its learning rate over time.

    The rate of a step is lr * warm-up * schedule: the warm-up rises linearly over warmup_steps (and is over, at
    the latest, when a tenth of the run is done), the schedule falls with the share of the run that is done.

    Args:
        name: stochastic gradient descent with momentum, AdamW, RMSprop, or a learned optimiser.
        lr: learning rate after the warm-up; a learned optimiser has its own and takes the schedule alone.
        weight_decay: decay of weights; norms and biases never decay.
        momentum: momentum of SGD and of RMSprop, beta1 of AdamW.
        schedule: cosine to zero, steps down at milestones, poly (a power of what is left of the run), or constant.
        warmup_steps: optimiser steps of the linear warm-up, from a thousandth.
        milestones: epochs at which the step schedule multiplies the rate by gamma.
        gamma: factor of the step schedule.
        power: exponent of the poly schedule.
        clip_norm: largest norm of the gradient; None does not clip.
        lr_factors: factors on the learning rate of the parameters below a module of that name, such as
            {"backbone": 0.1}; "criterion" names those of the losses (proxies, borders).
        weights: the run of the learned optimiser, which `visus train learned-optimizer` wrote.
    """

    name: Literal["sgd", "adamw", "rmsprop", "learned"] = "sgd"
    lr: float = 0.01
    weight_decay: float = 1e-4
    momentum: float = 0.9
    schedule: Literal["cosine", "step", "poly", "constant"] = "cosine"
    warmup_steps: int = 100
    milestones: tuple[int, ...] = ()
    gamma: float = 0.1
    power: float = 0.9
    clip_norm: float | None = None
    lr_factors: dict[str, float] = field(default_factory=dict)
    weights: str = ""

    def __post_init__(self) -> None:
        names = ("sgd", "adamw", "rmsprop", "learned")
        _require(self.name in names, "optim.name", self.name, "'sgd', 'adamw', 'rmsprop' or 'learned'")
        wanted = "the run of a learned optimiser, as optim.name is 'learned'"
        _require(self.name != "learned" or bool(self.weights), "optim.weights", self.weights, wanted)
        _require(self.name == "learned" or not self.weights, "optim.weights", self.weights, "empty for this optim.name")
        _require(0 < self.lr < float("inf"), "optim.lr", self.lr, "above 0")
        _require(self.weight_decay >= 0, "optim.weight_decay", self.weight_decay, "at least 0")
        _require(0 <= self.momentum < 1, "optim.momentum", self.momentum, "from 0 to below 1")
        schedules = ("cosine", "step", "poly", "constant")
        _require(self.schedule in schedules, "optim.schedule", self.schedule, f"one of {', '.join(schedules)}")
        _require(self.warmup_steps >= 0, "optim.warmup_steps", self.warmup_steps, "at least 0")
        rising = all(a < b for a, b in zip((0, *self.milestones), self.milestones, strict=False))
        _require(rising, "optim.milestones", self.milestones, "rising epochs from 1")
        _require(
            self.schedule != "step" or bool(self.milestones),
            "optim.milestones",
            self.milestones,
            "at least one epoch, as optim.schedule is 'step'",
        )
        _require(0 < self.gamma <= 1, "optim.gamma", self.gamma, "above 0 and at most 1")
        _require(self.clip_norm is None or self.clip_norm > 0, "optim.clip_norm", self.clip_norm, "above 0, or None")
        _require(self.power > 0, "optim.power", self.power, "above 0")
        for part, factor in self.lr_factors.items():
            _require(factor >= 0, f"optim.lr_factors[{part!r}]", factor, "at least 0")


@dataclass(frozen=True, kw_only=True)
class FitRecipe:
    """How long, on what, and how the best weights are chosen.

    Args:
        epochs: passes over the training split.
        max_steps: stop after this many optimiser steps.
        max_minutes: stop in time for this wall clock limit, validation and resumed parts included; the learning rate
            schedule runs by the clock where the clock is the tighter limit, so that it always reaches its end.
        accumulate: batches whose gradients make one optimiser step.
        precision: float32, or bfloat16 for what tolerates it; auto tries on a CPU that multiplies bfloat16 which of
            the two is faster, where a training is longer than a minute, and is float32 everywhere else. The recipe of
            a run says what was taken.
        ema_decay: decay of the running average of the weights that is validated and saved; None keeps none.
        early_stop_patience: validations without improvement after which to stop; None never stops early.
        monitor: the measure that picks the best weights, the smallest value where smaller is better; empty takes the
            first headline of the metric.
        accelerator: kind of device; auto takes a GPU where there is one.
        devices: processes on this machine, one a device.
        nodes: machines.
        strategy: how several processes share the work: each keeps all weights (ddp), or each keeps a part of the
            weights, the gradients and the optimiser's moments, which takes less memory and more time (fsdp2).
        seed: seed of everything random.
        val_every_epochs: epochs from validation to validation; the last epoch is always validated.
        logger: where curves are recorded beside the run's own files: TensorBoard, Weights & Biases, MLflow, or nowhere.
        log_every_steps: optimiser steps from record to record in the logger, at most; the first records are closer.
        save_every_minutes: minutes from checkpoint to checkpoint inside an epoch; each epoch's end writes one as well.
    """

    epochs: int = 12
    max_steps: int | None = None
    max_minutes: float | None = None
    accumulate: int = 1
    precision: Literal["auto", "32", "bf16"] = "auto"
    ema_decay: float | None = None
    early_stop_patience: int | None = None
    monitor: str = ""
    accelerator: Literal["auto", "cpu", "cuda", "mps"] = "auto"
    devices: int = 1
    nodes: int = 1
    strategy: Literal["ddp", "fsdp2"] = "ddp"
    seed: int = 0
    val_every_epochs: int = 1
    logger: Literal["tensorboard", "wandb", "mlflow", "none"] = "tensorboard"
    log_every_steps: int = 20
    save_every_minutes: float = 10.0

    def __post_init__(self) -> None:
        for name in ("epochs", "accumulate", "devices", "nodes", "val_every_epochs", "log_every_steps"):
            _require(getattr(self, name) >= 1, f"fit.{name}", getattr(self, name), "at least 1")
        for name in ("max_steps", "early_stop_patience"):
            value = getattr(self, name)
            _require(value is None or value >= 1, f"fit.{name}", value, "at least 1, or None")
        minutes = self.max_minutes
        _require(minutes is None or minutes > 0, "fit.max_minutes", minutes, "above 0, or None")
        _require(self.precision in ("auto", "32", "bf16"), "fit.precision", self.precision, "'auto', '32' or 'bf16'")
        decay = self.ema_decay
        _require(decay is None or 0 < decay < 1, "fit.ema_decay", decay, "between 0 and 1, or None")
        kinds = ("auto", "cpu", "cuda", "mps")
        _require(self.accelerator in kinds, "fit.accelerator", self.accelerator, f"one of {', '.join(kinds)}")
        _require(self.strategy in ("ddp", "fsdp2"), "fit.strategy", self.strategy, "'ddp' or 'fsdp2'")
        records = ("tensorboard", "wandb", "mlflow", "none")
        _require(self.logger in records, "fit.logger", self.logger, f"one of {', '.join(records)}")
        _require(0 <= self.seed < 2**31, "fit.seed", self.seed, "from 0 to 2147483647")
        _require(self.save_every_minutes > 0, "fit.save_every_minutes", self.save_every_minutes, "above 0")


@dataclass(frozen=True, kw_only=True)
class OwnRecipe:
    """Parts of your own, FILE.py:NAME or MODULE:NAME; recorded by name, so that a run's JSON alone cannot repeat it.

    Args:
        data: what is learned from: samples by number and a schema, such as a visus.data.ListDataset, or what makes it.
        val: what is measured on then; empty holds a fifth of the data out.
        loss: loss(outputs, targets) gives a scalar tensor or named ones; of a class an object is made.
        augment: augment(sample, generator) gives the changed sample; of a class an object is made.
        backbone: a visus.nn.backbones.Backbone, or a class or function that makes one.
    """

    data: str = ""
    val: str = ""
    loss: str = ""
    augment: str = ""
    backbone: str = ""


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """One training run: what is learned, from what, and how.

    Args:
        name: name of the recipe; its runs are called by it.
        model: name of an entry of visus.catalog.MODELS.
        model_options: named numbers for the model's builder, beyond what the data set decides.
        own: parts of your own in place of what the catalog has, each FILE.py:NAME or MODULE:NAME.
        init: the run or published weights that the weights start from as far as they fit; empty: as the model says.
        loss: name of an entry of visus.catalog.LOSSES, where the problem leaves a choice; empty takes the usual one.
        loss_options: named numbers for the loss.
        metric: what the problem measures by, where it leaves a choice; empty takes the usual one.
        data: which images, and how they are fed.
        optim: the optimiser and its learning rate over time.
        fit: how long, on what, and how the best weights are chosen.
        about: what was chosen for the data, and why; shown when a training starts.
    """

    name: str
    model: str
    model_options: dict[str, Option] = field(default_factory=dict)
    init: str = ""
    own: OwnRecipe = field(default_factory=OwnRecipe)
    loss: str = ""
    loss_options: dict[str, Option] = field(default_factory=dict)
    metric: str = ""
    data: DataRecipe = field(default_factory=DataRecipe)
    optim: OptimRecipe = field(default_factory=OptimRecipe)
    fit: FitRecipe = field(default_factory=FitRecipe)
    about: str = ""

    def __post_init__(self) -> None:
        _require(bool(self.name) and "/" not in self.name, "name", self.name, "a name without a slash")
        _require(bool(self.model), "model", self.model, "the name of a model")

    def to_json(self) -> str:
        """The recipe as indented JSON text."""
        return to_json(self, indent=2) + "\n"

    @classmethod
    def from_json(cls, text: str) -> Recipe:
        """The recipe that `to_json` wrote.

        Raises:
            RecipeError: for a key that no recipe has, a missing one or a value of the wrong kind.
        """
        try:
            return from_json(cls, text, what="the recipe")
        except RecipeError:
            raise
        except WrongKindError as error:
            raise RecipeError(str(error)) from error

    @classmethod
    def from_file(cls, file: Path) -> Recipe:
        """The recipe in a JSON file.

        Raises:
            RecipeError: as `from_json`, or the file is no text; the message names it.
        """
        try:
            return cls.from_json(file.read_text(encoding="utf-8"))
        except UnicodeDecodeError as error:
            raise RecipeError(f"{file}: no recipe, as it is no text ({error.reason} at byte {error.start})") from error
        except RecipeError as error:
            raise RecipeError(f"{file}: {error}") from error


def differences(one: Recipe, other: Recipe) -> set[str]:
    """The settings in which two recipes differ, such as "optim.lr"; a precision left open ("auto") is that of both."""
    ours, theirs = settings(one), settings(other)
    same = {"about", *(["fit.precision"] if "auto" in (one.fit.precision, other.fit.precision) else [])}
    return {name for name in ours.keys() | theirs.keys() if ours.get(name) != theirs.get(name)} - same


def settings(recipe: Recipe) -> dict[str, object]:
    """The fields of a recipe by their dotted names, those of the augmentation included."""
    found: dict[str, object] = {}
    waiting: list[tuple[str, object]] = [(field.name, getattr(recipe, field.name)) for field in fields(recipe)]
    while waiting:
        name, value = waiting.pop()
        if is_dataclass(value):
            waiting += [(f"{name}.{field.name}", getattr(value, field.name)) for field in fields(value)]
        else:
            found[name] = value
    return found
