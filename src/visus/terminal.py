"""Where commands print: one way to make a console, in which no name of a file is taken for markup or cut."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console

_UNCUT = 1_000_000  # columns


def console(*, stderr: bool = False, quiet: bool = False, markup: bool = False) -> Console:
    """A console that prints what it is given: ``[v2]`` and ``:smile:`` stay as they are.

    On a terminal, lines are as long as it is wide. In a file or a pipe nothing is wrapped or cut, whatever the
    variable ``COLUMNS`` says, so that ``grep`` and a log find names whole.

    Args:
        stderr: print to standard error.
        quiet: print nothing.
        markup: read ``[bold]`` and the like; whoever asks for it escapes every name (`rich.markup.escape`).
    """
    stream = sys.stderr if stderr else sys.stdout
    width = None if stream.isatty() else _UNCUT
    return Console(stderr=stderr, quiet=quiet, markup=markup, emoji=False, highlight=False, width=width)


@contextmanager
def bar(text: str, total: int, terminal: Console | None = None) -> Iterator[Callable[[int], None]]:
    """A bar of progress on a terminal, which goes away at the end; elsewhere nothing is printed.

    Args:
        text: what is going on.
        total: how many there are.
        terminal: where to print; a new `console` when None.

    Yields:
        What moves the bar by a count.
    """
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    terminal = terminal or console()
    columns = (TextColumn(f"[bold cyan]{text}"), BarColumn(bar_width=24), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=terminal, transient=True, disable=not terminal.is_terminal) as progress:
        task = progress.add_task("", total=total)
        yield lambda count: progress.advance(task, count)
