"""From a recipe's data to loaders that feed a model."""

from __future__ import annotations

import copy
import inspect
import shlex
from dataclasses import fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from visus.training.recipe import AugmentRecipe, DataRecipe, Recipe, RecipeError

if TYPE_CHECKING:
    from torch import nn
    from torch.utils.data import DataLoader

    from visus.data.augment import Mirror
    from visus.data.errors import DatasetNotFoundError
    from visus.data.feed.loader import SampleDataset, Transform
    from visus.problem import Problem
    from visus.types import Batch, Schema


def open_split(recipe: Recipe, part: str) -> SampleDataset:
    """The ``train`` or the ``val`` split of a recipe's data, as short as the recipe wants it."""
    from visus.data.datasets import DATASETS
    from visus.data.errors import DatasetNotFoundError
    from visus.names import find

    data, training = recipe.data, part == "train"
    entry = find(DATASETS, data.dataset, "data set").with_void(data.void)
    if not data.root and entry.write_fake is not None:  # generated data has no folder
        raise RecipeError(f"data.root is empty, but {data.dataset} needs the folder of the data: --data.root FOLDER")
    try:
        dataset = entry.open(Path(data.root), data.train if training else data.val, for_training=training)
    except DatasetNotFoundError as error:
        raise _in_another_layout(data, error) from error
    length = data.train_length if training else data.val_length
    return _episodes(recipe, dataset, training) if data.batches == "episodes" else shortened(dataset, length)


def _episodes(recipe: Recipe, dataset: SampleDataset, training: bool) -> SampleDataset:
    """The tasks of few-shot learning that a recipe asks for; those that are measured on are always the same."""
    from visus.data.feed.episodes import Episodes

    asked = recipe.data.episodes
    count, most = (asked.per_epoch, recipe.data.train_length) if training else (asked.measured, recipe.data.val_length)
    return Episodes(
        dataset,
        n_way=(training and asked.train_way) or asked.n_way,
        k_shot=(training and asked.train_shot) or asked.k_shot,
        queries=(training and asked.train_queries) or asked.queries,
        count=count if most is None else min(count, most),
        seed=recipe.fit.seed + 1 if training else 0,
    )


def shortened(dataset: SampleDataset, length: int | None) -> SampleDataset:
    """The first ``length`` samples; all of them where that is None."""
    from visus.data.records.chosen import chosen

    return dataset if length is None else chosen(dataset, range(min(length, len(dataset))))


def _in_another_layout(data: DataRecipe, error: DatasetNotFoundError) -> DatasetNotFoundError:
    """The error to raise over a folder without the data set that the recipe names: which one it holds instead."""
    from visus.data.recognise import find_dataset

    try:
        layout, place = find_dataset(Path(data.root))
    except FileNotFoundError:
        return error
    if layout == data.dataset:  # a split is missing
        return error
    return type(error)(
        f"{data.root}: this is {layout}, not {data.dataset}; add --data.dataset {layout} --data.root {place}"
    )


def open_dataset(name_or_folder: str | Path, split: str = "train", *, root: str | Path | None = None) -> SampleDataset:
    """Opens a data set to look at: ``dataset[i]`` is a sample, ``dataset.schema`` says what its numbers mean.

    Args:
        name_or_folder: a name of ``visus list datasets``, or a folder in a layout that is recognised.
        split: "train", "val" or "test".
        root: the folder of a named data set; none for generated data.

    Raises:
        ValueError: there is no such data set or split.
        DatasetNotFoundError: the folder holds no data set of a known layout.
    """
    from visus.data.datasets import DATASETS
    from visus.data.recognise import open_folder
    from visus.names import find

    if root is None and str(name_or_folder) not in DATASETS:
        return open_folder(Path(name_or_folder), split)
    entry = find(DATASETS, str(name_or_folder), "data set")
    return entry.open(Path(root or ""), split, for_training=False)


