"""The rules of STYLE.md that a machine can hold: layers, sizes, names, signatures, imports, docstrings and examples."""

from __future__ import annotations

import ast
import doctest
import importlib
import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import packages_distributions
from pathlib import Path
from typing import TypeAlias, get_args

import pytest
import torch

from visus.catalog import PROBLEMS
from visus.ops.boxes import box_area
from visus.types import Prediction, Target

ROOT = Path(__file__).resolve().parents[1]
SOURCES = sorted((ROOT / "src").rglob("*.py"))
PYTHON_FILES = SOURCES + [
    path for folder in ("tests", "benchmarks", "examples", "scripts") for path in sorted((ROOT / folder).rglob("*.py"))
]
TREES = {path: ast.parse(path.read_text(encoding="utf-8")) for path in SOURCES}

Function: TypeAlias = ast.FunctionDef | ast.AsyncFunctionDef


def _where(path: Path, line: int | None = None) -> str:
    """A place as an editor opens it."""
    return f"{path.relative_to(ROOT)}:{line}" if line else str(path.relative_to(ROOT))


def _functions() -> Iterator[tuple[Path, Function]]:
    """Every function and method of the sources."""
    for path, tree in TREES.items():
        for node in ast.walk(tree):
            if isinstance(node, Function):
                yield path, node


def _imports(tree: ast.AST) -> Iterator[tuple[str, int]]:
    """Every absolutely imported module of a file, with its line."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((alias.name, node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and not node.level:
            yield str(node.module), node.lineno


def _run_fresh(code: str) -> str:
    """What a fresh interpreter prints for ``code``."""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


# --- layers ---


def test_imports_keep_the_layers() -> None:
    """The contracts of pyproject.toml hold."""
    tool = shutil.which("lint-imports", path=str(Path(sys.executable).parent)) or "lint-imports"
    done = subprocess.run([tool, "--no-cache"], capture_output=True, text=True, cwd=ROOT, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_no_module_imports_itself_through_others() -> None:
    """Imports make no cycle: modules can be read, and loaded, from the lowest upwards."""
    code = (
        "import graphlib, grimp; "
        "graph = grimp.build_graph('visus', cache_dir=None, exclude_type_checking_imports=True); "
        "graphlib.TopologicalSorter({m: graph.find_modules_directly_imported_by(m) for m in graph.modules}).prepare()"
    )
    _run_fresh(code)


def test_the_training_engine_stays_in_its_package() -> None:
    """Lightning takes seconds to import: only visus.training may name it."""
    strays = [
        _where(path, line)
        for path, tree in TREES.items()
        for module, line in _imports(tree)
        if module.split(".")[0] in {"pytorch_lightning", "lightning"}
        and not path.is_relative_to(ROOT / "src/visus/training")
    ]
    assert not strays, f"move what needs the engine to visus.training: {strays}"


def test_every_imported_package_is_declared() -> None:
    """A package that the sources import stands in pyproject.toml, as a dependency or in an extra for users."""
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    declared = text[: text.index("\ndev = [")].lower().replace("_", "-")
    owners = packages_distributions()
    missing = set()
    for path, tree in TREES.items():
        for module, line in _imports(tree):
            top = module.split(".")[0]
            if top in sys.stdlib_module_names or top in {"visus", "__future__"}:
                continue
            names = [name.lower().replace("_", "-") for name in owners.get(top, [top])]
            if not any(re.search(rf'"{re.escape(name)}[\[<>=!~"]', declared) for name in names):
                missing.add(f"{_where(path, line)} imports {top}")
    assert not missing, f"declare these in pyproject.toml and constraints.txt: {sorted(missing)}"


def test_importing_visus_is_light() -> None:
    """``import visus`` brings in no engine and no model, and costs less than a second of work beyond torch."""
    code = (
        "import json, sys, time, torch; start = time.process_time(); import visus; took = time.process_time() - start; "
        "print(json.dumps([took, sorted(sys.modules)]))"
    )
    took, modules = json.loads(_run_fresh(code))
    heavy = ("torchvision", "pytorch_lightning", "torchmetrics", "hotcoco", "tensorboard", "tyro")
    ours = ("visus.systems", "visus.data", "visus.training", "visus.cli", "visus.catalog")
    assert not [name for name in modules if name.split(".")[0] in heavy or name.startswith(ours)]
    assert took < 1.0


# --- sizes and names ---


def test_files_are_short() -> None:
    """No file holds more than 400 lines."""
    lengths = {path: len(path.read_text(encoding="utf-8").splitlines()) for path in PYTHON_FILES}
    long = [f"{_where(path)}: {length} lines" for path, length in lengths.items() if length > 400]
    assert not long, f"is each of these still one thing? {long}"


def test_functions_are_short() -> None:
    """A function holds at most 60 lines, its docstring included; more than 50 want a reason."""
    long = [
        f"{_where(path, node.lineno)} {node.name}: {length} lines"
        for path, node in _functions()
        if (length := int(node.end_lineno or 0) - node.lineno + 1) > 60
    ]
    assert not long, f"give the parts names of their own: {long}"


def test_files_are_named_for_what_they_hold() -> None:
    """No file or folder is a drawer for anything."""
    drawers = re.compile(r"(^|_)(utils?|misc|common|helpers?)(_|$)")
    bad = [
        _where(path)
        for path in PYTHON_FILES
        for part in path.relative_to(ROOT).parts
        if drawers.search(Path(part).stem)
    ]
    assert not bad, f"name these for what they hold: {bad}"


def test_packages_only_show_their_names() -> None:
    """An ``__init__.py`` has a docstring, imports, constants and perhaps a lazy ``__getattr__``, and no work."""
    allowed = (ast.Import, ast.ImportFrom, ast.Assign, ast.AnnAssign, ast.If)
    bad = []
    for path, tree in TREES.items():
        if path.name != "__init__.py":
            continue
        for node in tree.body:
            is_text = isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
            is_lazy = isinstance(node, ast.FunctionDef) and node.name in {"__getattr__", "__dir__"}
            if not (isinstance(node, allowed) or is_text or is_lazy):
                bad.append(_where(path, node.lineno))
    assert not bad, f"move these out of __init__.py: {bad}"


# --- signatures ---


COVERS = ("src/visus/nn/fused/optimize.py", "src/visus/training/processes.py")
"""Stand in for any method of any network, and for Lightning's start of any function: they take what these take."""


