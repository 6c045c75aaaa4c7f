"""Data sets that CVAT exports as "CVAT for images 1.1": an XML file with the shapes of many images.

https://docs.cvat.ai/docs/manual/advanced/xml_format/. The files lie anywhere below the folder, each with its images in
``images/`` beside it, as CVAT packs them, or anywhere else below the folder. The ``subset`` of an image is its split;
`visus.data.annotators.tool_folder` says what else is.

- Boxes, polygons, ellipses and masks are objects; those with the same label and ``group_id`` are one object. Where
  anything but boxes occurs, or a box is turned, objects have masks, drawn as COCO's are.
- The points of a skeleton are keypoints of the only object with its ``group_id``; those that are ``outside`` are not
  labelled, ``occluded`` ones are hidden. Else a skeleton is an object of its own, whose box is that of its points, a
  pixel wider on each side. A label "cat keypoints", as visus writes it for skeletons, is the category "cat".
- Left out, and told by the check: tags, polylines, cuboids, points without a skeleton, and attributes.
- Refused: tracks, which "CVAT for video 1.1" has.

Categories are the labels in the head of the files.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from visus.data.annotators.tool_folder import Survey, Tool, check_tool, first_files, open_tool
from visus.data.check.report import CheckReport
from visus.data.entry import OF_THE_OWNER, DatasetEntry
from visus.data.errors import AnnotationError
from visus.data.files.walk import ImageFinder, walk_files
from visus.data.files.xml_file import read_xml
from visus.data.formats.annotation_signs import is_annotation_xml
from visus.data.formats.cvat_fake import write_fake
from visus.data.formats.cvat_xml import cvat_image, cvat_labels
from visus.data.records.indexed import IndexedDataset


def _look(found: Survey) -> None:
    """Read all files."""
    order: list[str] = []
    for path in _xml_files(found.root):
        try:
            tree = read_xml(path)
        except AnnotationError as error:
            found.complain("unreadable annotations", path, error)
            continue
        if tree.tag != "annotations":
            found.complain("other XML", path, "is no file of CVAT: left out", "warning")
            continue
        if tree.find("track") is not None:
            found.complain("tracks", path, 'has tracks of a video, which are not read: export "CVAT for images 1.1"')
        order += cvat_labels(tree)
        finder = ImageFinder([path.parent / "images", path.parent, found.root / "images", found.root])
        found.add(cvat_image(element, path, found.root, finder) for element in tree.iterfind("image"))
    found.order = tuple(dict.fromkeys(order))


_CVAT = Tool('file "CVAT for images 1.1"', _look)


def open_cvat(root: Path, split: str, *, for_training: bool = False) -> IndexedDataset:
    """Open a split of a folder of CVAT's files; arguments and errors as for `open_tool`.

    Args:
        for_training: clip boxes to the image.
    """
    return open_tool(_CVAT, root, split, for_training=for_training)


def check_cvat(root: Path, *, decode: bool = True) -> CheckReport:
    """Check every file, every shape, every image and the lists of splits."""
    return check_tool(_CVAT, root, decode=decode)


def recognise_cvat(root: Path) -> bool:
    """Whether one of the first XML files below a folder is CVAT's own."""
    return first_files(_xml_files(root), is_right=lambda path: is_annotation_xml(path, "annotations"))


def _xml_files(root: Path) -> Iterator[Path]:
    return walk_files(root, (".xml",))


ENTRY = DatasetEntry(
    open=open_cvat,
    write_fake=write_fake,
    recognise=recognise_cvat,
    mark="annotations.xml of CVAT for images 1.1, with images/ beside it",
    check=check_cvat,
    summary="CVAT's own XML: boxes, polygons, ellipses, masks, skeletons",
    licence=OF_THE_OWNER,
    size="any",
    source="your own files; the program: https://github.com/cvat-ai/cvat",
)
