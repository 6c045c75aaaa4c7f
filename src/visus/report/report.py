"""``report.html``: what a run learned and where it fails, on one page that needs nothing but itself."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from html import escape
from pathlib import Path
from typing import Any

from visus.data.feed.loader import SampleDataset
from visus.metrics.metric import ConfusionMatrix, Measure, PerCategory
from visus.metrics.object_confusion import ObjectConfusion
from visus.metrics.ranking import quality_meaning
from visus.metrics.retrieval import Embedded
from visus.metrics.scene_graphs import Conventions
from visus.metrics.score_curves import ScoreCurves
from visus.names import counted
from visus.report.batch import batch_html
from visus.report.charts import bar_chart
from visus.report.confusion import confusion_chart
from visus.report.curves import curves
from visus.report.distribution import distribution
from visus.report.layout import header, machine, section, write_body
from visus.report.measures import cards, measure_tables
from visus.report.neighbours import neighbours_html, recall_chart
from visus.report.objects import confusion_section, score_sections
from visus.report.pairs import Example, OnError, worst_and_best
from visus.types import Batch, Schema, row

Section = tuple[str, str, str]

REPORT = "report.html"
USUAL_THRESHOLD = 0.5
"""The least score that counts where none is suggested."""

_MOST_CATEGORIES = 100


@dataclass(frozen=True)
class Results:
    """What the best weights of a run are worth.

    Args:
        numbers: by name.
        measures: what each number of the results and of the history means, but for losses.
        details: what the metric found beyond numbers; each kind has a row in `SECTIONS`.
        examples: input with its truth, what was predicted, and how good that is (larger is better).
        dataset: what was measured on.
        threshold: the least score of an object that is drawn; nan where none could be suggested.
    """

    numbers: Mapping[str, float]
    measures: Mapping[str, Measure]
    details: Sequence[Any] = ()
    examples: Sequence[Example] = ()
    dataset: SampleDataset | None = None
    threshold: float = math.nan

    @property
    def drawn_from(self) -> float:
        """The least score of an object that is drawn."""
        return USUAL_THRESHOLD if math.isnan(self.threshold) else self.threshold


@dataclass(frozen=True)
class Background:
    """What a report tells of a run beside its results.

    Args:
        facts: short texts by name, for the line below the heading.
        splits: the data by the name of the split, whose labels and sizes are counted.
        batch: one of training, as the network saw it.
        noun: what the samples are called, several of them.
    """

    facts: Mapping[str, str] = field(default_factory=dict)
    splits: Mapping[str, SampleDataset] = field(default_factory=dict)
    batch: Batch | None = None
    noun: str = "images"


def _ignore(name: str, error: Exception) -> None:
    """Nobody asks for what could not be drawn."""


def write_report(
    run: Path,
    *,
    title: str,
    schema: Schema,
    history: list[dict[str, float]],
    results: Results,
    name: str = REPORT,
    background: Background | None = None,
    on_error: OnError = _ignore,
) -> Path:
    """Writes the report of a run.

    Args:
        run: the folder; its ``recipe.json`` is shown where it has one.
        title: the heading.
        schema: the names of the categories, and how keypoints are connected.
        history: one dict per epoch: ``train ...`` and ``val ...`` losses, measures such as ``box AP``, ``lr``.
        results: of the best weights.
        name: of the file.
        background: what else is known of the run.
        on_error: told the name of each image that could not be drawn, and why; the page has it plain.

    Returns:
        The path of the page.
    """
    about, numbers, measures = background or Background(), results.numbers, results.measures
    sections = [part for detail in results.details for part in _detail(detail, title, schema, results)]
    examples = worst_and_best(results.examples, schema, results.drawn_from, on_error)
    counted, counted_note = distribution(about.splits, schema, noun=about.noun)
    batch = batch_html(about.batch, schema, on_error) if about.batch is not None else ""
    body = "\n".join(
        (
            header(run, title, about.facts),
            cards(numbers, measures, _facts(run, results)),
            section("Measures", *measure_tables(numbers, measures)),
            section("Training", curves(history, measures)),
            *(section(*part) for part in sections),
            *(section(heading, html, _about_examples(heading, results)) for heading, html in examples.items()),
            section("The data", counted, counted_note),
            section("A training batch as the network saw it", batch, _ABOUT_BATCH),
            section("How it was made", _recipe(run) + machine()),
        )
    )
    return write_body(run / name, title, body)


_ABOUT_BATCH = (
    "Augmented, resized and padded, with what the network was told of each image. The first batch of training."
)


def _about_examples(name: str, results: Results) -> str:
    """What the quality below a picture is, and how to read the drawings."""
    if not results.examples or not name.startswith("Worst"):
        return ""
    meaning = quality_meaning(results.examples[0][1]).format(threshold=f"{results.drawn_from:.2f}")
    return f"{meaning} A click on a picture enlarges it."


def _detail(detail: Any, title: str, schema: Schema, results: Results) -> list[Section]:
    return row(SECTIONS, detail, "the report")(detail, title, schema, results)


def _facts(run: Path, results: Results) -> dict[str, str]:
    """The threshold, the model and the data set of a run, where they are known."""
    recipe = _recipe_values(run)
    data = recipe.get("data")
    dataset = data.get("dataset") if isinstance(data, dict) else None
    threshold = "" if math.isnan(results.threshold) else f"{results.threshold:.2f}"
    facts = (("score threshold", threshold), ("model", recipe.get("model")), ("data", dataset))
    return {name: str(value) for name, value in facts if value}


def _categories(detail: PerCategory, title: str, schema: Schema, results: Results) -> list[Section]:
    """Bars of each category, the best of the first measure on top."""
    names = list(detail.values)
    categories = dict.fromkeys(category for values in detail.values.values() for category in values)
    if not categories:
        return []
    rows = [(category, [detail.values[name].get(category) for name in names]) for category in categories]
    rows.sort(key=lambda line: -max((v for v in line[1][:1] if v is not None), default=-1.0))
    measured = [line for line in rows if any(value is not None for value in line[1])]
    absent = len(rows) - len(measured)
    rows = measured or rows
    note = "In hundredths. A dash: there was nothing to measure."
    if measured and absent:
        note += f" Nothing of {counted(absent, 'categories')} is annotated here, so they are left out."
    if len(rows) > _MOST_CATEGORIES:
        half = _MOST_CATEGORIES // 2
        note += f" The best and the worst {half} of {len(rows)}; all are in metrics.json."
        rows = rows[:half] + rows[-half:]
    return [("Categories", f'<div class="panel">{bar_chart(rows, names)}</div>', note)]


def _confusion(detail: ConfusionMatrix, title: str, schema: Schema, results: Results) -> list[Section]:
    """The matrix as a heat map."""
    chart = confusion_chart(detail.counts.cpu(), schema.categories)
    note = "What the true classes (rows) were taken for (columns), in hundredths of each row."
    return [("Confusion matrix", f'<div class="panel">{chart}</div>' if chart else "", note)]


def _retrieval(detail: Embedded, title: str, schema: Schema, results: Results) -> list[Section]:
    """Recall over K, and queries with their nearest neighbours."""
    sections = [("Recall", recall_chart({title: dict(results.numbers)}), "")]
    if results.dataset is not None:
        sections.append(("Nearest neighbours", neighbours_html(results.dataset, detail), ""))
    return sections


def _curves_of_scores(detail: ScoreCurves, title: str, schema: Schema, results: Results) -> list[Section]:
    """Precision, recall and F1 of each category, and what the threshold makes of them."""
    return score_sections(detail)


def _confusion_of_objects(detail: ObjectConfusion, title: str, schema: Schema, results: Results) -> list[Section]:
    """What objects are detected as."""
    return [confusion_section(detail, schema.categories)]


def _conventions(detail: Conventions, title: str, schema: Schema, results: Results) -> list[Section]:
    return [("Conventions", f"<p>{escape(detail.text)}</p>", "")]


SECTIONS: dict[type, Callable[[Any, str, Schema, Results], list[Section]]] = {
    PerCategory: _categories,
    ConfusionMatrix: _confusion,
    Embedded: _retrieval,
    ScoreCurves: _curves_of_scores,
    ObjectConfusion: _confusion_of_objects,
    Conventions: _conventions,
}
"""What the report shows of each kind of detail of a metric: heading, safe HTML and a note."""


def _recipe(run: Path) -> str:
    values = _recipe_values(run)
    if not values:
        return ""
    return f"<details><summary>Recipe</summary><pre>{escape(json.dumps(values, indent=2))}</pre></details>"


def _recipe_values(run: Path) -> dict[str, object]:
    """The content of ``recipe.json``, empty where there is none."""
    path = run / "recipe.json"
    values: dict[str, object] = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    return values
