"""Files of labelme (https://github.com/wkentaro/labelme), as `visus.data.readers.labelme` reads them."""

from __future__ import annotations

import base64
import io
import json

from PIL import Image

from visus.data.annotators.drawn import Drawn, DrawnImage, cropped, pairs, rounded
from visus.data.formats.coco_values import Record

_VERSION = "5.5.0"  # from which on shapes may be masks


def labelme_text(image: DrawnImage, *, data: bytes | None = None) -> str:
    """The JSON file of an image. Shapes of one object have the same ``group_id``.

    Args:
        image: its name is the path of the image, seen from the folder of the JSON file.
        data: the image as a file, where the program is not to look for one.
    """
    shapes = [
        shape for number, thing in enumerate(image.objects, start=1) for shape in _shapes(thing, number, image.size)
    ]
    content = {
        "version": _VERSION,
        "flags": {name: True for name, _ in image.classes},
        "shapes": shapes,
        "imagePath": image.name,
        "imageData": None if data is None else base64.b64encode(data).decode(),
        "imageHeight": image.size[0],
        "imageWidth": image.size[1],
    }
    return json.dumps(content, ensure_ascii=False, indent=1) + "\n"


def _shapes(thing: Drawn, number: int, size: tuple[int, int]) -> list[Record]:
    """The shapes of an object, and a point for each of its keypoints."""
    about = "" if thing.score is None else f"score {thing.score:.3f}"
    parts: list[Record] = [{"shape_type": "polygon", "points": pairs(rounded(polygon))} for polygon in thing.polygons]
    if thing.mask is not None:
        left, top, part = cropped(thing.mask)
        high, wide = part.shape
        held = io.BytesIO()
        Image.fromarray(part.numpy()).save(held, "png")
        corners = [[left, top], [left + wide - 1, top + high - 1]]  # of the first and of the last pixel
        parts.append({"shape_type": "mask", "points": corners, "mask": base64.b64encode(held.getvalue()).decode()})
    if not parts:
        x1, y1, x2, y2 = rounded(thing.box_xyxy)
        parts.append({"shape_type": "rectangle", "points": [[x1, y1], [x2, y2]]})
    group = number if len(parts) + len(thing.points) > 1 else None
    usual: Record = {"group_id": group, "description": about, "flags": {}, "mask": None}
    found = [{"label": thing.name, **usual, **part} for part in parts]
    for point in thing.points:
        flags = {"occluded": True} if point.hidden else {}
        place = {"shape_type": "point", "points": [rounded([point.x, point.y])], "flags": flags}
        found.append({"label": point.name, **usual, **place})
    return found
