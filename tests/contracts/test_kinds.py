"""The contract of a kind of target or prediction: every operation has a row for it, and says so where it has none."""

from __future__ import annotations

import ast
import importlib
import inspect
import json
from collections.abc import Callable
from dataclasses import dataclass, is_dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any, get_args

import pytest
import torch
from PIL import Image
from rich.table import Table

import visus
from contracts.fakes import (
    EXAMPLES,
    POINTS,
    SCHEMA,
    SIZE,
    as_batch,
    example,
    input_example,
    kind_measured,
    target_example,
)
from visus import catalog
from visus.cli.tables import prediction_table, target_words
from visus.data import ListDataset
from visus.data.augment.mirror import MIRRORED, Mirror, mirror_of
from visus.data.augment.warp import place
from visus.data.augment.warp_targets import warp_target
from visus.data.records.given import LABELS, PARTS
from visus.data.records.relabelled import RELABELLED
from visus.draw.draw import draw
from visus.draw.judged import draw_judged
from visus.errors import VisusError
from visus.metrics.ranking import image_quality, quality_meaning
from visus.predict.annotations import ANNOTATED
from visus.predict.content import words_of
from visus.predict.predictor import AT_LEAST
from visus.predict.result import Result
from visus.predict.results import DRAWN, ResultFolder
from visus.predict.to_fiftyone import FIFTYONE
from visus.predict.to_supervision import CONVERSIONS
from visus.recipes.folder import SUITABLE
from visus.report.distribution import COUNTED, Tally
from visus.server.answers import answer_of
from visus.server.loaded import Seen
from visus.types import (
    EmbeddingPrediction,
    EpisodePrediction,
    GraphPrediction,
    ImagePrediction,
    ImageTarget,
    InstancePrediction,
    NoRowError,
    PartPrediction,
    PartTarget,
    Prediction,
    SemanticPrediction,
    Target,
    row,
)

SOURCES = Path(visus.__file__).parent
TARGETS, PREDICTIONS = get_args(Target), get_args(Prediction)

PARTIAL = {
    "OBJECTS": "SSD's augmentation is for objects with boxes alone",
    "IN_FRAME": "mixup and CutMix are for classifiers alone",
    "VECTORS": "galleries need a descriptor; any other network is refused",
    "BOXES": "parts of images come from detectors; any other network is refused",
    "ON_VIEWS": "shapes have classes and parts alone",
    "COLOURED": "shapes have classes and parts alone",
    "REORDERED": "shapes have classes and parts alone",
    **dict.fromkeys(("KEPT", "JUDGES"), "a run is browsed for wrong objects and wrong classes of images alone"),
    "ASKED": "phrases and questions are put to scene graphs alone",
}
"""Tables that need no row for each kind, and why."""


def found_tables() -> dict[str, dict[type, Any]]:
    """Every module's table by kind, by its name: a variable annotated as ``dict[type, ...]``."""
    tables = {}
    for path in sorted(SOURCES.rglob("*.py")):
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.AnnAssign) and ast.unparse(node.annotation).startswith("dict[type,"):
                name = ast.unparse(node.target)
                assert name not in tables, f"two tables are called {name}"
                parts = path.relative_to(SOURCES.parent).with_suffix("").parts
                tables[name] = getattr(importlib.import_module(".".join(parts)), name)
    return tables


FOUND = found_tables()


# --- each operation on an example ---


def drawn(thing: Any, folder: Path) -> None:
    picture = draw(input_example(type(thing)), thing, SCHEMA)
    assert isinstance(picture, Image.Image)


def written(thing: Any, folder: Path) -> None:
    results = ResultFolder(folder, SCHEMA)
    results.add(result_of(thing), 7)
    results.write_json()
    entries = json.loads((folder / "predictions.json").read_text())
    assert entries
    assert all(entry["image_id"] == 7 for entry in entries)


def result_of(thing: Any) -> Result:
    return Result(input_example(type(thing)), thing, SCHEMA, name="image.jpg")


def said(thing: Any, folder: Path) -> None:
    content = result_of(thing).to_dict()
    assert {"objects", "classes", "embedding", "parts"} & content.keys()
    assert json.dumps(content)


def worded(thing: Any, folder: Path) -> None:
    assert words_of(thing, SCHEMA, 0.5) in repr(result_of(thing))


