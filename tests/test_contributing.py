"""The checklists of docs/contributing.md, followed to the letter in a copy of the repository."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
import textwrap
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
CHECKLISTS = (ROOT / "docs" / "contributing.md").read_text(encoding="utf-8").partition("## Checklists")[2]
COPIED = ("src", "tests", "docs", "examples", "scripts", "benchmarks")
BLOCK = re.compile(r"^( *)```(\w*)\n(.*?)^\1```$", re.MULTILINE | re.DOTALL)
PATH = re.compile(r"`((?:src|tests|docs)/[\w./]+\.\w+|mkdocs\.yml)`")


@dataclass(frozen=True)
class Step:
    """A block of a checklist: what to write, what to change, or what to run.

    Args:
        kind: python or text (a new file), diff (a change), or nothing (commands).
        path: of the file, as the prose before the block names it last.
        text: of the block.
    """

    kind: str
    path: str
    text: str


def checklists() -> dict[str, list[Step]]:
    """The steps of each kind of addition, by its heading."""
    parts = re.split(r"^### (.*)$", CHECKLISTS.partition("\n## ")[0], flags=re.MULTILINE)[1:]
    found: dict[str, list[Step]] = {}
    for heading, text in zip(parts[::2], parts[1::2], strict=True):
        found[heading], path, end = [], "", 0
        for block in BLOCK.finditer(text):
            path = ([path, *PATH.findall(text[end : block.start()])])[-1]
            found[heading].append(Step(block[2], path, textwrap.dedent(block[3])))
            end = block.end()
    return found


def follow(step: Step, root: Path) -> None:
    """Writes or changes the file of a step."""
    file = root / step.path
    if step.kind in ("python", "text"):
        assert not file.exists(), f"{step.path} is there already"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(step.text, encoding="utf-8")
    elif step.kind == "diff":
        for hunk in step.text.split("@@\n"):
            lines = hunk.splitlines()
            before, after = ("\n".join(line[1:] for line in lines if line[0] != sign) for sign in "+-")
            whole = "\n" + file.read_text(encoding="utf-8")
            assert whole.count(f"\n{before}\n") == 1, f"{step.path} has not once: {before}"
            file.write_text(whole.replace(f"\n{before}\n", f"\n{after}\n")[1:], encoding="utf-8")


def run(command: list[str], root: Path) -> str:
    """Runs a command in a copy with its own sources; the tail of what it prints."""
    environment = os.environ | {"PYTHONPATH": str(root / "src"), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, cwd=root, env=environment, capture_output=True, text=True, check=False)
    said = (done.stdout + done.stderr)[-6000:]
    assert done.returncode == 0, f"{shlex.join(command)}\n{said}"
    return said


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy in which all checklists were followed."""
    root = tmp_path_factory.mktemp("visus")
    for name in COPIED:
        shutil.copytree(ROOT / name, root / name, ignore=shutil.ignore_patterns("__pycache__", "results"))
    for file in ROOT.iterdir():
        if file.is_file():
            shutil.copy(file, root / file.name)
    for steps in checklists().values():
        for step in steps:
            follow(step, root)
    return root


@pytest.mark.slow
def test_what_the_checklists_write_passes_the_tools(copy: Path) -> None:
    """Lint, format, layers, types, and the rules of the architecture."""
    new = [step.path for steps in checklists().values() for step in steps if step.kind == "python"]
    changed = [step.path for steps in checklists().values() for step in steps if step.path.endswith(".py")]
    tools = Path(sys.executable).parent
    run([str(tools / "ruff"), "check", *{*new, *changed}], copy)
    run([str(tools / "ruff"), "format", "--check", *{*new, *changed}], copy)
    run([sys.executable, "-m", "pytest", "tests/test_architecture.py"], copy)  # which checks the layers, too
    run([str(tools / "mypy"), *(path for path in new if path.startswith("src/"))], copy)


@pytest.mark.slow
@pytest.mark.parametrize("heading", checklists())
def test_the_commands_of_a_checklist_pass(heading: str, copy: Path) -> None:
    """They select tests, and those pass."""
    for command in (line for step in checklists()[heading] if not step.kind for line in step.text.splitlines()):
        words = shlex.split(command)
        assert words[0] == ".venv/bin/python"
        said = run([sys.executable, *words[1:]], copy)
        assert re.search(r"\d+ passed", said), said


def test_there_is_a_checklist_for_each_kind() -> None:
    kinds = ("loss", "metric", "model", "backbone", "data set", "augmentation", "recipe", "problem")
    assert [heading.removeprefix("A ").removeprefix("An ") for heading in checklists()] == list(kinds)
    assert all({"python", "diff", ""} <= {step.kind for step in steps} for steps in checklists().values())
