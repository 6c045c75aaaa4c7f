"""Data sets made with labelme: a JSON file for each image, with the shapes that somebody drew on it.

Wada, "Labelme: Image Polygonal Annotation with Python", https://github.com/wkentaro/labelme. The files lie anywhere
below the folder; `visus.data.annotators.tool_folder` says which splits and categories they have.

- Rectangles (two opposite corners, in any order), turned rectangles, polygons, circles (centre and a point of the rim)
  and masks are objects; those with the same label and ``group_id`` are one object. Where anything but rectangles
  occurs, objects have masks, drawn as COCO's are.
- A point is a keypoint of the only object with its ``group_id``, called as its label, and hidden where its flag
  "hidden" or "occluded" is set. A point of several objects is refused.
- Left out, and told by the check: lines, points without an object, the flags of an image, and what is called
  ``__ignore__`` or ``_background_``.

Coordinates are those of the upright image, as labelme shows it. An image is looked for where ``imagePath`` says, then
beside the JSON file by that name and by the file's own; one that is nowhere is taken from ``imageData``.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from visus.data.annotators.tool_folder import Survey, Tool, check_tool, first_files, open_tool
from visus.data.check.report import CheckReport
from visus.data.entry import OF_THE_OWNER, DatasetEntry
from visus.data.errors import AnnotationError
from visus.data.files.json_file import read_json
from visus.data.files.walk import walk_files
from visus.data.formats.flip_pairs import FLIP_PAIRS
from visus.data.formats.labelme_fake import write_fake
from visus.data.formats.labelme_json import is_labelme, labelme_image, labelme_image_size, read_labelme_image
from visus.data.records.indexed import IndexedDataset


def _look(found: Survey) -> None:
    """Read all files."""
    for path in _json_files(found.root):
        try:
            content = read_json(path)
        except AnnotationError as error:
            found.complain("unreadable annotations", path, error)
            continue
        if is_labelme(content):
            found.add([labelme_image(path, found.root, content)])
        else:
            found.complain("other JSON", path, "is no file of labelme: left out", "warning")


_LABELME = Tool("JSON file of labelme", _look, read_labelme_image, labelme_image_size)


def open_labelme(root: Path, split: str, *, for_training: bool = False) -> IndexedDataset:
    """Open a split of a folder of labelme's files; arguments and errors as for `open_tool`.

    Args:
        for_training: clip boxes to the image.
    """
    return open_tool(_LABELME, root, split, for_training=for_training)


def _json_files(root: Path) -> Iterator[Path]:
    """The JSON files below a folder, in the same order every time, without hidden ones and our own."""
    return (path for path in walk_files(root, (".json",)) if path.name != FLIP_PAIRS)


def recognise_labelme(root: Path) -> bool:
    """Whether one of the first JSON files below a folder is labelme's."""
    return first_files(_json_files(root), is_right=_looks_right)


def _looks_right(path: Path) -> bool:
    with suppress(AnnotationError):
        return is_labelme(read_json(path))
    return False


def check_labelme(root: Path, *, decode: bool = True) -> CheckReport:
    """Check every file, every shape, every image and the lists of splits."""
    return check_tool(_LABELME, root, decode=decode)


ENTRY = DatasetEntry(
    open=open_labelme,
    write_fake=write_fake,
    recognise=recognise_labelme,
    mark="JSON files of labelme, with shapes and imagePath, beside their images or anywhere below",
    check=check_labelme,
    summary="labelme JSON: rectangles, polygons, circles, masks, keypoints",
    licence=OF_THE_OWNER,
    size="any",
    source="your own files; the program: https://github.com/wkentaro/labelme",
)