def test_no_keyword_arguments_are_passed_through() -> None:
    """A function that hands its ``**kwargs`` on hides what it accepts."""
    bad = []
    for path, node in _functions():
        if _where(path, 0).startswith(COVERS):
            continue
        name = node.args.kwarg.arg if node.args.kwarg else None
        calls = [call for call in ast.walk(node) if isinstance(call, ast.Call)]
        handed_on = [k.value for call in calls for k in call.keywords if k.arg is None]
        if name and any(isinstance(value, ast.Name) and value.id == name for value in handed_on):
            bad.append(f"{_where(path, node.lineno)} {node.name}")
    assert not bad, f"name the arguments: {bad}"


def test_constructors_are_flat() -> None:
    """A constructor takes at most eight arguments, and those of a module by keyword where there are more than four."""
    bad = [
        f"{_where(path, node.lineno)}: {count} arguments"
        for path, node in _functions()
        if node.name == "__init__" and (count := len([*node.args.args, *node.args.kwonlyargs]) - 1) > 8
    ]
    assert not bad, f"more than eight arguments are two objects: {bad}"


def test_no_default_is_mutable() -> None:
    """A list, dict or set as default would be shared by all calls."""
    mutable = (ast.List, ast.Dict, ast.Set, ast.ListComp, ast.DictComp, ast.SetComp)
    bad = [
        f"{_where(path, node.lineno)} {node.name}"
        for path, node in _functions()
        for default in [*node.args.defaults, *node.args.kw_defaults]
        if isinstance(default, mutable)
    ]
    assert not bad, f"use None or a tuple: {bad}"


def _bare_tensor(node: ast.AST, dtypes: set[str]) -> bool:
    """Whether a tensor stands in an annotation without a shape, say ``list[Tensor]``."""
    if isinstance(node, ast.Subscript) and isinstance(node.value, ast.Name) and node.value.id in dtypes:
        return False
    name = node.id if isinstance(node, ast.Name) else node.attr if isinstance(node, ast.Attribute) else ""
    return name == "Tensor" or any(_bare_tensor(child, dtypes) for child in ast.iter_child_nodes(node))


def _public_signatures(body: list[ast.stmt]) -> Iterator[tuple[ast.stmt, str, list[ast.expr | None]]]:
    """The annotations of public functions, of the methods of public classes, and of public names for types."""
    for node in body:
        if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
            yield from _public_signatures([part for part in node.body if isinstance(part, Function | ast.ClassDef)])
        elif isinstance(node, Function) and (not node.name.startswith("_") or node.name.startswith("__")):
            given = node.args
            every = [*given.posonlyargs, *given.args, *given.kwonlyargs, *filter(None, (given.vararg, given.kwarg))]
            yield node, node.name, [*(one.annotation for one in every), node.returns]
        elif isinstance(node, ast.Assign) and isinstance(node.value, ast.Subscript | ast.BinOp):
            yield node, ast.unparse(node.targets[0]), [node.value]


