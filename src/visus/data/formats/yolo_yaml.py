"""The ``data.yaml`` of a data set in the YOLO format: the names of its classes, and where each split lies."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml  # type: ignore[import-untyped]

from visus.data.errors import AnnotationError, DatasetNotFoundError
from visus.data.files.images import SUFFIXES
from visus.data.files.listed_files import read_lines
from visus.data.files.splits import ALIASES

_NAMES = ("data.yaml", "data.yml", "dataset.yaml", "dataset.yml")


@dataclass(frozen=True)
class YoloFile:
    """What a ``data.yaml`` says.

    Args:
        file: where it lies.
        names: of the classes, by number.
        roots: the folders that relative paths may be meant from, the likeliest first.
        splits: the folders or lists of each split.
    """

    file: Path
    names: dict[int, str]
    roots: tuple[Path, ...]
    splits: dict[str, tuple[str, ...]]


def find_yaml(root: Path) -> Path:
    """The description in a folder, or the file itself.

    Raises:
        DatasetNotFoundError: there is none, or several of other names.
    """
    if root.is_file():
        return root
    for name in _NAMES:
        if (root / name).is_file():
            return root / name
    others = sorted((*root.glob("*.yaml"), *root.glob("*.yml"))) if root.is_dir() else []
    if len(others) == 1:
        return others[0]
    what = "no such folder" if not root.is_dir() else f"{len(others)} yaml files" if others else "no data.yaml"
    raise DatasetNotFoundError(
        f"{root}: {what}; the YOLO format needs data.yaml with names and the folder of each split"
    )


def read_yaml(path: Path) -> YoloFile:
    """Read a description.

    Raises:
        AnnotationError: no YAML, or without usable ``names``, or with splits that are no paths.
    """
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8-sig"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise AnnotationError(f"{path}: not valid YAML ({' '.join(str(error).split())})") from error
    if not isinstance(content, dict):
        raise AnnotationError(f"{path}: needs names and the folder of each split, as in `names: [cat, dog]`")
    splits: dict[str, tuple[str, ...]] = {}
    for split, aliases in ALIASES.items():
        value: Any = next((content[alias] for alias in aliases if content.get(alias)), [])
        paths = value if isinstance(value, list) else [value]
        if not all(isinstance(entry, str) for entry in paths):
            raise AnnotationError(f"{path}: {split} is {value!r}; a folder, a list of images or several are needed")
        splits[split] = tuple(paths)
    said = content.get("path")
    roots = [path.parent / said] if isinstance(said, str) else []
    return YoloFile(path, _names(path, content), (*roots, path.parent), splits)


def split_files(declared: YoloFile, split: str) -> list[Path]:
    """The images of a split, those of folders in alphabetical order.

    Raises:
        DatasetNotFoundError: the split is not declared, or what it names is not there, or holds no image.
    """
    entries = declared.splits[split]
    if not entries:
        present = ", ".join(name for name, paths in declared.splits.items() if paths) or "none"
        raise DatasetNotFoundError(f"{declared.file}: has no split {split!r}; it has {present}")
    files = [image for entry in entries for image in _images(declared, entry)]
    if not files:
        raise DatasetNotFoundError(f"{declared.file}: {split} names {', '.join(entries)}, where no image is")
    return list(dict.fromkeys(files))


def yaml_text(names: dict[int, str], splits: dict[str, str]) -> str:
    """The text of a description whose splits are folders below its own."""
    content = {**splits, "nc": len(names), "names": names}
    text: str = yaml.safe_dump(content, sort_keys=False, allow_unicode=True)
    return text


def _names(path: Path, content: dict[str, Any]) -> dict[int, str]:
    names = content.get("names")
    if isinstance(names, list):
        names = dict(enumerate(names))
    if not isinstance(names, dict) or not names or not all(isinstance(n, int) and n >= 0 for n in names):
        raise AnnotationError(f"{path}: names is {names!r}; a list of names, or names by number, is needed")
    count = content.get("nc", len(names))
    if count != len(names):
        raise AnnotationError(f"{path}: nc is {count!r}, but there are {len(names)} names")
    if sorted(names) != list(range(len(names))):
        raise AnnotationError(
            f"{path}: names are numbered {sorted(names)}; 0 to {len(names) - 1} without gaps are needed"
        )
    return {number: str(name) for number, name in sorted(names.items())}


def _images(declared: YoloFile, entry: str) -> list[Path]:
    """The images of a folder or of a list."""
    # Some exports name "../train/images" what lies in train/images.
    bare = entry
    while bare.startswith("../"):
        bare = bare.removeprefix("../")
    places = [root / name for name in dict.fromkeys((entry, bare)) for root in declared.roots]
    place = next((place for place in places if place.exists()), None)
    if place is None:
        looked = ", ".join(str(place) for place in dict.fromkeys(places))
        raise DatasetNotFoundError(f"{declared.file}: names {entry}, which is not there; looked for {looked}")
    if place.is_dir():
        return sorted(file for file in place.rglob("*") if file.suffix.lower() in SUFFIXES)
    lines = [Path(line) for line in read_lines(place)]
    return [line if line.is_absolute() else _from(line, (place.parent, *declared.roots)) for line in lines]


def _from(line: Path, roots: tuple[Path, ...]) -> Path:
    return next((root / line for root in roots if (root / line).is_file()), roots[0] / line)
