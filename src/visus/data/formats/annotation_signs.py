"""What a folder holds beside its images, and what of it are annotations: so that nothing is read past them."""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path

from visus.data.files.content import read_head
from visus.data.files.suffixes import SUFFIXES
from visus.data.files.walk import is_left_behind, visible
from visus.data.files.xml_file import outermost_tag

_IMAGE_FOLDERS = ("images", "image", "imgs", "img", "jpegimages", "photos", "pictures")
_PART_FOLDERS = (
    *_IMAGE_FOLDERS,
    *("labels", "label", "masks", "mask", "annotations", "annotation", "annots", "xmls", "segmentationclass"),
    *("segmentationobject", "imagesets", "gt", "groundtruth", "ground_truth", "labelids", "contours"),
    *("bounding_box_train", "bounding_box_test", "gallery", "query", "obj_train_data"),
)
_JSON_KEYS = (
    *(b'"annotations"', b'"images"', b'"shapes"', b'"bbox"', b'"categories"', b'"segmentation"', b'"keypoints"'),
    *(b'"result"', b'"regions"', b'"objects"', b'"file_name"', b'"filename"', b'"image"'),
)
"""Two of them make annotations: of COCO, labelme, Label Studio, VIA, Supervisely."""
_PROGRAMS = (
    ("VIA's own JSON: export COCO instead", (b'"shape_attributes"', b'"regions"')),
    ("Supervisely's own JSON: export COCO, VOC or YOLO instead", (b'"classTitle"',)),
    ("CreateML's JSON: export COCO, VOC or YOLO instead", (b'"coordinates"', b'"annotations"')),
    ("FiftyOne's own JSON: export COCO, VOC or YOLO instead", (b'"labels"', b'"classes"')),
)
"""What programs write for themselves, by the keys in it, and what to choose there instead."""
_HEAD = 1 << 20  # bytes of a JSON file that are looked at
_FEW = 3
_SHOWN = 8


def annotation_signs(root: Path) -> list[str]:
    """What says that a folder holds more than images in a folder for each class; the first few, in words."""
    signs: list[str] = []
    seen: set[str] = set()
    for place, folders, names in os.walk(root, followlinks=True):
        real = os.path.realpath(place)
        folders[:] = [] if real in seen else sorted(name for name in folders if not is_left_behind(name))
        seen.add(real)
        signs += _signs_of(Path(place), sorted(name for name in names if not is_left_behind(name)), root)
        if len(signs) >= _FEW:
            break
    return signs[:_FEW]


def part_folders(names: list[str]) -> list[str]:
    """Those of some folders whose names say that they are parts of a data set (images, labels) and no classes."""
    parts = [name for name in names if name.lower() in _PART_FOLDERS]
    if len(parts) in (1, len(names) - 1) and len(parts) != len(names):
        return [name for name in parts if name.lower() in _IMAGE_FOLDERS]
    return parts


def inventory(root: Path) -> str:
    """What a folder holds, a line for each of its folders: how many files of which endings."""
    lines = []
    for folder in (root, *(path for path in visible(root) if path.is_dir())):
        kinds = Counter(path.suffix.lower() or "no ending" for path in visible(folder) if path.is_file())
        inner = [path.name for path in visible(folder) if path.is_dir()] if folder != root else []
        files = ", ".join(f"{count} {kind}" for kind, count in kinds.most_common(_FEW))
        more = f"{len(inner)} folders ({', '.join(inner[:_FEW])}{' ...' if len(inner) > _FEW else ''})" if inner else ""
        if files or more:
            name = "beside them" if folder == root else f"{folder.name}/"
            lines.append(f"  {name}: {', '.join(part for part in (files, more) if part)}")
    rest = [f"  and {len(lines) - _SHOWN} folders more"] if len(lines) > _SHOWN else []
    return "\n".join([*lines[:_SHOWN], *rest]) or "  nothing"


def _signs_of(folder: Path, names: list[str], root: Path) -> list[str]:
    """The first sign of each kind in one folder."""
    found: dict[str, str] = {}
    images = {os.path.splitext(name)[0] for name in names if name.lower().endswith(SUFFIXES)}
    for name in names:
        ending = os.path.splitext(name)[1].lower()
        if ending in found or ending not in (".json", ".xml", ".txt"):
            continue
        path = folder / name
        shown = path.relative_to(root).as_posix()
        if ending == ".json" and (what := _json_sign(path, Path(name).stem in images)):
            found[ending] = f"{shown} ({what})"
        elif ending == ".xml" and is_annotation_xml(path):
            found[ending] = f"{shown} (annotations in XML)"
        elif ending == ".txt" and (what := _text_sign(path, Path(name).stem in images, bool(images))):
            found[ending] = f"{shown} ({what})"
    return list(found.values())


def _json_sign(path: Path, beside: bool) -> str:
    """What a JSON file is: of a program, or any annotations; empty for anything else.

    Args:
        path: the file.
        beside: whether it has the name of an image beside it.
    """
    head = _head(path)
    for program, keys in _PROGRAMS:
        if all(key in head for key in keys):
            return program
    annotates = beside or sum(key in head for key in _JSON_KEYS) >= 2 or b'"shapes"' in head
    return "annotations in JSON" if annotates else ""


def is_annotation_xml(path: Path, *tags: str) -> bool:
    """Whether the outermost element of a file is one of some; by default ``annotation`` (VOC) or CVAT's own."""
    return outermost_tag(path) in (tags or ("annotation", "annotations"))


def _text_sign(path: Path, beside: bool, among_images: bool) -> str:
    """What a text file is: YOLO's lines, or a list of images; empty for anything else."""
    lines = _head(path)[:4096].decode("utf-8", "replace").splitlines()[:_FEW]
    words = [line.split() for line in lines if line.strip()]
    if (beside or not among_images) and words and len(words[0]) >= 5 and all(map(_is_number, words[0])):
        return "lines of numbers, as YOLO has them"
    if words and all(any(word.lower().endswith(SUFFIXES) for word in line) for line in words):
        return "a list of images"
    return ""


def _is_number(word: str) -> bool:
    try:
        float(word)
    except ValueError:
        return False
    return True


def _head(path: Path) -> bytes:
    return read_head(path, _HEAD).replace(b"\0", b"")  # as UTF-16 has it