def as_coco(thing: Any, folder: Path) -> None:
    """COCO has a format for objects and for the classes of pixels; of others that is said."""
    if type(thing) in (InstancePrediction, SemanticPrediction, GraphPrediction):
        records = result_of(thing).to_coco(7)
        assert records
        assert all(record["image_id"] == 7 for record in records)
        return
    with pytest.raises(VisusError, match="no " + type(thing).__name__):
        result_of(thing).to_coco(7)


def supervised(thing: Any, folder: Path) -> None:
    """A record of supervision's, or what is missing for one."""
    package = SimpleNamespace(Detections=SimpleNamespace, Classifications=SimpleNamespace)
    convert = row(CONVERSIONS, thing, "supervision")
    if type(thing) in (EmbeddingPrediction, PartPrediction):
        with pytest.raises(VisusError, match=r"embeddings|parts"):
            convert(package, thing, SCHEMA)
        return
    record = convert(package, thing, SCHEMA)
    assert len(record.class_id) == len(record.confidence) > 0


def annotated(thing: Any, folder: Path) -> None:
    """Labels of FiftyOne's, and objects or classes to correct; or neither, which is said."""
    names = ("Detection", "Detections", "Keypoint", "Keypoints", "Segmentation", "Classification")
    package = SimpleNamespace(**dict.fromkeys(names, SimpleNamespace))
    label, find = row(FIFTYONE, thing, "FiftyOne"), row(ANNOTATED, thing, "annotations")
    if type(thing) in (EmbeddingPrediction, EpisodePrediction, PartPrediction, ImagePrediction):
        for ask in (lambda: label(package, thing, SCHEMA), lambda: find(thing, SCHEMA, 0.0)):
            with pytest.raises(VisusError, match=type(thing).__name__):
                ask()
    else:
        assert label(package, thing, SCHEMA)[""] and any(find(thing, SCHEMA, 0.0))  # noqa: PT018


def shown(thing: Any, folder: Path) -> None:
    """What is said to have something to draw changes the image."""
    wanted = row(DRAWN, thing, "drawing")
    image = draw(input_example(type(thing)), thing, SCHEMA)
    assert (image.getbbox() is not None) == wanted


def thinned(thing: Any, folder: Path) -> None:
    assert type(row(AT_LEAST, thing, "a least score")(thing, 0.85)) is type(thing)


def listed(thing: Any, folder: Path) -> None:
    assert isinstance(prediction_table(thing, SCHEMA, min_score=0.3), Table | str)


def told(thing: Any, folder: Path) -> None:
    assert target_words(thing, SCHEMA)


def warped(thing: Any, folder: Path) -> None:
    mirrored = place(SIZE, (20, 30), 0.5, (0.0, 0.0))
    target = warp_target(thing, mirrored, mirror=mirror_of(SCHEMA))
    assert type(target) is type(thing)
    assert target.size == (20, 30)


def numbers_of(thing: Any) -> list[str]:
    """The fields of a target that hold labels of the schema; those of an episode's queries are counted inside of it."""
    return ["classes"] if hasattr(thing, "classes") else [one for one in ("label", "labels") if hasattr(thing, one)]


def relabelled(thing: Any, folder: Path) -> None:
    """Exchanging labels twice gives what was there; the numbers of parts mean another category then."""
    swap = torch.arange(SCHEMA.num_classes).flip(0)
    change = row(RELABELLED, thing, "relabelling")
    if type(thing) in (PartTarget, ImageTarget):
        with pytest.raises(VisusError, match="in one order"):
            change(thing, swap)
        return
    once, twice = change(thing, swap), change(change(thing, swap), swap)
    for name in numbers_of(thing):
        assert torch.equal(getattr(twice, name), getattr(thing, name))
        assert not torch.equal(getattr(once, name), getattr(thing, name))


def within(thing: Any, folder: Path) -> None:
    """Its labels are in the schema."""
    labels = row(LABELS, thing, "checking labels")(thing)
    assert bool((labels < SCHEMA.num_classes).all())


def detailed(thing: Any, folder: Path) -> None:
    assert set(row(PARTS, thing, "making a schema")(thing)) <= {"masks", "keypoints"}


