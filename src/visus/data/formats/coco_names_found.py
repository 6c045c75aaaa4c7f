"""Images of a COCO file that lie elsewhere than it says, found by their names."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from visus.data.files.walk import ImageFinder
from visus.data.formats.coco_values import is_file_name


def find_images(content: dict[str, Any], images: Path) -> ImageFinder:
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
