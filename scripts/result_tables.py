"""Writes the tables of the documentation that are made of benchmarks/results, between the marks of each page.

    python scripts/result_tables.py            # brings the pages up to date
    python scripts/result_tables.py --check    # changes nothing; fails where a page is not up to date
    python scripts/result_tables.py --show nms # prints one table

A page marks the place of a table by ``<!-- results: NAME -->`` and ``<!-- end of results -->``.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

from export_rows import export_accuracy, export_times, exports
from model_zoo import zoo
from result_files import Lines
from result_rows import TABLES

DOCS = Path(__file__).resolve().parents[1] / "docs"
ALL: dict[str, Callable[[], Lines]] = {
    **TABLES,
    "model-zoo": zoo,
    "exports": exports,
    "export-times": export_times,
    "export-accuracy": export_accuracy,
}
MARKED = re.compile(r"^<!-- results: ([\w-]+) -->\n(.*?)^<!-- end of results -->", re.DOTALL | re.MULTILINE)


def main() -> int:
    """Writes or checks the tables; the exit status is 1 where a page is not up to date."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="change nothing, fail where a page is not up to date")
    parser.add_argument("--show", choices=sorted(ALL), help="print one table and write nothing")
    options = parser.parse_args()
    if options.show:
        print("\n".join(ALL[options.show]()))
        return 0
    stale = 0
    for page in sorted(DOCS.glob("*.md")):
        text = page.read_text(encoding="utf-8")
        renewed = with_tables(text, ALL)
        if renewed != text:
            stale += 1
            print(f"{page.name}: {'not up to date' if options.check else 'written'}")
            if not options.check:
                page.write_text(renewed, encoding="utf-8")
    return int(options.check and stale > 0)


def with_tables(text: str, tables: Mapping[str, Callable[[], Lines]]) -> str:
    """A page with its tables made anew.

    Args:
        text: the page.
        tables: what makes each table.

    Raises:
        ValueError: a mark names no table, or has no end.
    """
    begun, ended = len(re.findall("^<!-- results: ", text, re.MULTILINE)), len(MARKED.findall(text))
    if begun != ended:
        raise ValueError(f"{begun} tables begin and {ended} end by <!-- end of results -->")

    def made(mark: re.Match[str]) -> str:
        if mark[1] not in tables:
            raise ValueError(f"there is no table {mark[1]!r}; there are {', '.join(sorted(tables))}")
        return "\n".join([f"<!-- results: {mark[1]} -->", "", *tables[mark[1]](), "", "<!-- end of results -->"])

    return MARKED.sub(made, text)


if __name__ == "__main__":
    sys.exit(main())
