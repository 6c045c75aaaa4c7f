"""Label Studio's own exports, JSON and JSON-MIN: which objects the regions of a task are, and which image it is about.

https://labelstud.io/guide/export. JSON is a list of tasks with ``data`` (the address of the image) and ``annotations``,
each with the regions that a person drew as ``result``. JSON-MIN is a list of rows, one an annotation: the data, and
under the name of each control a list of its regions, without identifiers. Coordinates are per cent of the image.
"""

from __future__ import annotations

import re
from pathlib import Path, PureWindowsPath
from typing import Any
from urllib.parse import unquote

from visus.data.annotators.tool_folder import split_of
from visus.data.annotators.tool_image import Finding, ToolImage
from visus.data.files.suffixes import SUFFIXES
from visus.data.files.walk import ImageFinder
from visus.data.formats.coco_values import Record, is_file_name, short
from visus.data.formats.label_studio_regions import Regions

_UPLOADED = re.compile(r"[0-9a-f]{8}-(?=.)")  # what Label Studio puts before the name of an uploaded file
_ROW_KEYS = ("annotation_id", "annotator", "lead_time")
_FIRST = 20  # tasks that decide what a file is


def is_label_studio(content: Any) -> bool:
    """Whether the content of a JSON file is Label Studio's, in either form."""
    tasks = _tasks(content)[:_FIRST]
    return any(isinstance(task, dict) and (_is_task(task) or _is_row(task)) for task in tasks)


def label_studio_images(
    path: Path, root: Path, content: Any, finder: ImageFinder
) -> tuple[list[ToolImage], list[Finding]]:
    """The images of a file, in which `is_label_studio`, and what is wrong with tasks that are left out.

    Args:
        path: of the file.
        root: the folder of the data set.
        content: of the file.
        finder: finds images.
    """
    images, left_out = list[ToolImage](), list[Finding]()
    tasks = _tasks(content)
    if not any(isinstance(task, dict) and _is_task(task) for task in tasks):
        tasks = _joined(tasks)
    for number, task in enumerate(tasks, start=1):
        said = task.get("id") if isinstance(task, dict) else None
        about = f"task {said if isinstance(said, int) else number}: "
        findings: list[Finding] = []
        regions = _chosen(task, about, findings)
        address = None if regions is None else _address(task["data"], about, findings)
        if regions is None or address is None:
            left_out += findings
            continue
        name = _file_name(address)
        folder, slash, last = name.rpartition("/")
        plain = f"{folder}{slash}{_UPLOADED.sub('', last, count=1)}"
        place = finder.find(name) or finder.find(plain)
        image = place or finder.folders[0] / plain
        drawn = Regions(about, image, findings)
        objects = drawn.objects(regions)
        split = split_of(path, root, path.stem) or (split_of(image, root) if place else "")
        listed = Path(plain).with_suffix("")
        images.append(ToolImage(path, image, drawn.size, objects, tuple(findings), split, listed, about))
    return images, left_out


def _tasks(content: Any) -> list[Any]:
    return content if isinstance(content, list) else [content]


def _is_task(task: Record) -> bool:
    return isinstance(task.get("data"), dict) and any(
        isinstance(task.get(key), list) for key in ("annotations", "completions", "predictions")
    )


def _is_row(row: Record) -> bool:
    lists = (value for value in row.values() if isinstance(value, list))
    drawn = any(isinstance(region, dict) and "original_width" in region for value in lists for region in value)
    return drawn or sum(key in row for key in _ROW_KEYS) > 1


def _joined(rows: list[Any]) -> list[Any]:
    """The rows of JSON-MIN as tasks, whose annotations are the rows of the same number."""
    found: dict[Any, Any] = {}
    for place, row in enumerate(rows):
        number = row.get("id") if isinstance(row, dict) else None
        if not isinstance(row, dict):
            found[f"row {place}"] = row
            continue
        lists = {
            key: value
            for key, value in row.items()
            if isinstance(value, list) and any(isinstance(one, dict) for one in value)
        }
        regions = [
            {"value": region, **region} if isinstance(region, dict) else region
            for value in lists.values()
            for region in value
        ]
        task = found.setdefault(
            number if isinstance(number, int) else f"row {place}", {"id": number, "annotations": []}
        )
        task.setdefault("data", {key: value for key, value in row.items() if key not in lists})
        task["annotations"].append({**row, "id": row.get("annotation_id"), "result": regions})
    return list(found.values())


def _chosen(task: Any, about: str, findings: list[Finding]) -> list[Any] | None:
    """The regions of the annotation that counts: that of the ground truth, else the last one; None where none does."""
    if not isinstance(task, dict) or not isinstance(task.get("data"), dict):
        findings.append(("malformed task", "error", f"{about}{short(task)} is no task with its data"))
        return None
    given = task.get("annotations", task.get("completions"))
    if not isinstance(given, list | None) or not all(isinstance(one, dict) for one in given or ()):
        findings.append(("malformed task", "error", f"{about}its annotations are {short(given)}"))
        return None
    kept = [one for one in given or () if not one.get("was_cancelled") and not one.get("skipped")]
    if not kept:
        findings.append(("task left out", "warning", f"{about}nobody has annotated it; predictions do not count"))
        return None
    one = max([one for one in kept if one.get("ground_truth") is True] or kept, key=_date)
    if len(kept) > 1:
        which = "the ground truth" if one.get("ground_truth") is True else "the last one"
        findings.append(("several annotations", "warning", f"{about}has {len(kept)} annotations: {which} counts"))
    regions = one.get("result")
    if not isinstance(regions, list):
        findings.append(("malformed task", "error", f"{about}the result of its annotation is {short(regions)}"))
        return None
    return regions


def _date(annotation: Record) -> tuple[str, int]:
    number = annotation.get("id")
    date = annotation.get("updated_at") or annotation.get("created_at") or ""
    return str(date), number if isinstance(number, int) else 0


def _address(data: Record, about: str, findings: list[Finding]) -> str | None:
    """The address of the image of a task."""
    texts = {key: value for key, value in data.items() if isinstance(value, str) and is_file_name(value)}
    images = [value for value in texts.values() if _file_name(value).lower().endswith(SUFFIXES)]
    images = images or [texts[key] for key in ("image", "img", "url") if texts.get(key)][:1]
    if len(images) == 1 and _file_name(images[0]) and images[0].isprintable():
        return images[0]
    what = "names no image" if not images else f"has {len(images)} images: only tasks of one are read"
    findings.append(("malformed task", "error", f"{about}its data {what} ({short(data)})"))
    return None


def _file_name(address: str) -> str:
    """The path that an address ends in, with neither a machine nor a folder above."""
    head, mark, rest = address.partition("?")
    text = unquote(rest.removeprefix("d=") if mark and rest.startswith("d=") else head)
    text = text.partition("://")[2].partition("/")[2] if "://" in text else text
    parts = PureWindowsPath(text.replace("\\", "/")).parts
    return "/".join(part for part in parts if part not in ("..", ".", "/", "\\") and not part.endswith((":", ":\\")))
