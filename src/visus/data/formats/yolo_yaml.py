"""What describes a data set in the YOLO format: the names of its classes, and where each split lies.

That is ``data.yaml`` as Ultralytics has it; ``obj.data`` with ``obj.names``, as Darknet and CVAT write them; or a list
of classes alone (``classes.txt``, as Label Studio and labelImg write it) beside images whose labels are lines of
numbers. Where nothing names the splits, the images are divided 80/10/10.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import yaml  # type: ignore[import-untyped]

from visus.data.errors import AnnotationError, DatasetNotFoundError
from visus.data.files.listed_files import read_lines
from visus.data.files.splits import ALIASES, SPLITS, divided, missing_split, split_called, split_lists
from visus.data.files.suffixes import SUFFIXES
from visus.data.files.walk import ImageFinder, files_below, visible, walk_files
from visus.data.files.yaml_file import read_yaml_file
from visus.data.formats.yolo_pose import YoloPose, pose_of

_NAMES = ("data.yaml", "data.yml", "dataset.yaml", "dataset.yml")
CLASS_LISTS = ("classes.txt", "obj.names", "class_names.txt", "labels.txt", "predefined_classes.txt")
"""What a list of classes beside labels may be called."""
_NOTHING = ("", "~", "null", "Null", "NULL")
_DEEPEST = 32  # folders of another machine that are seen through
_SHOWN, _PLACES = 200, 6  # letters of a name, and names, in a message
_LOOKED_AT = 1000  # images that decide whether a folder has YOLO's labels


@dataclass(frozen=True)
class YoloFile:
    """What a description says.

    Args:
        file: where it lies.
        names: of the classes, by number.
        roots: the folders that relative paths may be meant from, the likeliest first.
        splits: the folders or lists of each split.
        pose: the keypoints of every object, None where there are none.
        undivided: nothing names the splits: each has a part of the same images.
    """

    file: Path
    names: dict[int, str]
    roots: tuple[Path, ...]
    splits: dict[str, tuple[str, ...]]
    pose: YoloPose | None = None
    undivided: bool = False


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
    others = [file for file in visible(root) if file.suffix.lower() in (".yaml", ".yml") and _describes(file)]
    if len(others) == 1:
        return others[0]
    if not others:
        others = [file for file in visible(root) if file.suffix == ".data" and _darknet(file).get("names")]
        if len(others) == 1:
            return others[0]
        listing = next(
            (place / name for place in _list_places(root) for name in CLASS_LISTS if (place / name).is_file()), None
        )
        if listing and has_label_lines(root):
            return listing
    what = "no such folder" if not root.is_dir() else f"{len(others)} descriptions" if others else "no data.yaml"
    raise DatasetNotFoundError(
        f"{root}: {what}; the YOLO format needs data.yaml with names and the folder of each split, obj.data with "
        "obj.names, or classes.txt beside images/ and labels/"
    )


def _list_places(root: Path) -> list[Path]:
    """Where a list of classes may lie: in the folder, beside the labels, or in the folder of a split."""
    return [root, *(path for path in visible(root) if path.name == "labels" or split_called(path.name))]


def _root_of(listing: Path) -> Path:
    """The folder of the data set that a list of classes is about."""
    folder, above = listing.parent, listing.parent.parent
    beside_labels = folder.name == "labels" and next(walk_files(folder), None) is None
    of_a_split = split_called(folder.name) and sum(split_called(path.name) is not None for path in visible(above)) > 1
    return above if beside_labels or of_a_split else folder


def has_label_lines(root: Path) -> bool:
    """Whether one of the first images of a folder has a text file of YOLO's lines: a class and four numbers or more."""
    for image in islice(walk_files(root), _LOOKED_AT):
        path = labels_of(image, (root,))
        try:
            first = read_lines(path)[0].split() if path.is_file() else []
            if len(first) >= 5 and first[0].isdecimal() and [float(word) for word in first]:
                return True
        except (AnnotationError, IndexError, ValueError, OSError):
            continue
    return False


