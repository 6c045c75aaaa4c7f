"""Where the files of a data set in COCO's format lie: the layouts that people use and programs write."""

from __future__ import annotations

import json
import mmap
import os
import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from visus.data.errors import DatasetNotFoundError
from visus.data.files.content import read_head
from visus.data.files.splits import ALIASES, SPLITS, check_split, divided, missing_split, split_called
from visus.data.files.walk import ImageFinder, visible, walk_files
from visus.data.formats.coco_index import read_coco_json
from visus.data.formats.coco_values import Record, is_file_name

_KINDS = ("instances", "person_keypoints")
_SINGLE = ("annotations.json", "_annotations.coco.json")
_OTHER_TASKS = ("captions_", "panoptic_", "stuff_", "image_info_")
_KEYS = ('"images"', '"annotations"', '"categories"')
_IMAGE_FOLDERS = ("images", "data")  # FiftyOne writes the second
_MANY = 20  # JSON files in a folder: then they are no files of a whole split each
_HEAD = 1 << 16  # bytes in which the first names of images are looked for
_NAMED = 5


@dataclass(frozen=True)
class CocoFiles:
    """The folder of the images, the annotation file, and which of its images belong to the split (None: all)."""

    images: Path
    annotations: Path
    image_ids: tuple[int, ...] | None = None


@dataclass(frozen=True)
class _Found:
    """An annotation file: the split that its name or its folder says, "" for none, and what kind it is of COCO's."""

    file: Path
    split: str
    kind: str = ""


def find_coco(root: Path, split: str, *, keypoints: bool = False) -> CocoFiles:
    """Find the files of a split; see `visus.data.readers.coco.open_coco` for the layouts.

    Raises:
        ValueError: ``split`` is no split.
        DatasetNotFoundError: no layout fits, or several files may be meant; says what was looked for.
    """
    check_split(split)
    if not root.is_dir():
        raise DatasetNotFoundError(f"{root}: no such folder")
    found = _annotation_files(root)
    if not found:
        raise DatasetNotFoundError(_nothing(root, split))
    order = ("person_keypoints", "instances", "") if keypoints else ("instances", "person_keypoints", "")
    named = [one for kind in order for one in found if one.split == split and one.kind == kind]
    if named:
        chosen = _the_only(root, [one for one in named if one.kind == named[0].kind], split)
        return CocoFiles(_images_of(root, chosen), chosen.file)
    if present := [name for name in SPLITS if any(one.split == name for one in found)]:
        raise DatasetNotFoundError(f"{root}: {missing_split(split, present)}. {_nothing(root, split)}")
    chosen = _the_only(root, [one for kind in order for one in found if one.kind == kind], "")
    identifiers = [image["id"] for image in read_coco_json(chosen.file)["images"]]
    return CocoFiles(_images_of(root, chosen), chosen.file, _divided(identifiers, split))


def beside_coco(root: Path, split: str, *, keypoints: bool = False) -> str:
    """Which of COCO's two files of a split is read, and how to read the other; empty where there is only one."""
    files = {one.kind: one.file.name for one in _annotation_files(root) if one.split == split}
    if not all(kind in files for kind in _KINDS):
        return ""
    taken, other = reversed(_KINDS) if keypoints else _KINDS
    name = "coco" if keypoints else "coco_keypoints"
    return f"Learns from {files[taken]}; {files[other]} lies beside it: --data.dataset {name} takes that."


def all_coco(root: Path) -> list[CocoFiles]:
    """The annotation files of every split and kind under ``root``, without parsing one of them."""
    found = []
    for one in _annotation_files(root):
        try:
            found.append(CocoFiles(_images_of(root, one), one.file))
        except DatasetNotFoundError:
            found.append(CocoFiles(root, one.file))
    return found


def _annotation_files(root: Path) -> list[_Found]:
    """All annotation files in the folder, in ``annotations`` below it, and in the folders of splits."""
    inner = [path for path in visible(root) if path.is_dir() and (split_called(path.name) or _is_for_annotations(path))]
    folders = [root, *(place for folder in (root, *inner) for place in visible(folder) if _is_for_annotations(place))]
    folders += [folder for folder in inner if not _is_for_annotations(folder)]
    return [one for folder in dict.fromkeys(folders) for one in _files_of(root, folder)]


def _is_for_annotations(folder: Path) -> bool:
    return folder.name.lower() in ("annotations", "annotation", "annots", "labels") and folder.is_dir()


def _files_of(root: Path, folder: Path) -> Iterator[_Found]:
    files = [path for path in visible(folder) if path.suffix.lower() == ".json" and path.is_file()]
    for file in files:
        kind = next((kind for kind in _KINDS if file.name.startswith(f"{kind}_")), "")
        if kind and _is_for_annotations(folder):
            yield _Found(file, _split_of(root, file, file.stem.removeprefix(f"{kind}_")), kind)
        elif file.name == "_annotations.coco.json" or (file.name == "annotations.json" and folder == root):
            yield _Found(file, _split_of(root, file, ""), "instances")
        elif len(files) <= _MANY and not file.name.startswith(_OTHER_TASKS) and _is_coco(file):
            yield _Found(file, _split_of(root, file, file.stem))