def check_recipe(
    recipe: Recipe, problem: Problem, dataset: SampleDataset, own_augment: Transform | None = None
) -> None:
    """Refuses what would train without a word about what it does not do.

    An augmentation of somebody's own, which takes the place of the recipe's, is tried on the first sample.

    Raises:
        RecipeError: the data has other targets than the model learns from, an option of the augmentation is set that
            nothing reads, or the augmentation does not know such targets.
    """
    import torch

    from visus.names import UnknownNameError
    from visus.types import NoRowError

    first = dataset[0]
    kind = type(first.target)
    if kind not in problem.targets:
        wanted = " or ".join(target.__name__ for target in problem.targets)
        raise RecipeError(
            f"{recipe.model} ({problem.name}) learns from {wanted}, but {recipe.data.dataset} {recipe.data.root} has "
            f"{kind.__name__}: choose another model, or data that is annotated for it"
        )
    _require_inputs(recipe, problem, type(first.input))
    if own_augment is not None:
        _require_sample(own_augment(first, torch.Generator()), own_augment)
        return
    asked = recipe.data.augment
    read = {*_augment_options(recipe), *problem.batch_options, "kind"}
    unread = [
        field.name
        for field in fields(AugmentRecipe)
        if field.name not in (*read, "options") and getattr(asked, field.name) != field.default
    ]
    if unread:
        known = ", ".join(field.name for field in fields(AugmentRecipe) if field.name in read - {"kind"}) or "nothing"
        raise RecipeError(
            f"data.augment.{unread[0]} is not used: {recipe.model} with data.augment.kind {asked.kind!r} reads {known}"
        )
    _require_augmentation(recipe, type(first.input))
    try:
        _augmentation(recipe, dataset)(first, torch.Generator())
    except UnknownNameError as error:
        raise RecipeError(str(error)) from error
    except NoRowError as error:
        raise RecipeError(f"data.augment.kind {asked.kind!r} does not suit {recipe.model}: {error}") from error


def _require_inputs(recipe: Recipe, problem: Problem, kind: type) -> None:
    """Refuses data of a kind that the model does not look at."""
    data = recipe.data
    if kind not in problem.inputs:
        wanted = " or ".join(one.__name__ for one in problem.inputs)
        raise RecipeError(
            f"{recipe.model} ({problem.name}) looks at {wanted}, but {f'{data.dataset} {data.root}'.strip()} has "
            f"{kind.__name__} (a Tensor is an image, a PointCloud a shape, an Episode a task of few-shot learning): "
            "choose another model, or other data"
        )


def _require_augmentation(recipe: Recipe, kind: type) -> None:
    """Refuses an augmentation that does not change such inputs."""
    from visus.data.augment import AUGMENTATIONS

    asked = recipe.data.augment.kind
    changed = AUGMENTATIONS[asked].inputs
    if kind not in changed:
        others = [name for name, augment in AUGMENTATIONS.items() if kind in augment.inputs]
        raise RecipeError(
            f"data.augment.kind {asked!r} does not suit {recipe.model}: it changes {changed[0].__name__}, no "
            f"{kind.__name__}, for which there is {', '.join(map(repr, others))}"
        )


def check_machine(recipe: Recipe) -> None:
    """Refuses devices that this machine does not have.

    Raises:
        RecipeError: the message says what there is.
    """
    check_devices(recipe.fit.accelerator, recipe.fit.devices)


def check_devices(wanted: str, count: int, *, named: str = "fit.") -> None:
    """Refuses devices that this machine does not have.

    Args:
        wanted: their kind, as in ``fit.accelerator``.
        count: how many.
        named: what stands before ``accelerator`` and ``devices`` where they are asked for.

    Raises:
        RecipeError: the message says what there is.
    """
    import torch

    from visus.names import counted

    there = {"cuda": torch.cuda.device_count(), "mps": int(torch.backends.mps.is_available())}
    if wanted in there and not there[wanted]:
        raise RecipeError(
            f"{named}accelerator is {wanted!r}, but PyTorch {torch.__version__} finds no such device here: "
            "leave it out, or install a build of PyTorch for the device"
        )
    gpus = there["cuda"] if wanted in ("auto", "cuda") else 0
    if gpus and count > gpus:
        raise RecipeError(
            f"{named}devices is {count}, but there {'is' if gpus == 1 else 'are'} {counted(gpus, 'GPUs')} here"
        )


