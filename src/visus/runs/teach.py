"""What `visus teach` does: new classes from a few images each, in seconds and without training."""

from __future__ import annotations

import inspect
import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from visus.errors import VisusError
from visus.names import counted
from visus.new_folder import new_folder
from visus.terminal import console as new_console
from visus.training.recipe import AugmentRecipe, DataRecipe, Option, Recipe
from visus.training.run import RunFolder, is_run

if TYPE_CHECKING:
    from visus.predict.stored import StoredWeights
    from visus.systems.classification import TaughtClassifier
    from visus.types import Schema

MODEL = "taught_lite0"
SIZE = 160


class TeachError(VisusError, ValueError):
    """Images that teach nothing; the message names them."""


@dataclass(frozen=True)
class Lesson:
    """What was taught.

    Args:
        run: the folder of the run.
        classes: all that it knows now, with how many images each was taught.
        threshold: the cosine below which an image is like none of them; None where it always names one.
        leave_one_out: the share of the images that get their class from the others; None where no class has two.
    """

    run: Path
    classes: dict[str, int]
    threshold: float | None
    leave_one_out: float | None


def teach(
    classes: Mapping[str, Sequence[str | Path]] | str | Path,
    *,
    model: str | Path | None = None,
    run: str | Path | None = None,
    more: bool = False,
    threshold: float | None = None,
    rejects: bool = True,
    size: int = SIZE,
) -> Lesson:
    """Makes a classifier of new classes from one to five images each, or gives a detector's boxes new names.

    Args:
        classes: the images of each class, files or folders of them; or a folder with a folder for each class.
        model: what sees: the run of a network on EfficientNet-Lite0, such as a descriptor; of a detector, whose boxes
            get the names; ImageNet's features when None.
        run: the folder of the new run; ``runs/taught`` when None, numbered where that exists.
        more: add to the classes that ``model``, a run that was taught before, knows; it is changed in place.
        threshold: the least cosine with a class; below it an image is none of these. None takes the middle between
            what the images are to their own class and to others.
        rejects: whether it may say "none of these".
        size: pixels of a side of the square that images are stretched to; that of the model where it has one.

    Raises:
        TeachError: one class alone, a class without images, or the same image in two classes.
        VisusError: a file or a run does not exist or cannot be used.
    """
    images = _images(classes)
    if threshold is not None and not -1 <= threshold <= 1:
        raise TeachError(f"threshold must be a cosine from -1 to 1, not {threshold}")
    if more:
        return _teach_more(Path(model or ""), images, threshold)
    if len(images) < 2:
        raise TeachError(f"one class alone ({next(iter(images))}) is nothing to tell apart: name two or more")
    from visus import catalog
    from visus.predict.stored import find_weights

    stored = find_weights(model) if model else None
    of_boxes = stored is not None and bool(_boxes() & set(catalog.problem_of(stored.model).targets))
    recipe, schema = _recipe(stored, None if of_boxes else model, tuple(images), rejects, size)
    network = _untaught(recipe, schema)
    features, labels = _shown(network, images)
    _fill(network, features, labels, threshold)
    from visus.systems.classification.taught import leave_one_out

    share = leave_one_out(features, labels)
    with new_folder(Path(run or "runs/taught"), numbered=True) as folder:
        if of_boxes and stored is not None:
            _write_renamed(folder, Path(str(model)), stored, recipe, schema, network)
        else:
            _write(RunFolder(folder), recipe, schema, network, share)
    return _lesson(folder, schema, network, share)


def can_see(source: str | Path, stored: StoredWeights) -> bool:
    """Whether new classes can be taught on what a run sees: its features, or the boxes that it finds.

    Args:
        source: the folder of the run.
        stored: its weights.
    """
    from visus import catalog
    from visus.predict.renamed import TAUGHT

    of_boxes = bool(_boxes() & set(catalog.problem_of(stored.model).targets))
    fits = of_boxes or "lite0" in stored.model
    return fits and is_run(Path(source).expanduser()) and not (Path(source).expanduser() / TAUGHT).exists()


