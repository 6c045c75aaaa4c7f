"""Random damage to the files of a data set: what people, editors, exports and disks do to them."""

from __future__ import annotations

import io
import json
import os
import random
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import yaml
from PIL import Image

JUNK: tuple[Any, ...] = (
    *(None, True, False, 0, 1, -1, 2, 3, 255, 256, 7.5, -0.5, 1e-9, 1e30, 10**20, 10**400),
    *(float("nan"), float("inf"), "", " ", "0", "a", "train", "x.jpg", "../x.jpg", "/etc/hosts", "yes", "-1", "nan"),
    *("\x00", "\ud800", "é" * 300, "[b]", [], {}, [[]], [1], [1, 2, 3, 4], [[1, 2], [3, 4], [5, 6]], {"a": 1}),
    *({"size": [96, 128], "counts": [5]}, {"size": [4], "counts": "0"}, [[0, 0, 9, 0, 9]], [None], ["a", "a"]),
)
WORDS = (
    "",
    " ",
    "0",
    "-1",
    "1e400",
    "nan",
    "inf",
    "a",
    '"',
    "'",
    '"a',
    "x.jpg",
    "../../x.jpg",
    "/etc/hosts",
    "\x00",
    "\\",
)
IMAGES = (".jpg", ".jpeg", ".png", ".tif", ".bmp", ".pgm")


def damage(root: Path, generator: random.Random) -> str:
    """Change one thing below a folder; returns what."""
    files = sorted(path for path in root.rglob("*") if path.is_file() and not path.is_symlink())
    lists = [path for path in files if path.suffix not in IMAGES]
    if not files:
        return "nothing left"
    # Half of the time a file of annotations, of which there are few among many images.
    file = generator.choice(lists if lists and generator.random() < 0.6 else files)
    if generator.random() < 0.15:
        way: Callable[[Path, random.Random], str] = generator.choice(
            (lost, folder, broken_link, circle, renamed, empty, pipe)
        )
    else:
        way = _WAYS.get(file.suffix, image if file.suffix in IMAGES else flipped)
    try:
        return f"{file.relative_to(root)}: {way(file, generator)}"
    except (ValueError, SyntaxError, UnicodeError, OSError, yaml.YAMLError, RecursionError):  # damaged before
        return f"{file.relative_to(root)}: {flipped(file, generator)}"


def written(file: Path, data: bytes | str) -> None:
    """Write a file anew, so that others that share its content keep it."""
    file.unlink()
    file.write_bytes(data if isinstance(data, bytes) else data.encode("utf-8", "surrogatepass"))


def lost(file: Path, generator: random.Random) -> str:
    file.unlink()
    return "deleted"


def empty(file: Path, generator: random.Random) -> str:
    written(file, b"")
    return "empty"


def folder(file: Path, generator: random.Random) -> str:
    file.unlink()
    file.mkdir()
    return "a folder in its place"


def broken_link(file: Path, generator: random.Random) -> str:
    file.unlink()
    file.symlink_to("nowhere")
    return "a broken link"


def pipe(file: Path, generator: random.Random) -> str:
    file.unlink()
    os.mkfifo(file)
    return "a named pipe in its place"


def circle(file: Path, generator: random.Random) -> str:
    (file.parent / "again").symlink_to("." if generator.random() < 0.5 else "..", target_is_directory=True)
    return "a link to its folder beside it"


def renamed(file: Path, generator: random.Random) -> str:
    name = generator.choice((f"{file.name}.bak", file.stem, file.name.upper(), f"._{file.name}", f" {file.name}"))
    file.rename(file.with_name(name))
    return f"now {name!r}"


def flipped(file: Path, generator: random.Random) -> str:
    data = bytearray(file.read_bytes())
    if not data or generator.random() < 0.3:
        cut = generator.randrange(len(data) + 1)
        written(file, bytes(data[:cut]))
        return f"cut after {cut} bytes"
    for _ in range(generator.choice((1, 1, 3, 20))):
        data[generator.randrange(len(data))] ^= 1 << generator.randrange(8)
    written(file, bytes(data))
    return "flipped bits"