def labels_of(image: Path, roots: tuple[Path, ...] = ()) -> Path:
    """The text file of an image: below ``labels`` instead of the last ``images`` in its path, or beside it.

    Args:
        image: the file.
        roots: folders of the data set; an ``images`` above the one that holds the image does not count.
    """
    above = max((len(root.parts) for root in roots if image.is_relative_to(root)), default=0)
    parts = list(image.parts)
    for place in range(len(parts) - 2, above - 1, -1):
        if parts[place] == "images":
            parts[place] = "labels"
            break
    usual, beside = Path(*parts).with_suffix(".txt"), image.with_suffix(".txt")
    return beside if not os.path.isfile(usual) and os.path.isfile(beside) else usual


def read_yaml(path: Path) -> YoloFile:
    """Read a description of any of the three kinds.

    Raises:
        AnnotationError: it cannot be read, has no usable ``names``, or splits that are no paths.
    """
    if path.suffix == ".data":
        return _of_darknet(path)
    if path.suffix in (".txt", ".names"):
        return _of_folder(_root_of(path), path)
    content = _content(path)
    said = content.get("path")
    roots = [path.parent / os.path.expanduser(said)] if isinstance(said, str) and said not in _NOTHING else []
    splits: dict[str, tuple[str, ...]] = {}
    for split, aliases in ALIASES.items():
        value: Any = next((content[alias] for alias in aliases if content.get(alias) not in (None, *_NOTHING)), [])
        paths = value if isinstance(value, list) else [value]
        if not all(isinstance(entry, str) and not _is_number(entry, path.parent) for entry in paths):
            shown = value if isinstance(value, str) else repr(value)
            raise AnnotationError(f"{path}: {split} is {shown}; a folder, a list of images or several are needed")
        splits[split] = tuple(paths)
    names = _names(path, content)
    return YoloFile(path, names, (*roots, path.parent), splits, pose_of(path, content))


def split_files(declared: YoloFile, split: str) -> list[Path]:
    """The images of a split, those of folders in alphabetical order.

    Raises:
        DatasetNotFoundError: the split is not declared, or what it names is not there, or holds no image.
    """
    entries = declared.splits[split]
    if not entries:
        present = [name for name, paths in declared.splits.items() if paths]
        raise DatasetNotFoundError(f"{declared.file}: {missing_split(split, present)}")
    finder = ImageFinder(declared.roots)
    files = list(dict.fromkeys(image for entry in entries for image in _images(declared, entry, finder)))
    if not files:
        raise DatasetNotFoundError(f"{declared.file}: {split} names {', '.join(entries)}, where no image is")
    finder.warn(declared.file)
    return [files[place] for place in divided(len(files), split)] if declared.undivided else files


def yaml_text(names: dict[int, str], splits: dict[str, str]) -> str:
    """The text of a description whose splits are folders below its own."""
    content = {**splits, "nc": len(names), "names": names}
    text: str = yaml.safe_dump(content, sort_keys=False, allow_unicode=True)
    return text


def _content(path: Path) -> dict[str, Any]:
    content = read_yaml_file(path)
    if not isinstance(content, dict):
        raise AnnotationError(f"{path}: needs names and the folder of each split, as in `names: [cat, dog]`")
    return {key: value for key, value in content.items() if isinstance(key, str)}


def _describes(file: Path) -> bool:
    """Whether a YAML file of any name says classes and splits."""
    try:
        content = _content(file)
    except AnnotationError:
        return False
    return "names" in content and any(alias in content for aliases in ALIASES.values() for alias in aliases)


def _is_number(entry: str, folder: Path) -> bool:
    return entry.replace(".", "", 1).isdecimal() and not os.path.exists(folder / entry)


def _names(path: Path, content: dict[str, Any]) -> dict[int, str]:
    names = content.get("names")
    if isinstance(names, list):
        names = {str(number): name for number, name in enumerate(names)}
    if (
        not isinstance(names, dict)
        or not names
        or not all(isinstance(n, str) and n.isdecimal() and len(n) < 10 for n in names)
    ):
        shown = names if names not in _NOTHING else None
        raise AnnotationError(f"{path}: names is {shown!r}; a list of names, or names by number, is needed")
    count = content.get("nc", str(len(names)))
    if count not in (str(len(names)), *_NOTHING):
        raise AnnotationError(f"{path}: nc is {count}, but there are {len(names)} names")
    numbered = {int(number): name for number, name in names.items()}
    if sorted(numbered) != list(range(len(names))):
        raise AnnotationError(
            f"{path}: names are numbered {sorted(numbered)}; 0 to {len(names) - 1} without gaps are needed"
        )
    if wrong := next((name for name in numbered.values() if not isinstance(name, str) or not name.strip()), None):
        raise AnnotationError(f"{path}: the name of a class is {wrong!r}; a text is needed")
    return {number: str(name) for number, name in sorted(numbered.items())}


