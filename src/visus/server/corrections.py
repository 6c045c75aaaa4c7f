"""What people correct of a prediction, kept as a data set in COCO's format that a training can read.

It lies beside the model, in ``corrections``: the images as they were sent, and ``annotations.json``. An image that is
corrected again has its annotations replaced. Nothing else is ever written over, no source among it: every file here has
a name that is made of its content.
"""

from __future__ import annotations

import hashlib
import json
import math
from pathlib import Path
from typing import Any, Final

from visus.metrics.coco_format import schema_to_categories
from visus.predict.content import Record
from visus.server.loaded import LoadedModel, Upload, require_pixels
from visus.server.settings import RequestError
from visus.whole_file import whole_file, write_whole

MOST_OBJECTS: Final = 2000
MOST_IMAGES: Final = 10_000
FOLDER: Final = "corrections"
_ENDINGS = {b"\xff\xd8\xff": ".jpg", b"\x89PNG": ".png", b"RIFF": ".webp", b"GIF8": ".gif", b"BM": ".bmp"}


def save_correction(model: LoadedModel, upload: Upload, text: str, work: Path) -> Record:
    """Keeps an image with its corrected objects.

    Args:
        model: whose categories they have.
        upload: the image.
        text: JSON, a list of objects with ``category_id`` (or ``name``) and ``bbox`` [x, y, width, height].
        work: the folder for models that have none of their own.

    Returns:
        The file of annotations, and how many images and objects it has now.

    Raises:
        RequestError: objects that are none, or outside of the image.
    """
    height, width = require_pixels(upload, model.max_pixels)
    objects = [_object(one, model, width, height) for one in _list(text)]
    folder = (model.folder or work / model.name) / FOLDER
    images = folder / "images"
    images.mkdir(parents=True, exist_ok=True)
    ending = next((end for head, end in _ENDINGS.items() if upload.content.startswith(head)), ".tif")
    file = images / f"{hashlib.sha256(upload.content).hexdigest()[:24]}{ending}"
    if not file.exists():
        with whole_file(file) as part:
            part.write_bytes(upload.content)
    place = folder / "annotations.json"
    content = _known(place) | {"categories": schema_to_categories(model.predictor.schema)}
    about = {"file_name": file.name, "width": width, "height": height}
    content = with_image(content, about, objects)
    write_whole(place, json.dumps(content, indent=1))
    return {
        "file": str(place),
        "images": len(content["images"]),
        "objects": len(content["annotations"]),
        "image": file.name,
    }


def with_image(content: Record, about: Record, objects: list[Record]) -> Record:
    """The content of a COCO file with the objects of one image in place of those that it had.

    Raises:
        RequestError: it has as many images as fit.
    """
    known = next((image for image in content["images"] if image["file_name"] == about["file_name"]), None)
    images = list(content["images"])
    if known is None:
        if len(images) >= MOST_IMAGES:
            raise RequestError(f"{MOST_IMAGES:,} images are corrected, and no more fit", status=409)
        known = {"id": max((image["id"] for image in images), default=0) + 1, **about}
        images.append(known)
    kept = [one for one in content["annotations"] if one["image_id"] != known["id"]]
    first = max((one["id"] for one in kept), default=0) + 1
    new = [{"id": first + place, "image_id": known["id"], **one} for place, one in enumerate(objects)]
    return {**content, "images": images, "annotations": kept + new}


def _list(text: str) -> list[Any]:
    try:
        objects = json.loads(text)
    except ValueError as error:
        raise RequestError(f"annotations is no JSON ({error})") from error
    if not isinstance(objects, list) or len(objects) > MOST_OBJECTS:
        raise RequestError(f"annotations must be a list of at most {MOST_OBJECTS:,} objects")
    return objects


def _object(given: Any, model: LoadedModel, width: int, height: int) -> Record:
    """An object as an annotation of COCO's, its box cut at the borders of the image."""
    if not isinstance(given, dict):
        raise RequestError("each of annotations must be an object with category_id and bbox")
    ids = {one["id"]: one["name"] for one in model.about["categories"]}
    names = {name: number for number, name in ids.items()}
    number = given.get("category_id", names.get(str(given.get("name"))))
    if not isinstance(number, int) or isinstance(number, bool) or number not in ids:
        raise RequestError(f"{model.name} has no category {given.get('category_id', given.get('name'))!r:.80}")
    box = given.get("bbox")
    if not (isinstance(box, list) and len(box) == 4 and all(_is_number(value) for value in box)):
        raise RequestError(f"bbox must be [x, y, width, height], not {box!r:.80}")
    x1, y1 = max(0.0, float(box[0])), max(0.0, float(box[1]))
    x2, y2 = min(float(width), float(box[0]) + float(box[2])), min(float(height), float(box[1]) + float(box[3]))
    if x2 - x1 < 1 or y2 - y1 < 1:
        raise RequestError(f"bbox {box!r:.80} covers no pixel of an image of {width} x {height}")
    cut = [round(value, 2) for value in (x1, y1, x2 - x1, y2 - y1)]
    return {"category_id": number, "bbox": cut, "area": round(cut[2] * cut[3], 2), "iscrowd": 0}


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _known(place: Path) -> Record:
    """What was corrected before.

    Raises:
        RequestError: the file is no longer what was written; it is left as it is.
    """
    if not place.exists():
        return {"images": [], "annotations": []}
    try:
        content = json.loads(place.read_text(encoding="utf-8"))
        fits = isinstance(content["images"], list) and isinstance(content["annotations"], list)
    except (ValueError, KeyError, TypeError) as error:
        raise RequestError(f"{place} is damaged, and is left as it is; move it away", status=409) from error
    if not fits:
        raise RequestError(f"{place} is damaged, and is left as it is; move it away", status=409)
    return dict(content)