def _require_sample(made: object, augment: Transform) -> None:
    """Refuses an augmentation that gives no sample."""
    from visus.types import Sample

    if not isinstance(made, Sample):
        name = getattr(augment, "__qualname__", type(augment).__name__)
        raise RecipeError(f"the augmentation {name} must return the changed Sample, not {type(made).__name__}")


def as_learned(
    recipe: Recipe, problem: Problem, model: nn.Module, schema: Schema, dataset: SampleDataset, *, of: str, other: str
) -> SampleDataset:
    """The data to measure on, with the labels that the same names have in ``schema``.

    Args:
        recipe: says what is learned.
        problem: of its model.
        model: decides what is measured.
        schema: what the model learns, or learned.
        dataset: the data to measure on.
        of: what ``schema`` belongs to ("the split 'train'"), for messages.
        other: what ``dataset`` is, for messages.

    Raises:
        RecipeError: the data has other targets, or lacks masks or keypoints that the model learns.
        AnnotationError: it has categories or keypoints that ``schema`` lacks.
    """
    from visus.data.records.relabelled import with_labels_of

    if problem.unseen_classes:
        return dataset
    if len(dataset) and (kind := type(dataset[0].target)) not in problem.targets:
        wanted = " or ".join(target.__name__ for target in problem.targets)
        raise RecipeError(f"{recipe.model} ({problem.name}) learns from {wanted}, but {other} has {kind.__name__}")
    own = dataset.schema
    try:
        problem.metric_of(model, recipe, replace(schema, has_masks=own.has_masks, keypoints=own.keypoints))
    except RecipeError as error:
        raise RecipeError(f"{other} cannot be measured: {error}") from error
    return with_labels_of(schema, dataset, of=of, other=other)


def train_loader(
    recipe: Recipe, dataset: SampleDataset, model: nn.Module, own_augment: Transform | None = None
) -> DataLoader[Batch]:
    """Augmented batches at the size that the model wants, put together as the recipe says."""
    from visus.data.feed.loader import Transformed, load_batches, make_loader

    data = recipe.data
    varied = Transformed(dataset, own_augment or _augmentation(recipe, dataset), seed=recipe.fit.seed)
    if data.batches == "episodes":
        from visus.data.feed.episodes import episode_batches

        asked = {"batch_size": data.batch_size, "per_epoch": len(dataset), "seed": recipe.fit.seed}
        return load_batches(varied, episode_batches(**asked), collate=_collate(model), workers=data.workers)
    if data.batches != "shuffled":
        return load_batches(varied, _class_batches(recipe, dataset), collate=_collate(model), workers=data.workers)
    return make_loader(
        varied,
        collate=_collate(model),
        batch_size=data.batch_size,
        shuffle=True,
        workers=data.workers,
        seed=recipe.fit.seed,
        drop_last=len(dataset) >= data.batch_size * recipe.fit.devices * recipe.fit.nodes,
        aspect_ratio_factor=None if data.augment.size or "size" not in _augment_options(recipe) else 3,
    )


def first_batch(
    recipe: Recipe, problem: Problem, dataset: SampleDataset, model: nn.Module, own_augment: Transform | None = None
) -> Batch:
    """The batch that a training begins with, as the network saw it: augmented, resized and, where asked for, mixed."""
    import torch

    from visus.training.numbers import seed_for

    alone = replace(recipe, data=replace(recipe.data, workers=0), fit=replace(recipe.fit, devices=1, nodes=1))
    loader = train_loader(alone, dataset, model, own_augment)
    sampler: Any = loader.batch_sampler
    sampler.set_epoch(0)
    batch = next(iter(loader))
    vary = problem.vary(recipe, dataset.schema) if problem.vary else None
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed_for(recipe.fit.seed, "train", 0, 0, 0))
        return vary(batch) if vary else batch


