"""A miniature of three tasks that CVAT exported: drawn shapes with masks, polygons, skeletons or boxes."""

from __future__ import annotations

from pathlib import Path

from visus.data.annotators.cvat import cvat_image, cvat_xml
from visus.data.annotators.drawn import DrawnImage
from visus.data.annotators.drawn_fake import CATEGORIES, drawn_shapes
from visus.data.files.splits import SPLITS


def write_fake(root: Path, *, images: int = 6, seed: int = 0, boxes: bool = False) -> None:
    """Write ``annotations.xml`` and ``images/`` in train/, val/ and test/: the last image of each without an object.

    Args:
        root: the folder, made where needed.
        images: of each split.
        seed: of the drawings.
        boxes: write boxes only.
    """
    for number, split in enumerate(SPLITS):
        folder = Path(root) / split / "images"
        folder.mkdir(parents=True, exist_ok=True)
        elements = []
        for turn, (image, things) in enumerate(drawn_shapes(images, (seed, number), boxes=boxes)):
            name = f"{turn:03d}.jpg"
            image.save(folder / name, quality=95)
            elements.append(cvat_image(DrawnImage(name, (image.height, image.width), things), turn))
        (folder.parent / "annotations.xml").write_text(cvat_xml(elements, CATEGORIES, name=split), encoding="utf-8")