def _split_of(root: Path, file: Path, name: str) -> str:
    """The split that a name or a folder above says: "train2017", "val", "my_test-set", "train/_annotations"."""
    for text in (name, *reversed(file.relative_to(root).parts[:-1])):
        words = re.findall("[a-z]+", text.lower())
        for split, aliases in ALIASES.items():
            if any(word in aliases for word in words):
                return split
    words = re.findall("[a-z]+", name.lower())
    return next((split for split in SPLITS if words and words[0].startswith(split)), "")


def _is_coco(file: Path) -> bool:
    """Whether a JSON file has the three lists of a COCO file, wherever in it."""
    codes = ("utf-8", "utf-16-le", "utf-16-be")
    with (
        suppress(OSError, ValueError),
        file.open("rb") as opened,
        mmap.mmap(opened.fileno(), 0, access=mmap.ACCESS_READ) as content,
    ):
        return any(all(content.find(key.encode(code)) >= 0 for key in _KEYS) for code in codes)
    return False


def _the_only(root: Path, found: list[_Found], split: str) -> _Found:
    """Of several files of one split the one whose name says nothing else.

    Raises:
        DatasetNotFoundError: there is more than one.
    """
    plain = (*ALIASES.get(split, ()), *(Path(name).stem for name in _SINGLE))
    exact = [one for one in found if one.kind or one.file.stem.lower() in plain] or found
    official = [one for one in exact if one.kind] or exact
    if len(official) > 1 and not official[0].kind:
        names = ", ".join(str(one.file.relative_to(root)) for one in official)
        cure = "call them train.json, val.json and test.json, or keep them in folders of their own"
        raise DatasetNotFoundError(f"{root}: which of {names} is meant? {cure[0].upper()}{cure[1:]}")
    return official[0]


def _images_of(root: Path, found: _Found) -> Path:
    """The folder of a file's images: one that holds the first of them, else one whose name says so.

    Raises:
        DatasetNotFoundError: there is none.
    """
    file = found.file
    name = file.stem.removeprefix("instances_").removeprefix("person_keypoints_")
    words = [name, name.rstrip("0123456789"), *ALIASES.get(found.split, ())]
    likely = [parent / word for word in dict.fromkeys(words) for parent in (root, root / "images", root / "data")]
    if file.name in _SINGLE:
        likely = [file.parent / "images", file.parent]
    base = file.parent.parent if _is_for_annotations(file.parent) else file.parent
    likely += [base / folder for folder in _IMAGE_FOLDERS]
    likely += [inner / part for inner in likely[:] if inner.parent != base for part in _IMAGE_FOLDERS]
    folders = [folder for folder in dict.fromkeys([*likely, root / "images", root / "data"]) if folder.is_dir()]
    names = [said.replace("\\", "/") for said in _first_names(file)]
    others = [inner for inner in visible(base) if inner.is_dir()]
    for folder in dict.fromkeys((*folders, file.parent, base, root, *others)):
        if any(os.path.isfile(folder / said) for said in names):
            return folder
    if file.name in _SINGLE and file.parent != root:
        return file.parent
    if names and any(next(walk_files(place), None) for place in (*folders, root)):
        holding = [folder for folder in folders if next(walk_files(folder), None)]
        return holding[0] if holding else root  # the images are looked for below it
    if folders:
        return folders[0]
    if not found.kind or file.name in _SINGLE:
        return base
    raise DatasetNotFoundError(
        f"{file}: found no folder of its images; looked for {root / name} and {root / 'images' / name}"
    )


def _first_names(file: Path) -> list[str]:
    """The names of the first images in a file, without parsing all of it."""
    head = read_head(file, _HEAD).replace(b"\0", b"").decode("utf-8", "replace")
    names = []
    for match in re.findall(r'"file_name"\s*:\s*("(?:[^"\\]|\\.)*")', head)[:_NAMED]:
        with suppress(ValueError):
            names.append(json.loads(match))
    return [name for name in names if "\0" not in name]


def find_images(content: Record, images: Path) -> ImageFinder:
    """Write the names of the images as they are found in the folder; see `ImageFinder` for how.

    Args:
        content: of the file; its image records are changed.
        images: the folder of the images.

    Returns:
        What was found, to warn of.
    """
    finder = ImageFinder((images,))
    for record in content["images"]:
        if isinstance(record, dict) and is_file_name(name := record.get("file_name")):
            before = len(finder.guessed)
            found = finder.find(name)
            if found is not None and len(finder.guessed) > before:
                record["file_name"] = os.path.relpath(found, images)
    return finder


def _nothing(root: Path, split: str) -> str:
    names = "|".join(ALIASES[split])
    return (
        f"{root}: found no COCO annotations of the split {split!r}. Looked for\n"
        f"  annotations/instances_{split}*.json or annotations/person_keypoints_{split}*.json, "
        f"with images in {split}*/ or images/{split}*/\n"
        f"  ({names})/_annotations.coco.json, with images beside it\n"
        f"  {split}.json or annotations/{split}.json, with images in images/, {split}/ or data/\n"
        f"  annotations.json, _annotations.coco.json, result.json, labels.json or annotations/instances_default.json "
        "for all splits, with images in images/, in data/ or beside it"
    )


def _divided(identifiers: list[int], split: str) -> tuple[int, ...]:
    """80, 10 and 10 % of the identifiers; at least one image in each split where there are three."""
    ordered = sorted(identifiers)
    return tuple(ordered[place] for place in divided(len(ordered), split))