def image(file: Path, generator: random.Random) -> str:
    choice = generator.randrange(5)
    if choice < 2:
        return flipped(file, generator)
    with Image.open(file) as opened:
        changed = opened.copy()
        kind = opened.format or "PNG"
    if choice == 2:
        changed = changed.rotate(90, expand=True)
    elif choice == 3:
        changed = changed.crop((0, 0, max(1, changed.width // 2), changed.height))
    else:
        changed = changed.convert(generator.choice(("L", "RGB", "1")))
    data = io.BytesIO()
    changed.save(data, kind if changed.mode != "1" or kind != "JPEG" else "PNG")
    written(file, data.getvalue())
    return f"an image {changed.size} {changed.mode}"


def json_file(file: Path, generator: random.Random) -> str:
    if generator.random() < 0.15:
        return flipped(file, generator)
    content = json.loads(file.read_bytes())
    content, what = changed_value(content, generator)
    written(file, json.dumps(content))
    return what


def yaml_file(file: Path, generator: random.Random) -> str:
    if generator.random() < 0.15:
        return flipped(file, generator)
    content, what = changed_value(yaml.safe_load(file.read_text()), generator)
    written(file, yaml.safe_dump(content, sort_keys=False))
    return what


def changed_value(content: Any, generator: random.Random) -> tuple[Any, str]:
    """A JSON value somewhere in which something is replaced, deleted, added, repeated or exchanged."""
    place, parent, key = "", None, None
    value = content
    while isinstance(value, dict | list) and value and (parent is None or generator.random() < 0.85):
        parent = value
        key = generator.choice(list(value) if isinstance(value, dict) else range(len(value)))
        value = value[key]
        place += f"[{key!r}]"
    junk = generator.choice(JUNK)
    if parent is None:
        return junk, f"is {junk!r:.40}"
    choice = generator.randrange(10)
    if choice < 6:
        parent[key] = junk
        return content, f"{place} = {junk!r:.40}"
    if choice < 8:
        del parent[key]
        return content, f"{place} deleted"
    if isinstance(parent, list):
        parent.insert(0, value)
        return content, f"{place} repeated"
    other = generator.choice(list(parent))
    parent[key], parent[other] = parent[other], parent[key]
    return content, f"{place} and {other!r} exchanged"


def xml_file(file: Path, generator: random.Random) -> str:
    if generator.random() < 0.15:
        return flipped(file, generator)
    tree = ElementTree.fromstring(file.read_bytes())
    parent = generator.choice([element for element in tree.iter() if len(element)])
    child = generator.choice(list(parent))
    choice = generator.randrange(6)
    if choice < 3:
        child.text = generator.choice(WORDS).replace("\x00", "")
    elif choice == 3:
        parent.remove(child)
    elif choice == 4:
        parent.append(child)
    else:
        child.tag = "other"
    written(file, ElementTree.tostring(tree))
    return f"<{child.tag}> changed ({choice}) to {child.text!r:.30}"


def text_file(file: Path, generator: random.Random) -> str:
    if generator.random() < 0.15:
        return flipped(file, generator)
    lines = file.read_text().splitlines()
    if not lines:
        return flipped(file, generator)
    at = generator.randrange(len(lines))
    mark = "," if file.suffix == ".csv" else " "
    cells = lines[at].split(mark)
    choice, cell, word = generator.randrange(9), generator.randrange(len(cells)), generator.choice(WORDS)
    if choice < 4:
        cells[cell] = word
    elif choice == 4:
        del cells[cell]
    elif choice == 5:
        cells.insert(cell, word)
    elif choice == 6:
        place = generator.randrange(len(lines[at]) + 1)
        cells = [lines[at][:place] + generator.choice(('"', "'", "\x00", "\t", "\u2028")) + lines[at][place:]]
    lines[at] = mark.join(cells)
    if choice == 7:
        del lines[at]
    elif choice == 8:
        lines.append(lines[at])
    written(file, "".join(f"{line}\n" for line in lines))
    return f"line {at + 1} changed ({choice}, {word!r})"


_WAYS: dict[str, Callable[[Path, random.Random], str]] = {
    ".json": json_file,
    ".yaml": yaml_file,
    ".xml": xml_file,
    ".txt": text_file,
    ".csv": text_file,
}


def copied(source: Path, target: Path) -> None:
    """A copy whose files share their content with the source, which `written` respects."""
    shutil.copytree(source, target, copy_function=os.link)
