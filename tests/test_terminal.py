"""What commands print: names as they are, and whole in a pipe."""

from __future__ import annotations

import pytest
from rich.table import Table

from visus.terminal import console

NAME = "my[v2]/[bold]:smile:/" + "x" * 200 + ".jpg"


@pytest.mark.parametrize("stderr", [False, True])
def test_names_are_printed_as_they_are(
    stderr: bool, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    console(stderr=stderr).print(f"results in {NAME}")
    told = capsys.readouterr()
    assert (told.err if stderr else told.out) == f"results in {NAME}\n"


def test_a_table_in_a_pipe_is_not_cut(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    table = Table("name")
    table.add_row(NAME)
    console().print(table)
    assert NAME in capsys.readouterr().out


def test_quiet_prints_nothing_and_markup_is_asked_for(capsys: pytest.CaptureFixture[str]) -> None:
    console(quiet=True).print("a")
    console(markup=True).print("[bold]b[/]")
    assert capsys.readouterr().out == "b\n"
