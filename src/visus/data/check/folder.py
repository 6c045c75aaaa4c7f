"""Looks through a data set for everything that training or evaluation would stumble over; reports all of it at once."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

from visus.data.check.classes import check_csv, check_image_folder
from visus.data.check.pennfudan import check_pennfudan
from visus.data.check.records import Problem, check_records
from visus.data.check.report import CheckReport, in_parallel, picture_problems
from visus.data.check.semantic import check_semantic
from visus.data.check.voc import check_voc
from visus.data.check.yolo import check_yolo
from visus.data.errors import AnnotationError, DatasetNotFoundError
from visus.data.formats.coco_index import Record, read_coco_json
from visus.data.formats.coco_layouts import all_coco
from visus.data.readers.camvid import open_camvid
from visus.data.readers.mask_folder import open_mask_folder
from visus.data.readers.voc_semantic import open_voc_semantic
from visus.data.recognise import layout_of

__all__ = ["CheckReport", "Problem", "check_coco", "check_folder", "check_pennfudan"]


def check_folder(root: Path, *, decode: bool = True) -> CheckReport:
    """Check every annotation file and every picture of a data set in any layout that is recognised.

    Args:
        root: the folder.
        decode: read every picture completely; otherwise only the heads of the files.
    """
    root = Path(root)
    try:
        check = CHECKS[layout_of(root)]
    except DatasetNotFoundError as error:
        message = str(error).removeprefix(f"{root}: ")
        return CheckReport((Problem("no data set", "error", str(root), message),), 0, 0)
    return check(root, decode=decode)


def check_coco_folder(root: Path, *, decode: bool = True) -> CheckReport:
    """Check every annotation file of a folder in one of COCO's layouts; arguments as for `check_folder`."""
    reports = [check_coco(found.annotations, found.images, decode=decode) for found in all_coco(root)]
    return sum(reports[1:], reports[0])


def check_coco(annotations: Path, images: Path | None = None, *, decode: bool = True) -> CheckReport:
    """Check an annotation file in COCO's format and the pictures that it names.

    Args:
        annotations: the JSON file.
        images: the folder of the pictures; None looks for it near the file.
        decode: read every picture completely; otherwise only the heads of the files.
    """
    annotations = Path(annotations)
    try:
        content = read_coco_json(annotations)
    except (AnnotationError, OSError) as error:
        message = str(error).removeprefix(f"{annotations}: ")
        return CheckReport((Problem("unreadable annotations", "error", str(annotations), message),), 0, 0)
    problems = list(check_records(content, str(annotations)))
    records = [record for record in content["images"] if _names_a_file(record)]
    folder = Path(images) if images else _find_pictures(annotations, records)
    if folder is None:
        message = "found none of its pictures near it: say where they are"
        problems.append(Problem("missing image folder", "error", str(annotations), message))
    else:
        problems += in_parallel(partial(picture_problems, folder, decode=decode), records)
    return CheckReport(tuple(problems), len(content["images"]), len(content["annotations"]))


def _names_a_file(record: object) -> bool:
    return isinstance(record, dict) and isinstance(record.get("file_name"), str)


def _find_pictures(annotations: Path, records: list[Record]) -> Path | None:
    """The folder near an annotation file that holds at least one of its first pictures."""
    near, above = annotations.parent, annotations.parent.parent
    name = annotations.stem.rpartition("_")[2]
    folders = (near, near / "images", above / name, above / "images" / name, above, above / "images")
    if not records:
        return near
    return next((f for f in folders if any((f / record["file_name"]).is_file() for record in records[:50])), None)


CHECKS: dict[str, Callable[..., CheckReport]] = {
    "coco": check_coco_folder,
    "yolo": check_yolo,
    "voc": check_voc,
    "voc_semantic": partial(check_semantic, open_split=open_voc_semantic),
    "camvid": partial(check_semantic, open_split=open_camvid),
    "mask_folder": partial(check_semantic, open_split=open_mask_folder),
    "pennfudan": check_pennfudan,
    "csv": check_csv,
    "image_folder": check_image_folder,
}
"""The check of each layout of `visus.data.recognise.LAYOUTS`."""
