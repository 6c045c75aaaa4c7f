"""Writes the reference of the Python interface into docs/reference: a page a package, from signatures and docstrings.

    python scripts/reference.py

Sources are read and not imported, so that no optional package is needed. ``make docs`` does this before each build.
"""

from __future__ import annotations

import ast
import inspect
import re
import shutil
import textwrap
from collections.abc import Iterable, Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
SOURCE = ROOT / "src" / "visus"
OUT = ROOT / "docs" / "reference"
LEFT_OUT = {"cli", "server"}
"""Packages that are used by commands and over HTTP, and described there."""

Function = ast.FunctionDef | ast.AsyncFunctionDef
WIDTH = 88
SECTION = re.compile(r"^(Args|Arguments|Attributes|Returns|Yields|Raises|Example|Examples|Note):$")
ITEM = re.compile(r"^(\*{0,2}[\w.`, *]+?)(?: \([^)]*\))?: (.*)$")


def main() -> None:
    """Writes every page anew."""
    shutil.rmtree(OUT, ignore_errors=True)
    OUT.mkdir()
    found = pages()
    for name, text in found.items():
        (OUT / name).write_text(text, encoding="utf-8")
    print(f"{len(found)} pages in {OUT.relative_to(ROOT)}")


def pages() -> dict[str, str]:
    """The text of each page by its file name: the public interface, single modules, and each package."""
    folders = [folder for folder in sorted(SOURCE.iterdir()) if (folder / "__init__.py").exists()]
    folders = [folder for folder in folders if folder.name not in LEFT_OUT | {"systems"}]
    folders += [folder for folder in sorted((SOURCE / "systems").iterdir()) if (folder / "__init__.py").exists()]
    single = [file for file in sorted(SOURCE.glob("*.py")) if not file.name.startswith("__")]
    found = {"visus.md": public_page(), "modules.md": page("Single modules", "", single)}
    for folder in folders:
        package = ast.parse((folder / "__init__.py").read_text(encoding="utf-8"))
        inner = "systems_" if folder.parent.name == "systems" else ""
        files = [file for file in sorted(folder.rglob("*.py")) if not file.name.startswith("_")]
        said = f"{words(ast.get_docstring(package) or '')}\n\n{shortcuts(package)}"
        found[f"{inner}{folder.name}.md"] = page(dotted(folder), said, files)
    return found


