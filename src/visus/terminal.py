"""Where commands print: one way to make a console, in which no name of a file is taken for markup or cut."""

from __future__ import annotations

import sys

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