def test_public_signatures_have_shapes() -> None:
    """Every public function that takes or gives tensors says of which shape: ``Float[Tensor, "n 4"]``, never bare."""
    bare = []
    for path, tree in TREES.items():
        imports = [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and node.module == "jaxtyping"]
        dtypes = {alias.asname or alias.name for node in imports for alias in node.names}
        for node, name, signature in _public_signatures(tree.body):
            if any(part and _bare_tensor(part, dtypes) for part in signature):
                bare.append(f"{_where(path, node.lineno)} {name}")
    assert not bare, f"give these tensors shapes: {bare}"


def test_shapes_are_checked_while_tests_run() -> None:
    """The hook that pyproject.toml names is at work: a box of five numbers is refused."""
    with pytest.raises(TypeError, match=r"(?i)type-check"):
        box_area(torch.zeros(3, 5))


# --- kinds ---


def _names(node: ast.AST) -> set[str]:
    """The last parts of all names in an expression."""
    found = (part for part in ast.walk(node) if isinstance(part, ast.Name | ast.Attribute))
    return {part.id if isinstance(part, ast.Name) else part.attr for part in found}


def _asked(node: ast.AST, kinds: set[str], problems: set[str]) -> set[str]:
    """The kinds and problems by which a node of a syntax tree decides what is done."""
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in {"isinstance", "issubclass"}:
        return _names(node.args[1]) & kinds
    if isinstance(node, ast.Compare):
        sides = [part for side in (node.left, *node.comparators) for part in ast.walk(side)]
        return {str(part.value) for part in sides if isinstance(part, ast.Constant)} & problems | _names(node) & kinds
    if isinstance(node, ast.MatchClass):
        return _names(node.cls) & kinds
    if isinstance(node, ast.MatchValue) and isinstance(node.value, ast.Constant):
        return {str(node.value.value)} & problems
    return set()


def test_nothing_outside_the_problems_asks_for_a_kind() -> None:
    """What depends on a kind stands in a table (`visus.types.row`), what depends on a problem in its `PROBLEM`."""
    systems = ROOT / "src/visus/systems"
    classes = [node for path, tree in TREES.items() if path.is_relative_to(systems) for node in ast.walk(tree)]
    kinds = {kind.__name__ for kind in (*get_args(Target), *get_args(Prediction))}
    kinds |= {node.name for node in classes if isinstance(node, ast.ClassDef)}
    asked = [
        f"{_where(path, node.lineno)} {', '.join(sorted(found))}"
        for path, tree in TREES.items()
        if not path.is_relative_to(systems)
        for node in ast.walk(tree)
        if (found := _asked(node, kinds, set(PROBLEMS)))
    ]
    assert not asked, f"make these rows of a table, or say them in the problem: {asked}"


# --- words ---


def test_everything_public_says_what_it_is() -> None:
    """Every module and every public class and function of the sources opens with a docstring."""
    silent = [_where(path) for path, tree in TREES.items() if not ast.get_docstring(tree)]
    for path, tree in TREES.items():
        for node in tree.body:
            if not isinstance(node, ast.FunctionDef | ast.ClassDef) or node.name.startswith("_"):
                continue
            if not ast.get_docstring(node):
                silent.append(f"{_where(path, node.lineno)} {node.name}")
    assert not silent, f"say in one line what these are: {silent}"


WITH_EXAMPLES = [path for path in SOURCES if re.search(r"^\s*>>> ", path.read_text(encoding="utf-8"), re.MULTILINE)]


@pytest.mark.parametrize("path", WITH_EXAMPLES, ids=_where)
def test_examples_in_docstrings_run(path: Path) -> None:
    """What a docstring shows after ``>>>`` prints what it says."""
    parts = path.relative_to(ROOT / "src").with_suffix("").parts
    module = importlib.import_module(".".join(parts[:-1] if parts[-1] == "__init__" else parts))
    result = doctest.testmod(module)
    assert result.attempted > 0, "no example ran: it is skipped, or stands where doctest does not look"
    assert result.failed == 0


def test_files_name_nobody_s_machine() -> None:
    """Paths of one machine and hosts of package indexes mean nothing to a reader elsewhere."""
    if not (ROOT / ".git").exists() or not shutil.which("git"):
        pytest.skip("not a git checkout")
    words = ["/" + folder + "/" for folder in ("work", "root", "farm", "home")]
    words += [f"{host}.org" for host in ("pypi", "pythonhosted", "npmjs", "debian")]
    listed = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(listed, capture_output=True, text=True, cwd=ROOT, check=True).stdout.splitlines()
    found = []
    for name in names:
        path = ROOT / name
        if not path.is_file() or path.is_symlink():
            continue
        text = path.read_bytes().decode("utf-8", errors="ignore")
        found += [f"{name}: {word}" for word in words if word in text]
    assert not found