def side_changed(thing: Any, folder: Path) -> None:
    """Every number that has a counterpart becomes it, and twice gives what was there; parts have no side."""
    swap = tuple(reversed(range(SCHEMA.num_classes)))
    mirror = Mirror(((0, 1),), categories=swap)
    change = row(MIRRORED, thing, "mirroring")
    once, twice = change(thing, mirror), change(change(thing, mirror), mirror)
    for name in ("label",) if type(thing) is PartTarget else numbers_of(thing):
        assert torch.equal(getattr(twice, name), getattr(thing, name))
        assert not torch.equal(getattr(once, name), getattr(thing, name))


def ranked(thing: Any, folder: Path) -> None:
    target = EXAMPLES[type(thing)](0, True)[1] if type(thing) in EXAMPLES else None
    assert image_quality(thing, target) in (None, pytest.approx(1.0), pytest.approx(0.4))


def suited(thing: Any, folder: Path) -> None:
    choose = row(SUITABLE, thing, "choosing a recipe")
    recipe = choose(ListDataset([(input_example(type(thing)), thing)], schema=SCHEMA))
    assert type(thing) in catalog.problem_of(recipe.model).targets


def judged(thing: Any, folder: Path) -> None:
    target = EXAMPLES[type(thing)](0, True)[1] if type(thing) in EXAMPLES else None
    image = input_example(type(thing))
    assert isinstance(draw_judged(image, thing, target, SCHEMA, min_score=0.3), Image.Image)


def explained(thing: Any, folder: Path) -> None:
    assert "{" not in quality_meaning(thing).format(threshold=0.5)


def counted(thing: Any, folder: Path) -> None:
    tally = Tally(1)
    row(COUNTED, thing, "counting labels")(thing, tally)
    assert tally.labels.total() > 0


def answered(thing: Any, folder: Path) -> None:
    """A server's answer is what `Result.to_dict` says, with the kind, and JSON can hold it."""
    model: Any = SimpleNamespace(name="model")
    answer = answer_of(Seen(result_of(thing), 1.0), model, drawable=True)
    assert answer["kind"]
    assert json.dumps(answer)


@dataclass(frozen=True)
class Operation:
    """What a table is for.

    Args:
        covers: the kinds that it needs a row for.
        act: does it to an example; the folder is an empty one to write to.
    """

    covers: tuple[type, ...]
    act: Callable[[Any, Path], None]


OF_IMAGES = tuple(kind for kind in TARGETS + PREDICTIONS if kind not in (PartTarget, PartPrediction))
"""Kinds that an image may have; the others are of shapes, and drawn as what is seen of them in a view."""

OPERATIONS = {
    "DRAWINGS": Operation(OF_IMAGES, drawn),
    "ENTRIES": Operation(PREDICTIONS, written),
    "DRAWN": Operation(PREDICTIONS, shown),
    "CONTENTS": Operation(PREDICTIONS, said),
    "COCO": Operation(PREDICTIONS, as_coco),
    "IN_WORDS": Operation(PREDICTIONS, worded),
    "CONVERSIONS": Operation(PREDICTIONS, supervised),
    "FIFTYONE": Operation(PREDICTIONS, annotated),
    "ANNOTATED": Operation(PREDICTIONS, annotated),
    "AT_LEAST": Operation(PREDICTIONS, thinned),
    "TABLES": Operation(PREDICTIONS, listed),
    "QUALITIES": Operation(PREDICTIONS, ranked),
    "WORDS": Operation(TARGETS, told),
    "WARPED": Operation(tuple(kind for kind in OF_IMAGES if kind in TARGETS), warped),
    "SUITABLE": Operation(TARGETS, suited),
    "RELABELLED": Operation(TARGETS, relabelled),
    "LABELS": Operation(TARGETS, within),
    "PARTS": Operation(TARGETS, detailed),
    "MIRRORED": Operation(TARGETS, side_changed),
    "JUDGED": Operation(tuple(kind for kind in OF_IMAGES if kind in PREDICTIONS), judged),
    "MEANINGS": Operation(PREDICTIONS, explained),
    "COUNTED": Operation(TARGETS, counted),
    "KIND": Operation(PREDICTIONS, answered),
    "DRAWN_FROM": Operation(PREDICTIONS, answered),
}
OF_DETAILS = ("SECTIONS", "DETAILS")
OF_INPUTS = ("TAKEN", "JOINS", "SEEN", "PICTURES", "BESIDE", "OF_BATCHES", "OF_CLASSES", "FRAMES")
OF_INPUTS += ("TAKES", "TURNED", "ENCODED")
OF_INPUTS += ("BATCHES", "DIFFERENCES", "INPUTS", "LIMITS", "RESIZINGS", "TENSORS", "WRAPPERS")
OF_INPUTS += ("MODULES", "PACKED")
"""Tables of what goes into a prediction, whose kinds are others; `tests/predict` looks at them, `tests/draw` and
`tests/report` at those of drawing, `tests/systems/shapes3d` at those of shapes, `tests/server` at the three from
``TAKES`` on, `tests/export` and the contract of exports at those from ``BATCHES`` on, `tests/nn/fused` at the last."""


