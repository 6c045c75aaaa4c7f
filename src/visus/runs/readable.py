"""Training on a data set some of whose images cannot be read: those are left out, and named."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import TYPE_CHECKING

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from visus.data.errors import AnnotationError, ImageError
from visus.names import counted
from visus.training.recipe import Recipe

if TYPE_CHECKING:
    from visus.data.feed.loader import SampleDataset

MOST_NAMED = 20


@contextmanager
def advice(recipe: Recipe) -> Iterator[None]:
    """Inside, an image that cannot be read is named with what leaves it out."""
    try:
        yield
    except ImageError as error:
        if recipe.data.skip_bad:
            raise
        raise ImageError(f"{error}; --data.skip-bad leaves out and lists what cannot be read") from error


def only_readable(dataset: SampleDataset, console: Console, *, what: str) -> SampleDataset:
    """The samples that can be read; prints a line for each of the others, and reads all of them once.

    Args:
        dataset: the samples.
        console: where to print.
        what: what they are called ("training images").

    Raises:
        AnnotationError: none can be read.
    """
    from visus.data.records.chosen import chosen, unreadable

    columns = (TextColumn(f"[bold cyan]reading the {what} once"), BarColumn(bar_width=24), MofNCompleteColumn())
    bar = Progress(*columns, console=console, transient=True) if console.is_terminal else None
    with bar or nullcontext():
        task = bar.add_task("", total=len(dataset)) if bar else None
        bad = unreadable(dataset, lambda: bar.advance(task) if bar and task is not None else None)
    if not bad:
        return dataset
    lines = [f"  {message}" for message in bad.values()]
    if len(bad) == len(dataset):
        raise AnnotationError(f"none of the {counted(len(dataset), what)} can be read; the first:\n{lines[0]}")
    rest = [f"  and {len(lines) - MOST_NAMED} more"] if len(lines) > MOST_NAMED else []
    lines = [f"Left out {len(bad)} of {counted(len(dataset), what)}:", *lines[:MOST_NAMED], *rest]
    console.print(escape("\n".join(lines)), soft_wrap=True, highlight=False)
    return chosen(dataset, [place for place in range(len(dataset)) if place not in bad])
