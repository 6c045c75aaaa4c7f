"""The page of a run on the Hugging Face Hub: what it is, what its numbers were measured on, and how it is used.

The head is YAML that the Hub reads (https://huggingface.co/docs/hub/model-cards): library, task, data, and the numbers
as ``model-index``. What a run does not know is left out, never guessed: its licence, above all.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import yaml  # type: ignore[import-untyped]

from visus import __version__, catalog
from visus.data.datasets import DATASETS
from visus.data.entry import OF_THE_OWNER
from visus.metrics.metric import Measure
from visus.training.recipe import Recipe
from visus.training.run import RunFolder
from visus.types import Schema

PIPELINES: Final[dict[str, str | None]] = {
    "detection": "object-detection",
    "instances": "image-segmentation",
    "classification": "image-classification",
    "segmentation": "image-segmentation",
    "metric_learning": "image-feature-extraction",
    "meta_learning": "image-classification",
    "shapes3d": None,
    "shape_parts": None,
    "scene_graphs": None,
    "scene_generation": None,
}
"""The Hub's name for each problem; None where it has none."""

_NAMED = 30  # categories that are listed


def model_card(run: RunFolder, schema: Schema, address: str, *, licence: str | None = None) -> str:
    """The text of README.md.

    Args:
        run: with its recipe, and its numbers where it was measured.
        schema: of its weights.
        address: under which it will be loaded.
        licence: of the weights, as the Hub calls it (``apache-2.0``); None where nobody has said.

    Raises:
        RunError: no run, or its numbers are damaged.
    """
    recipe = run.recipe()
    numbers = _numbers(run)
    head = yaml.safe_dump(_head(recipe, numbers, address, licence), sort_keys=False, allow_unicode=True)
    parts = [
        f"---\n{head}---\n",
        f"# {recipe.name}",
        f"A `{recipe.model}` for {catalog.problem_of(recipe.model).name.replace('_', ' ')}, trained with "
        f"visus {__version__}.",
        _use(address),
        _classes(schema),
        f"## Data\n\n{_data_words(recipe)}",
        f"## Numbers\n\n{_number_words(recipe, run, numbers)}",
        f"## Licence\n\n{_licence_words(licence)}",
    ]
    return "\n\n".join(part.strip("\n") for part in parts if part) + "\n"


def data_name(recipe: Recipe) -> str:
    """What the data of a run is called: the name of the catalog, and the folder where it lay, without its path."""
    folder = Path(recipe.data.root).name
    return f"{recipe.data.dataset} ({folder})" if folder else recipe.data.dataset


def _head(
    recipe: Recipe, numbers: Mapping[str, tuple[float, Measure]], address: str, licence: str | None
) -> dict[str, Any]:
    problem = catalog.problem_of(recipe.model)
    task = PIPELINES[problem.name]
    head: dict[str, Any] = {"library_name": "visus", "tags": ["visus", problem.name.replace("_", "-"), recipe.model]}
    if licence:
        head["license"] = licence
    if task:
        head["pipeline_tag"] = task
    head["datasets"] = [recipe.data.dataset]
    if numbers:
        metrics = [{"type": _slug(name), "name": name, "value": value} for name, (value, _) in numbers.items()]
        data = {"type": recipe.data.dataset, "name": data_name(recipe), "split": recipe.data.val}
        result = {"task": {"type": task or "other", "name": problem.name}, "dataset": data, "metrics": metrics}
        head["metrics"] = [metric["type"] for metric in metrics]
        head["model-index"] = [{"name": address.rpartition("/")[2].partition("@")[0], "results": [result]}]
    return head


def _numbers(run: RunFolder) -> dict[str, tuple[float, Measure]]:
    """The headlines of metrics.json that there was something to measure for, and what they mean."""
    if not run.metrics_file.is_file():
        return {}
    values = run.metrics()
    said: Any = values.get("measures")
    said = said if isinstance(said, dict) else {}
    measures = {name: Measure(**fields) for name, fields in said.items()}
    return {
        name: (float(value), measures[name])
        for name, value in values.items()
        if isinstance(value, int | float)
        and name in measures
        and measures[name].headline
        and measures[name].known(value)
    }


def _use(address: str) -> str:
    return f"""## Use

```sh
pip install "visus[hub]"
visus predict {address} photo.jpg
```

```python
import visus

[result] = visus.load("{address}").predict("photo.jpg")
```

The weights are safetensors and the rest is JSON and CSV: nothing here can run code."""


def _classes(schema: Schema) -> str:
    names = [f"{name}" for name in schema.categories[:_NAMED]]
    more = f" and {schema.num_classes - _NAMED} more (`schema.json`)" if schema.num_classes > _NAMED else ""
    return f"## Classes\n\n{schema.num_classes}: {', '.join(names)}{more}." if names else ""


def _data_words(recipe: Recipe) -> str:
    entry = DATASETS.get(recipe.data.dataset)
    words = f"Trained on the split `{recipe.data.train}` of {data_name(recipe)}."
    if entry is None:
        return words
    owner = " Who owns that data is not known here." if entry.licence == OF_THE_OWNER else f" Licence: {entry.licence}."
    return f"{words} {entry.summary[:1].upper()}{entry.summary[1:]}.{owner}"


def _number_words(recipe: Recipe, run: RunFolder, numbers: Mapping[str, tuple[float, Measure]]) -> str:
    if not numbers:
        return "None: this run has not been measured (`visus evaluate` does)."
    count = run.metrics().get("pictures")
    noun = catalog.problem_of(recipe.model).noun
    lines = "\n".join(f"| {name} | {measure.text(value)} |" for name, (value, measure) in numbers.items())
    where = f"{count} {noun} of the split `{recipe.data.val}` of {data_name(recipe)}"
    return f"""Measured on {where}, after the training, with its best weights, which were chosen on
that split too. Shares are in hundredths. All numbers are in `metrics.json`.

| measure | value |
|---|---|
{lines}"""


def _licence_words(licence: str | None) -> str:
    if licence:
        return f"`{licence}`, as the one who pushed it has stated."
    return "Nobody has stated one: ask before using these weights."


def _slug(name: str) -> str:
    return "".join(letter if letter.isalnum() else "_" for letter in name.lower())
