"""``visus report``: several runs side by side on one page."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro


@dataclass(frozen=True)
class ReportArguments:
    """Compare runs on one page: numbers, curves, categories, and the settings in which they differ.

    A run's own page, report.html in its folder, is written by `visus train` and `visus evaluate`.

    Args:
        runs: folders of runs that were measured.
        out: the page; default: runs/comparison.html, or the next free number. One that exists is never written over.
    """

    runs: Annotated[tuple[Path, ...], tyro.conf.Positional, tyro.conf.arg(metavar="RUN RUN ...")]
    out: Annotated[Path | None, tyro.conf.arg(metavar="FILE.html")] = None


def main(argv: list[str]) -> int:
    """Runs ``visus report``."""
    arguments = tyro.cli(ReportArguments, args=argv, prog="visus report")
    from visus.errors import VisusError
    from visus.runs.compare import compare

    if not arguments.runs:
        raise VisusError("visus report RUN RUN ...: name the folders of the runs to compare")
    compare(arguments.runs, out=arguments.out)
    return 0