def _boxes() -> set[type]:
    """The kinds of target that networks with boxes learn from."""
    from visus.types import InstanceTarget

    return {InstanceTarget}


def _images(classes: Mapping[str, Sequence[str | Path]] | str | Path) -> dict[str, list[Path]]:
    """The files of each class.

    Raises:
        TeachError: there are none, or an image is in two classes.
    """
    from visus.data.files.walk import files_below, visible
    from visus.systems.classification.taught import NONE

    if isinstance(classes, str | Path):
        root = Path(classes).expanduser()
        if not root.is_dir():
            raise TeachError(f"{root}: no such folder; it should hold a folder of images for each class")
        classes = {path.name: [path] for path in visible(root) if path.is_dir()}
        if not classes:
            raise TeachError(f"{root}: holds no folders; it should hold a folder of images for each class")
    found: dict[str, list[Path]] = {}
    for name, places in classes.items():
        files: list[Path] = []
        for place in (Path(one).expanduser() for one in places):
            files += files_below(place) if place.is_dir() else [place]
        if not files:
            raise TeachError(f"class {name}: no image; give one to five")
        if name == NONE or not name.strip():
            raise TeachError(f"no class can be called {name!r}")
        found[name] = files
    if not found:
        raise TeachError("no class is named: `--class NAME IMAGE ...`, twice or more, or a folder for each class")
    _refuse_shared(found)
    return found


def _refuse_shared(images: Mapping[str, Sequence[Path]]) -> None:
    from visus.data.errors import ImageError
    from visus.data.files.content import read_content

    seen: dict[bytes, tuple[str, Path]] = {}
    for name, files in images.items():
        for file in files:
            other, path = seen.setdefault(read_content(file, ImageError), (name, file))
            if other != name:
                raise TeachError(f"{file} of {name} is the same image as {path} of {other}: take it out of one of them")


def _recipe(
    stored: StoredWeights | None, model: str | Path | None, names: tuple[str, ...], rejects: bool, size: int
) -> tuple[Recipe, Schema]:
    """The recipe of the run, which says what it stands on, and the categories."""
    from visus import catalog
    from visus.systems.classification.taught import NONE
    from visus.types import Schema

    categories = (*names, NONE) if rejects else names
    options: dict[str, Option] = {"size": size, "rejects": rejects}
    if model is not None and stored is not None:  # a descriptor's own size, pooling and linear layer
        own = inspect.signature(catalog.MODELS[stored.model]).parameters
        if {"size", "pooling", "embedding_dim"} <= own.keys():
            layer = stored.state.get("head.weight")
            options |= {name: stored.options.get(name, own[name].default) for name in ("size", "pooling")}
            options["embedding_dim"] = 0 if layer is None else int(layer.shape[0])
    recipe = Recipe(
        name="taught",
        model=MODEL,
        model_options=options,
        init="" if model is None else str(model),
        data=DataRecipe(dataset="image_folder", root="images", augment=AugmentRecipe(kind="none")),
        about="taught from a few images of each class; nothing was trained",
    )
    return recipe, Schema(categories=categories, category_ids=tuple(range(len(categories))))


def _untaught(recipe: Recipe, schema: Schema) -> Any:
    """The network before anything was taught."""
    from visus import catalog
    from visus.runs.initial import build_started

    if recipe.init:
        return build_started(recipe, schema)[0].eval()
    return catalog.build_model(recipe.model, schema, recipe.model_options).eval()


def _shown(network: TaughtClassifier, images: Mapping[str, Sequence[Path]]) -> tuple[Any, Any]:
    """The features of all images and their labels, in the order of the classes."""
    import torch

    from visus.data.files.images import read_image

    features, labels = [], []
    for label, files in enumerate(images.values()):
        for file in files:
            features.append(network.features(network.transform.batch([read_image(file)]))[0])
            labels.append(label)
    return torch.stack(features), torch.tensor(labels)