def made(kind: type) -> Any:
    """An example of a kind."""
    return example(kind, 0)[0] if kind in PREDICTIONS else target_example(kind)


def test_every_table_is_looked_at() -> None:
    assert FOUND.keys() == {*OPERATIONS, *PARTIAL, *OF_DETAILS, *OF_INPUTS}, "say here what the new table is for"


@pytest.mark.parametrize("name", OPERATIONS)
def test_a_table_has_a_row_for_each_kind_and_no_other(name: str) -> None:
    assert set(FOUND[name]) == set(OPERATIONS[name].covers)


@pytest.mark.parametrize("name", PARTIAL)
def test_a_table_of_some_kinds_has_only_kinds(name: str) -> None:
    assert FOUND[name]
    assert set(FOUND[name]) <= {*TARGETS, *PREDICTIONS}


@pytest.mark.parametrize(
    ("name", "kind"), [(name, kind) for name, operation in OPERATIONS.items() for kind in operation.covers]
)
def test_each_row_works_on_an_example(name: str, kind: type, tmp_path: Path) -> None:
    OPERATIONS[name].act(made(kind), tmp_path)


class HologramPrediction:
    """A kind that nobody knows."""

    size = SIZE
    image_id = 0


@pytest.mark.parametrize("name", OPERATIONS)
def test_an_unknown_kind_is_refused_naming_those_that_are_known(name: str, tmp_path: Path) -> None:
    with pytest.raises(NoRowError) as error:
        OPERATIONS[name].act(HologramPrediction(), tmp_path)
    assert "HologramPrediction" in str(error.value)
    assert all(kind.__name__ in str(error.value) for kind in FOUND[name])
    assert not any(tmp_path.iterdir())


# --- what metrics know beyond numbers, and the kinds themselves ---


@pytest.mark.parametrize("name", OF_DETAILS)
def test_every_detail_of_every_metric_has_a_row(name: str) -> None:
    kinds = set()
    for builder in catalog.METRICS.values():
        metric = builder(schema=SCHEMA) if "schema" in inspect.signature(builder).parameters else builder()
        pairs = [example(kind_measured(metric), index) for index in range(6)]
        metric.update([one for one, _ in pairs], as_batch([target for _, target in pairs]))
        metric.compute()
        kinds |= {type(detail) for detail in metric.details()}
    assert kinds
    assert kinds <= set(FOUND[name]), "a detail that would not be shown"
    assert set(FOUND[name]) <= kinds, "a row for a detail that no metric has"


@pytest.mark.parametrize("kind", TARGETS + PREDICTIONS)
def test_a_kind_is_a_frozen_record_that_moves_and_knows_its_size(kind: type) -> None:
    thing = made(kind)
    assert is_dataclass(kind)
    assert kind.__dataclass_params__.frozen
    assert thing.size == (SIZE if kind in OF_IMAGES else POINTS)
    moved = thing.to("meta")
    assert type(moved) is kind
    tensors = [value for value in vars(moved).values() if isinstance(value, torch.Tensor)]
    assert tensors
    assert all(tensor.device.type == "meta" for tensor in tensors)


def test_every_target_is_learned_and_every_prediction_has_an_example() -> None:
    learned = {kind for problem in catalog.PROBLEMS.values() for kind in problem.targets}
    assert learned == set(TARGETS)
    assert set(EXAMPLES) == set(PREDICTIONS)