def _augment_options(recipe: Recipe) -> dict[str, Any]:
    """The fields of the recipe that its augmentation reads, with their values."""
    from visus.data.augment import AUGMENTATIONS
    from visus.names import find

    asked = recipe.data.augment
    known = inspect.signature(find(AUGMENTATIONS, asked.kind, "augmentation")).parameters
    return {field.name: getattr(asked, field.name) for field in fields(AugmentRecipe) if field.name in known}


def why_unmirrored(recipe: Recipe, schema: Schema) -> str:
    """One line where the recipe asks for mirrored images and the data allows none: why, and what helps; else empty."""
    from visus.data.augment.mirror import unknown_pairs
    from visus.data.formats.flip_pairs import flip_pairs_file

    data, asked = recipe.data, _augment_options(recipe).get("flip", 0.0)
    refusals, points = _mirror(recipe, schema).refusals, schema.keypoints
    if not asked or not refusals:
        return ""
    advice = "; rename it where no side is meant"
    if points is not None and unknown_pairs(points.names) in refusals:
        command = f"visus data show {shlex.quote(data.root)} --dataset {data.dataset} --write-flip-pairs"
        advice = f". Write the pairs into {flip_pairs_file(Path(data.root))}, or let `{command}` write a guess"
    elif data.batches != "shuffled":
        advice = ""
    return f"Images are not mirrored (data.augment.flip {asked:g}): {'; '.join(refusals)}{advice}."


def _mirror(recipe: Recipe, schema: Schema) -> Mirror:
    """What the data becomes in a mirror."""
    from visus.data.augment.mirror import mirror_of

    return mirror_of(schema, by_class=recipe.data.batches != "shuffled")


def _augmentation(recipe: Recipe, dataset: SampleDataset) -> Transform:
    """How the recipe changes training samples."""
    from visus.data.augment import AUGMENTATIONS
    from visus.names import build

    asked = recipe.data.augment
    facts = {**_augment_options(recipe), "mirror": _mirror(recipe, dataset.schema)}
    made: Transform = build(
        AUGMENTATIONS[asked.kind], asked.options, what=f"the augmentation {asked.kind}", facts=facts
    )
    return made


def _class_batches(recipe: Recipe, dataset: SampleDataset) -> Any:
    """Batches by class, for data that tells the label of every image."""
    from visus.data.feed.class_batches import class_batches
    from visus.data.records.class_splits import LabelledDataset

    data = recipe.data
    if not isinstance(dataset, LabelledDataset):
        raise RecipeError(
            f"data.batches is {data.batches!r}, but {data.dataset} does not tell the labels of its images ahead: "
            "use 'shuffled', or a data set of classes"
        )
    return class_batches(
        cast(Any, data.batches),
        dataset.labels,
        dataset.super_labels,
        batch_size=data.batch_size,
        images_per_class=data.images_per_class,
        seed=recipe.fit.seed,
    )


def val_loader(recipe: Recipe, dataset: SampleDataset, model: nn.Module) -> DataLoader[Batch]:
    """Inputs that are padded alike in batches, resized as the model wants, targets in their own frame."""
    from visus.data.feed.loader import make_loader

    data = recipe.data
    network: Any = model
    return make_loader(
        dataset,
        collate=_collate(model),
        batch_size=data.batch_size,
        workers=data.workers,
        frame=None if network.transform.one_frame else network.transform.frame,
    )


def _collate(model: nn.Module) -> Any:
    """Batches at the model's size; a copy of its transform, which need not follow the model to a GPU."""
    from visus.data.feed.collate import Collate

    network: Any = model
    return Collate(batcher=copy.deepcopy(network.transform).batch)
