"""How well made images show what their graphs say, by networks that were trained on real ones."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from rich.table import Table
from torch import Tensor

from visus.recipes.scene_table import SCENE_ROWS, SceneRow
from visus.runs.feed import open_split
from visus.runs.train import train
from visus.terminal import bar, console
from visus.training.run import RunFolder
from visus.types import Batch, GraphPrediction, ImageTarget, InstanceTarget, Sample
from visus.whole_file import write_whole

if TYPE_CHECKING:
    from PIL import Image

    from visus.metrics.metric import Metric
    from visus.predict.predictor import Predictor
    from visus.predict.result import Result

Numbers = dict[str, float]
_FOUND_SCORE, _FOUND_IOU = 0.5, 0.5
_K = 20
_BATCH = 16


@dataclass(frozen=True)
class Judged:
    """Which objects of some images another network sees.

    Args:
        asked: how many there are.
        recognised: in whose box it sees their category above all others.
        found: that it finds by itself, with a score and an IoU of a half.
    """

    asked: int = 0
    recognised: int = 0
    found: int = 0

    def __add__(self, other: Judged) -> Judged:
        return Judged(self.asked + other.asked, self.recognised + other.recognised, self.found + other.found)


def measure_generation(generator: Predictor, looking: Predictor, samples: Sequence[Sample]) -> Numbers:
    """Measures the images that a generator makes of graphs, and the real images beside them.

    Args:
        generator: makes images.
        looking: a scene-graph model that was trained on real images; it and its detector look at the made ones.
        samples: graphs with their images.

    Returns:
        ``recognised`` and ``found``, the shares of the objects as `Judged` says, and ``relations``, the recall of the
        relationships among the 20 best that the scene-graph model sees between the objects in their boxes; each for
        made images in the layout of the generator, as ``given ...`` in the annotated layout, and as ``real ...`` of the
        real images. ``images`` is how many there were.

    Raises:
        VisusError: a network of another kind.
    """
    check_looking(looking)
    counts = {name: Judged() for name in _KINDS}
    recalls = {name: _recall(looking) for name in _KINDS}
    for batch in _batches(samples):
        for name in _KINDS:
            pixels, targets = _images(generator, batch, name)
            objects = [
                _target(target, sample, generator, looking) for target, sample in zip(targets, batch, strict=True)
            ]
            judged, graphs = _looked_at(looking, pixels, objects)
            counts[name] += judged
            recalls[name].update(graphs, Batch(None, objects))
    numbers: Numbers = {}
    for name in _KINDS:
        asked = max(1, counts[name].asked)
        numbers |= {
            f"{name}recognised": counts[name].recognised / asked,
            f"{name}found": counts[name].found / asked,
            f"{name}relations": float(recalls[name].compute()[f"R@{_K}"]),
        }
    return {**numbers, "images": float(len(samples))}


_KINDS = ("", "given ", "real ")


def check_looking(looking: Predictor) -> None:
    """Refuses anything but a scene-graph model.

    Raises:
        VisusError: it is none.
    """
    from visus.predict.ask import vocabulary_of

    vocabulary_of(looking)


def _recall(looking: Predictor) -> Metric:
    from visus.metrics.scene_graph_matches import Protocol
    from visus.metrics.scene_graphs import SceneGraphMetric

    return SceneGraphMetric(looking.schema, mode="predcls", protocol=Protocol(ks=(_K,)))


def _batches(samples: Sequence[Sample]) -> Iterator[list[Sample]]:
    with bar("measuring", len(samples)) as advance:
        for start in range(0, len(samples), _BATCH):
            found = [samples[place] for place in range(start, min(start + _BATCH, len(samples)))]
            yield found
            advance(len(found))


def _images(generator: Predictor, samples: Sequence[Sample], kind: str) -> tuple[list[Tensor], list[ImageTarget]]:
    """Images of one kind, and what is in them."""
    if kind == "real ":
        return [sample.target.pixels for sample in samples], [sample.target for sample in samples]
    graphs = [sample.input for sample in samples]
    if kind == "given ":
        graphs = [replace(g, boxes_xyxy=s.target.boxes_xyxy) for g, s in zip(graphs, samples, strict=True)]
    made: list[Any] = [result.prediction for result in generator.predict(graphs)]
    targets = [
        replace(sample.target, pixels=one.pixels, boxes_xyxy=one.boxes_xyxy, masks=None)
        for one, sample in zip(made, samples, strict=True)
    ]
    return [one.pixels for one in made], targets


def _target(target: ImageTarget, sample: Sample, generator: Predictor, looking: Predictor) -> InstanceTarget:
    """The objects that the looking network knows, with the relationships that it knows, in its own numbers."""
    ours, theirs = generator.schema, looking.schema
    labels = [_place(theirs.categories, ours.categories[label]) for label in target.labels.tolist()]
    numbers = [_place(theirs.predicates, name) for name in ours.predicates]
    known = torch.tensor([label >= 0 for label in labels])
    rows = sample.input.relationships
    rows = torch.stack([rows[:, 0], torch.tensor(numbers)[rows[:, 1]], rows[:, 2]], dim=1)
    boxes = target.boxes_xyxy
    objects = InstanceTarget(
        boxes_xyxy=boxes,
        labels=torch.tensor(labels),
        areas=(boxes[:, 2:] - boxes[:, :2]).prod(dim=1),
        is_crowd=torch.zeros(len(boxes), dtype=torch.bool),
        size=target.size,
        image_id=target.image_id,
        relationships=rows[rows[:, 1] >= 0],
    )
    return objects[known]


def _place(names: Sequence[str], name: str) -> int:
    return names.index(name) if name in names else -1


@torch.no_grad()
def _looked_at(
    looking: Predictor, pixels: list[Tensor], objects: list[InstanceTarget]
) -> tuple[Judged, list[GraphPrediction]]:
    """What the network says of the objects in their boxes, what it finds by itself, and the relationships it sees."""
    from visus.nn.model import predict_batch

    model: Any = looking.model
    inputs = model.transform.batch(pixels).to(looking.device)
    targets = [one.to(looking.device) for one in objects]
    usual, found = model.mode, {}
    try:
        for mode in ("predcls", "sgcls", "sgdet"):
            model.mode = mode
            found[mode] = [one.to("cpu") for one in predict_batch(model, inputs, targets)[1]]
    finally:
        model.mode = usual
    judged = Judged()
    for target, seen, alone in zip(objects, found["sgcls"], found["sgdet"], strict=True):
        judged += Judged(len(target), int((seen.labels == target.labels).sum()), _count_found(alone, target))
    return judged, found["predcls"]


def _count_found(found: GraphPrediction, target: InstanceTarget) -> int:
    """How many objects are found: each detection stands for one."""
    from visus.metrics.object_matches import match_objects

    sure = found.objects[found.scores >= _FOUND_SCORE]
    return int((match_objects(sure, target).found >= 0).sum())


def measure_row(row: SceneRow, looking: Predictor, place: Path, *, minutes: float, seed: int, images: int) -> Numbers:
    """The numbers of one variant; a run that was finished before is measured, not trained.

    Args:
        row: the variant.
        looking: as for `measure_generation`.
        place: of its run.
        minutes: of its training.
        seed: of its training.
        images: of the test that are measured.
    """
    from visus.predict.predictor import load

    folder = RunFolder(place)
    if not folder.metrics_file.is_file():
        recipe = row.recipe()
        recipe = replace(recipe, fit=replace(recipe.fit, max_minutes=minutes, seed=seed))
        path = train(recipe, run=place)
        if path != place:  # what broke off before is moved aside
            place.rename(place.with_name(f"{place.name}-unfinished"))
            path.rename(place)
    known = json.loads(folder.metrics_file.read_text(encoding="utf-8"))
    samples: Any = open_split(replace(folder.recipe(), data=replace(folder.recipe().data, val_length=images)), "val")
    judged = measure_generation(load(place), looking, samples)
    return {**{name: value for name, value in known.items() if isinstance(value, int | float)}, **judged}


def write_scenes(folder: Path, results: Mapping[str, Numbers], about: Mapping[str, str]) -> None:
    """Writes ``table.json`` and shows the table."""
    write_whole(folder / "table.json", json.dumps({"about": dict(about), "rows": results}, indent=1) + "\n")
    table = Table(box=None, header_style="dim")
    for name in ("model", "FD", "IS", "box IoU", "recognised", "found", f"R@{_K}", "… given boxes"):
        table.add_column(name, justify="left" if name == "model" else "right")
    for name, numbers in results.items():
        distance, score = (_number(numbers, start) for start in ("FD", "IS"))
        shares = [f"{100 * numbers[key]:.1f}" for key in ("box IoU", "recognised", "found", "relations")]
        given = " / ".join(f"{100 * numbers[f'given {key}']:.1f}" for key in ("recognised", "found", "relations"))
        table.add_row(SCENE_ROWS[name].title, f"{distance:.1f}", f"{score:.2f}", *shares, given)
    first = next(iter(results.values()))
    real = [f"{100 * first[f'real {key}']:.1f}" for key in ("recognised", "found", "relations")]
    table.add_row("real images", "0.0", f"{_number(first, 'real IS'):.2f}", "100.0", *real, "")
    terminal = console()
    terminal.print(table)
    terminal.print(f"{first['images']:.0f} images. {about['protocol']}", soft_wrap=True, highlight=False)
    terminal.print(f"Table  {folder / 'table.json'}", soft_wrap=True)


def _number(numbers: Numbers, start: str) -> float:
    return next(value for name, value in numbers.items() if name.startswith(f"{start} ("))


def comparison(generators: Mapping[str, Predictor], samples: Sequence[Sample], *, cell: int = 200) -> Image.Image:
    """A sheet with a row for each graph: graph, real image, and for each generator its layout and its image."""

    from visus.draw.canvas import Style, enlarged
    from visus.draw.made import layout_of
    from visus.draw.sheet import contact_sheet
    from visus.predict.generate import graph_picture

    pictures: list[Image.Image] = []
    captions: list[str] = []
    for sample in samples:
        schema = next(iter(generators.values())).schema
        pictures += [graph_picture(sample.input, schema), enlarged(sample.target.pixels)[0]]
        captions += ["graph", "real"]
        for name, generator in generators.items():
            result: Result = generator.predict([sample.input])[0]
            made: Any = result.prediction
            image, scale = enlarged(made.pixels)
            pictures += [layout_of(made, image.size, schema, Style(scale)), image]
            captions += [f"{name}: layout", f"{name}: image"]
    return contact_sheet(pictures, captions=captions, columns=2 + 2 * len(generators), cell=cell)