def dotted(path: Path) -> str:
    """The name that a file or folder is imported by."""
    parts = path.relative_to(SOURCE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def public_page() -> str:
    """The names of `visus` itself, each where it is defined."""
    package = ast.parse((SOURCE / "__init__.py").read_text(encoding="utf-8"))
    lines = ["# visus", "", words(ast.get_docstring(package) or ""), ""]
    for node in ast.walk(package):
        if isinstance(node, ast.ImportFrom) and str(node.module).startswith("visus.") and node.module != "visus.lazy":
            module = SOURCE.parent / f"{str(node.module).replace('.', '/')}.py"
            defined = {one.name: one for one in public(ast.parse(module.read_text(encoding="utf-8")))}
            for alias in node.names:
                lines += shown(defined[alias.name], level=2)
    return "\n".join(lines)


def shortcuts(package: ast.Module) -> str:
    """What can be imported from a package itself."""
    names = next((node.value for node in package.body if is_all(node)), None)
    listed = [f"`{name}`" for name in ast.literal_eval(names)] if names is not None else []
    return f"From the package itself: {', '.join(listed)}." if listed else ""


def is_all(node: ast.stmt) -> bool:
    """Whether a statement is the list ``__all__``."""
    return isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__"


def page(title: str, said: str, files: Iterable[Path]) -> str:
    """One page: its modules, and in each the public names in their order."""
    lines = [f"# {title}", "", said, ""]
    for file in files:
        tree = ast.parse(file.read_text(encoding="utf-8"))
        lines += [f"## {dotted(file)}", "", words(ast.get_docstring(tree) or ""), ""]
        for node in public(tree):
            lines += shown(node, level=3)
        lines += constants(tree)
    return "\n".join(lines)


def public(tree: ast.Module | ast.ClassDef) -> Iterator[Function | ast.ClassDef]:
    """Functions and classes that a reader may use."""
    for node in tree.body:
        if isinstance(node, Function | ast.ClassDef) and not node.name.startswith("_"):
            yield node


def constants(tree: ast.Module) -> list[str]:
    """Names of values that have a docstring below them."""
    lines = []
    for node, below in zip(tree.body, tree.body[1:], strict=False):
        is_text = (
            isinstance(below, ast.Expr) and isinstance(below.value, ast.Constant) and isinstance(below.value.value, str)
        )
        target = node.targets[0] if isinstance(node, ast.Assign) else getattr(node, "target", None)
        if is_text and isinstance(target, ast.Name) and not target.id.startswith("_"):
            lines += [f"### {target.id}", "", words(inspect.cleandoc(below.value.value)), ""]
    return lines


def shown(node: Function | ast.ClassDef, *, level: int, of: str = "") -> list[str]:
    """Heading, signature and docstring of a function or class, and the methods of a class."""
    name = f"{of}.{node.name}" if of else node.name
    head = class_signature(node) if isinstance(node, ast.ClassDef) else signature(name, node)
    lines = [f"{'#' * level} {name}", "", "```python", head, "```", "", words(ast.get_docstring(node) or ""), ""]
    if isinstance(node, ast.ClassDef):
        for method in public(node):
            if not any(ast.unparse(mark).endswith(".setter") for mark in method.decorator_list):
                lines += shown(method, level=level + 1, of=name)
    return lines


def class_signature(node: ast.ClassDef) -> str:
    """The fields of a data class, or the arguments of ``__init__``."""
    start = next((one for one in node.body if isinstance(one, ast.FunctionDef) and one.name == "__init__"), None)
    if start is not None:
        return f"class {signature(node.name, start)}"
    fields = [
        one for one in node.body if isinstance(one, ast.AnnAssign) and not ast.unparse(one.target).startswith("_")
    ]
    if any("dataclass" in ast.unparse(mark) for mark in node.decorator_list) and fields:
        return f"class {call(node.name, [ast.unparse(one) for one in fields])}"
    bases = ", ".join(ast.unparse(base) for base in node.bases)
    return f"class {node.name}{f'({bases})' if bases else ''}"


def signature(name: str, node: Function) -> str:
    """How a function is called, as its source says it."""
    if any(ast.unparse(mark) in ("property", "cached_property") for mark in node.decorator_list):
        return f"{name}: {ast.unparse(node.returns)}" if node.returns else name
    given = node.args
    places = [*given.posonlyargs, *given.args]
    values = [None] * (len(places) - len(given.defaults)) + list(given.defaults)
    arguments = [
        argument(one, value) for one, value in zip(places, values, strict=True) if one.arg not in ("self", "cls")
    ]
    if given.vararg:
        arguments.append(f"*{argument(given.vararg, None)}")
    elif given.kwonlyargs:
        arguments.append("*")
    arguments += [argument(one, value) for one, value in zip(given.kwonlyargs, given.kw_defaults, strict=True)]
    if given.kwarg:
        arguments.append(f"**{argument(given.kwarg, None)}")
    returns = f" -> {ast.unparse(node.returns)}" if node.returns and node.name != "__init__" else ""
    return call(name, arguments, returns)


def argument(one: ast.arg, value: ast.expr | None) -> str:
    """One argument with its type and its default."""
    kind = f": {ast.unparse(one.annotation)}" if one.annotation else ""
    return f"{one.arg}{kind}" + (f" = {ast.unparse(value)}" if value is not None else "")


def call(name: str, arguments: list[str], returns: str = "") -> str:
    """On one line where it fits, else an argument a line."""
    line = f"{name}({', '.join(arguments)}){returns}"
    if len(line) <= WIDTH:
        return line
    return "\n".join([f"{name}(", *(f"    {one}," for one in arguments), f"){returns}"]).replace("*,,", "*,")


# --- docstrings ---


def words(docstring: str) -> str:
    """A docstring in Markdown: lists of arguments, examples as blocks of code."""
    lines, block = [], ""
    for paragraph in re.split(r"\n\s*\n", docstring):
        title = SECTION.match(paragraph.split("\n", 1)[0])
        if title and not paragraph.lstrip().startswith(">>>"):
            block = title[1]
            body = textwrap.dedent(paragraph.partition("\n")[2])
            lines += [f"**{block}**", "", items(body) if body else ""]
        elif textwrap.dedent(paragraph).startswith(">>>"):
            lines.append(f"```pycon\n{textwrap.dedent(paragraph)}\n```")
        elif paragraph.startswith("    ") and not block:  # a drawing, or a command
            lines.append(f"```text\n{textwrap.dedent(paragraph)}\n```")
        else:
            lines.append(plain(textwrap.dedent(paragraph)))
    return "\n\n".join(line for line in lines if line)


def items(body: str) -> str:
    """The entries of a section: a list of names, or a text."""
    found: list[str] = []
    for line in body.splitlines():
        if line.startswith(" ") and found:
            found[-1] += f" {line.strip()}"
        elif entry := ITEM.match(line):
            found.append(f"- `{entry[1].strip('`')}`: {entry[2]}")
        elif found and found[-1].startswith("- "):
            found[-1] += f" {line}"
        else:
            found.append(line)
    return "\n".join(plain(line) for line in found)


def plain(text: str) -> str:
    """A text whose marks mean nothing outside of its code."""
    parts = re.split(r"(``.+?``|`[^`]+`)", text, flags=re.DOTALL)
    for place, part in enumerate(parts):
        if part.startswith("``"):
            parts[place] = part[1:-1]
        elif not part.startswith("`"):
            parts[place] = re.sub(r"([<\[\]|])", r"\\\1", part).replace("*", "\\*")
    return "".join(parts)


if __name__ == "__main__":
    main()
