"""Data sets that Label Studio exports as JSON or JSON-MIN: a file with the regions of many images.

https://labelstud.io/guide/export. The file lies anywhere below the folder. Label Studio packs no images with it, so
they are looked for by the names in their addresses, in ``images/`` beside the file and anywhere below the folder, with
or without the eight characters that it puts before the names of uploads. `visus.data.annotators.tool_folder` says which
splits and categories there are.

- Rectangles, polygons, ellipses and brushes are objects. A region whose parent has the same label is a part of it.
  Where anything but rectangles occurs, or one is turned, objects have masks, drawn as COCO's are.
- A key point is a keypoint of the object that its parent is. JSON-MIN has no parents.
- Of several annotations of a task the ground truth counts, else the last one. Skipped ones and predictions do not.
- Left out, and told by the check: tasks that nobody annotated, regions without a label, key points without a parent,
  choices, texts, ratings and relations.
- Refused: regions with several labels, bitmasks, vectors, images that were turned in Label Studio, tasks of several
  images.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from visus.data.annotators.tool_folder import Survey, Tool, check_tool, first_files, open_tool
from visus.data.check.report import CheckReport
from visus.data.entry import OF_THE_OWNER, DatasetEntry
from visus.data.errors import AnnotationError
from visus.data.files.content import read_head
from visus.data.files.json_file import read_json
from visus.data.files.walk import ImageFinder, walk_files
from visus.data.formats.flip_pairs import FLIP_PAIRS
from visus.data.formats.label_studio_fake import write_fake
from visus.data.formats.label_studio_json import is_label_studio, label_studio_images
from visus.data.records.indexed import IndexedDataset

_KEYS = (b'"annotations"', b'"completions"', b'"predictions"', b'"original_width"', b'"annotation_id"')
_HEAD = 1 << 20  # bytes of a file in which one of them occurs


def _look(found: Survey) -> None:
    """Read all files."""
    for path in _json_files(found.root):
        try:
            content = read_json(path)
        except AnnotationError as error:
            found.complain("unreadable annotations", path, error)
            continue
        if not is_label_studio(content):
            found.complain("other JSON", path, "is no export of Label Studio: left out", "warning")
            continue
        finder = ImageFinder([path.parent / "images", path.parent, found.root / "images", found.root])
        images, left_out = label_studio_images(path, found.root, content, finder)
        found.add(images)
        for kind, severity, text in left_out:
            found.complain(kind, path, text, severity)
        if not images:
            found.complain("no annotations", path, "has no task that somebody has annotated")


_LABEL_STUDIO = Tool("JSON file of Label Studio", _look)


def open_label_studio(root: Path, split: str, *, for_training: bool = False) -> IndexedDataset:
    """Open a split of a folder with exports of Label Studio; arguments and errors as for `open_tool`.

    Args:
        for_training: clip boxes to the image.
    """
    return open_tool(_LABEL_STUDIO, root, split, for_training=for_training)


def check_label_studio(root: Path, *, decode: bool = True) -> CheckReport:
    """Check every file, every region, every image and the lists of splits."""
    return check_tool(_LABEL_STUDIO, root, decode=decode)


def recognise_label_studio(root: Path) -> bool:
    """Whether one of the first JSON files below a folder is an export of Label Studio."""
    return first_files(_json_files(root), is_right=_looks_right)


def _looks_right(path: Path) -> bool:
    head = read_head(path, _HEAD).replace(b"\0", b"")  # as UTF-16 has it
    if not any(key in head for key in _KEYS):
        return False
    with suppress(AnnotationError):
        return is_label_studio(read_json(path))
    return False


def _json_files(root: Path) -> Iterator[Path]:
    return (path for path in walk_files(root, (".json",)) if path.name != FLIP_PAIRS)


ENTRY = DatasetEntry(
    open=open_label_studio,
    write_fake=write_fake,
    recognise=recognise_label_studio,
    mark="a JSON or JSON-MIN export of Label Studio beside images/",
    check=check_label_studio,
    summary="Label Studio's own JSON: rectangles, polygons, ellipses, brushes, key points",
    licence=OF_THE_OWNER,
    size="any",
    source="your own files; the program: https://github.com/HumanSignal/label-studio",
)