def _fill(network: TaughtClassifier, features: Any, labels: Any, threshold: float | None) -> None:
    import torch

    from visus.systems.classification.taught import suggested_threshold

    for label in labels.unique().tolist():
        network.teach(label, features[labels == label])
    if network.threshold is not None:
        value = suggested_threshold(features, labels) if threshold is None else threshold
        with torch.no_grad():
            network.threshold.fill_(value)


def _write(run: RunFolder, recipe: Recipe, schema: Schema, network: Any, share: float | None) -> None:
    run.create(recipe)
    _save(run, recipe, schema, network)
    if share is not None:
        run.write_metrics({"leave-one-out top-1": share})


def _save(run: RunFolder, recipe: Recipe, schema: Schema, network: Any) -> None:
    from visus.nn.weights import frozen_eps

    run.save_weights(network.state_dict(), recipe, schema, frozen_eps=frozen_eps(network))


def _write_renamed(
    folder: Path, source: Path, stored: StoredWeights, recipe: Recipe, schema: Schema, network: Any
) -> None:
    """The detector with its weights, and the classifier of its boxes beside it."""
    from visus.predict.model_words import WEIGHTS_FILE
    from visus.predict.renamed import TAUGHT

    if not is_run(source):
        raise TeachError(f"{source}: boxes get new names from a run of a detector, not from published weights alone")
    if (source / TAUGHT).exists():
        raise TeachError(f"{source}: its boxes have been given names before; teach {stored.model}'s first run")
    for name in ("recipe.json", WEIGHTS_FILE):
        shutil.copyfile(source / name, folder / name)
    beside = RunFolder(folder / TAUGHT)
    beside.create(recipe)
    _save(beside, recipe, schema, network)


def _teach_more(run: Path, images: Mapping[str, Sequence[Path]], threshold: float | None) -> Lesson:
    """Adds to a run that was taught before; new names become new classes."""
    import torch

    from visus.predict.stored import find_weights
    from visus.systems.classification.taught import NONE

    if not is_run(run) or RunFolder(run).recipe().model != MODEL:
        raise TeachError(f"{run or 'no run'}: --more adds to a run that `visus teach` made")
    stored = find_weights(run)
    old, recipe = stored.network(), RunFolder(run).recipe()
    taught: Any = old
    rejects = taught.threshold is not None
    known = tuple(name for name in stored.schema.categories if not (rejects and name == NONE))
    names = (*known, *(name for name in images if name not in known))
    categories = (*names, NONE) if rejects else names
    schema = replace(stored.schema, categories=categories, category_ids=tuple(range(len(categories))))
    network = _untaught(replace(recipe, init=""), schema)
    state = taught.state_dict()
    for name in ("centroids", "counts"):
        grown = torch.zeros_like(network.state_dict()[name])
        grown[: len(known)] = state[name]
        state[name] = grown
    network.load_state_dict(state)
    features, labels = _shown(network, images)
    for place, name in enumerate(images):
        network.teach(names.index(name), features[labels == place])
    if threshold is not None and rejects:
        with torch.no_grad():
            network.threshold.fill_(threshold)
    _save(RunFolder(run), recipe, schema, network)
    return _lesson(run, schema, network, None)


def _lesson(run: Path, schema: Schema, network: Any, share: float | None) -> Lesson:
    threshold = None if network.threshold is None else float(network.threshold.detach())
    counts = network.counts.tolist()
    return Lesson(run, dict(zip(schema.categories, counts, strict=False)), threshold, share)


def say(lesson: Lesson) -> None:
    """A few lines about a lesson on the terminal."""
    console = new_console(markup=False)
    names = ", ".join(f"{name} ({counted(count, 'images')})" for name, count in lesson.classes.items())
    console.print(f"{lesson.run} knows {names}", soft_wrap=True)
    if lesson.threshold is not None:
        console.print(f"none of these: below a cosine of {lesson.threshold:.3f}")
    if lesson.leave_one_out is not None:
        console.print(f"leave-one-out top-1 {100 * lesson.leave_one_out:.1f} of the images given")
    console.print(f"try it: visus predict {json.dumps(str(lesson.run))[1:-1]} IMAGE", soft_wrap=True)
