"""``visus list``: what the catalog holds, as tables."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, is_dataclass
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal

import tyro

if TYPE_CHECKING:
    from rich.table import Table

Kind = Literal["models", "datasets", "recipes", "weights", "losses", "metrics"]


@dataclass(frozen=True)
class ListArguments:
    """Show what there is to build, train, measure and download.

    Args:
        kind: one kind only; default: all of them.
        name: one entry only, with all that is known of it. A recipe is printed as JSON: save it, change it, and train
            it with `visus train FILE.json`.
    """

    kind: Annotated[Kind | None, tyro.conf.Positional] = None
    name: Annotated[str | None, tyro.conf.Positional] = None


def main(argv: list[str]) -> int:
    """Runs ``visus list``."""
    arguments = tyro.cli(ListArguments, args=argv, prog="visus list")
    from visus.terminal import console

    if arguments.kind is not None and arguments.name is not None:
        print(_entry(arguments.kind, arguments.name), end="")
        return 0
    for kind, table in TABLES.items():
        if arguments.kind in (None, kind):
            console().print(table(), "")
    return 0


def _entry(kind: Kind, name: str) -> str:
    """All that is known of one entry: a recipe as JSON, anything else by its documentation and its options."""
    from visus import catalog
    from visus.names import find
    from visus.nn.published import PACKAGED, PUBLISHED
    from visus.recipes import RECIPES

    if kind == "recipes":
        return find(RECIPES, name, "recipe")().to_json()
    entries: dict[str, Mapping[str, Any]] = {
        "models": catalog.MODELS,
        "datasets": catalog.DATASETS,
        "losses": catalog.LOSSES,
        "metrics": catalog.METRICS,
        "weights": PUBLISHED | PACKAGED,
    }
    entry = find(
        entries[kind],
        name,
        {"losses": "loss", "datasets": "data set", "weights": "published weights"}.get(kind, kind.removesuffix("s")),
    )
    if is_dataclass(entry):
        return "".join(f"{f.name}: {_plain(getattr(entry, f.name))}\n" for f in fields(entry))
    options = [parameter for parameter in inspect.signature(entry).parameters.values() if parameter.name != "self"]
    defaults = [f"  {p.name} = {p.default!r}" for p in options if p.default is not p.empty]
    return "\n".join(
        (inspect.getdoc(entry) or name, *(["", "Options and their defaults:", *defaults] if defaults else []), "")
    )


def _plain(value: object) -> str:
    """A value of a record as a person reads it."""
    if callable(value):
        return summary(value) or "yes"
    return "-" if value is None else str(value)


def summary(thing: object) -> str:
    """The first sentence of an object's documentation, on one line."""
    text = inspect.getdoc(thing) or ""
    paragraph = " ".join(text.partition("\n\n")[0].replace("``", "`").split())
    first, stop, _ = paragraph.partition(". ")
    return first if stop else paragraph.removesuffix(".")


def _models() -> Table:
    from visus.catalog import MODELS, problem_of
    from visus.nn.published import PUBLISHED

    table = _table("models", "name", "problem", "published", "what it is")
    for name, builder in MODELS.items():
        weights = PUBLISHED.get(name)
        table.add_row(name, problem_of(name).name, _metric(weights.metric) if weights else "", summary(builder))
    return table


def _datasets() -> Table:
    from visus.catalog import DATASETS

    table = _table("datasets", "name", "what it is")
    for name, entry in DATASETS.items():
        table.add_row(name, entry.summary)
    return table


def _recipes() -> Table:
    from rich.text import Text

    from visus.recipes import BY_PROBLEM

    table = _table("recipes", "name", "what it is")
    for problem, recipes in BY_PROBLEM.items():
        table.add_section()
        table.add_row(Text(problem, "bold"), "")
        for name, recipe in recipes.items():
            table.add_row(f"  {name}", summary(recipe))
    return table


def _weights() -> Table:
    from importlib.util import find_spec

    from visus.nn.published import PACKAGED, PUBLISHED
    from visus.predict.stored import architecture_of, is_cached

    table = _table("weights", "name", "published measure", "MB", "cached", "licence", "use")
    table.columns[2].justify = "right"
    for name, weights in PUBLISHED.items():
        use = (
            "visus predict" if architecture_of(name) else "backbone" if weights.num_classes == 1000 else "no model yet"
        )
        here = "yes" if is_cached(name) else ""
        table.add_row(name, _metric(weights.metric), f"{weights.size_mb:.0f}", here, weights.licence, use)
    for name, packaged in PACKAGED.items():
        here = "yes" if find_spec(packaged.package) else f"extra {packaged.extra}"
        table.add_row(name, "", f"{packaged.size_mb:.0f}", here, packaged.licence, "visus predict")
    return table


def _losses() -> Table:
    from visus.catalog import LOSSES

    return _summaries("losses", LOSSES)


def _metrics() -> Table:
    from visus.catalog import METRICS

    return _summaries("metrics", METRICS)


TABLES: Final[dict[str, Callable[[], Table]]] = {
    "models": _models,
    "datasets": _datasets,
    "recipes": _recipes,
    "weights": _weights,
    "losses": _losses,
    "metrics": _metrics,
}
"""What makes the table of each kind."""


def _summaries(title: str, entries: Mapping[str, Any]) -> Table:
    table = _table(title, "name", "what it is")
    for name, entry in entries.items():
        table.add_row(name, summary(entry))
    return table


def _table(title: str, *columns: str) -> Table:
    from rich import box
    from rich.table import Table

    table = Table(*columns, title=title, title_justify="left", title_style="bold", box=box.SIMPLE_HEAD, pad_edge=False)
    table.columns[0].no_wrap = True
    table.columns[0].style = "cyan"
    return table


def _metric(metric: Mapping[str, float]) -> str:
    """Numbers such as ``box AP 37.9, mask AP 34.6``."""
    return ", ".join(f"{name} {value:g}" for name, value in metric.items())