def _darknet(path: Path) -> dict[str, str]:
    """The values of a file of lines such as ``names = data/obj.names``."""
    try:
        pairs = [line.partition("=") for line in read_lines(path) if not line.startswith("#")]
    except (AnnotationError, OSError):
        return {}
    return {key.strip(): value.strip() for key, _, value in pairs}


def _of_darknet(path: Path) -> YoloFile:
    said = _darknet(path)
    if not said.get("names"):
        raise AnnotationError(f"{path}: has no line names = FILE with the names of the classes")
    places = (path.parent / said["names"], path.parent / Path(said["names"]).name)
    listing = next((place for place in places if os.path.isfile(place)), None)
    if listing is None:
        raise AnnotationError(
            f"{path}: names {said['names'][:_SHOWN]}, which is not there; it lists the names of the classes"
        )
    splits = {split: tuple(said[alias] for alias in ALIASES[split] if said.get(alias))[:1] for split in SPLITS}
    if splits["train"] and not splits["val"] and not splits["test"]:  # one list of all images
        return YoloFile(path, _listed(listing), (path.parent,), dict.fromkeys(SPLITS, splits["train"]), undivided=True)
    return YoloFile(path, _listed(listing), (path.parent,), splits)


def _of_folder(root: Path, listing: Path) -> YoloFile:
    """A list of classes alone: folders or lists have the names of splits, or all images are divided."""
    splits: dict[str, tuple[str, ...]] = dict.fromkeys(SPLITS, ())
    for split, file in split_lists(root).items():
        splits[split] = (file.name,)
    for split, aliases in ALIASES.items():
        for place in (
            f"{base}{alias}{end}" for alias in aliases for base, end in (("images/", ""), ("", "/images"), ("", ""))
        ):
            if not splits[split] and (root / place).is_dir():
                splits[split] = (place,)
    if any(splits.values()):
        return YoloFile(listing, _listed(listing), (root,), splits)
    everything = "images" if (root / "images").is_dir() else "."
    return YoloFile(listing, _listed(listing), (root,), dict.fromkeys(SPLITS, (everything,)), undivided=True)


def _listed(path: Path) -> dict[int, str]:
    names = dict(enumerate(read_lines(path)))
    if not names:
        raise AnnotationError(f"{path}: names no class")
    return names


def _images(declared: YoloFile, entry: str, finder: ImageFinder) -> list[Path]:
    """The images of a folder or of a list."""
    bare = entry.replace("\\", "/")
    while bare.startswith("../"):  # some exports name "../train/images" what lies in train/images
        bare = bare.removeprefix("../")
    names = dict.fromkeys((os.path.expanduser(entry), bare, *_tails(bare)))
    places = [root / name for name in names for root in declared.roots]
    place = next((place for place in places if os.path.exists(place)), None)
    if place is None:
        looked = ", ".join(str(place)[:_SHOWN] for place in list(dict.fromkeys(places))[:_PLACES])
        raise DatasetNotFoundError(f"{declared.file}: names {entry[:_SHOWN]}, which is not there; looked for {looked}")
    if place.is_dir():
        return files_below(place)
    if place.suffix.lower() in SUFFIXES:
        return [place]
    found = []
    for line in read_lines(place):
        line = line.removeprefix("data/") if declared.file.suffix == ".data" else line  # Darknet's own folder
        file = place.parent / line if os.path.isfile(place.parent / line) else finder.find(line)
        found.append(file or place.parent / line)
    return found


def _tails(path: str) -> list[str]:
    """A path without its first folders, as another machine had them: "data/train.txt" is "train.txt" here."""
    parts = Path(path).parts
    return ["/".join(parts[first:]) for first in range(max(1, len(parts) - _DEEPEST), len(parts))]
