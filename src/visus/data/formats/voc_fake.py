"""A miniature in Pascal VOC's layout: drawn shapes with boxes, some difficult, and the class of every pixel."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from visus.data.formats.coco_values import Record
from visus.data.formats.voc_names import VOC_NAMES, voc_colour, voc_palette
from visus.data.formats.voc_xml import voc_xml
from visus.types import VOID

_HEIGHT, _WIDTH = 96, 128
_KINDS = ("bus", "dog", "person")


def write_fake(root: Path, *, images: int = 6, seed: int = 0) -> None:
    """Write a miniature VOC with boxes and classes of pixels: ``images`` of 96 x 128 in each split.

    The last image of each split has no object; the last object of each first image is difficult.
    """
    root = Path(root)
    for folder in ("JPEGImages", "Annotations", "SegmentationClass", "ImageSets/Main", "ImageSets/Segmentation"):
        (root / folder).mkdir(parents=True, exist_ok=True)
    listed: dict[str, list[str]] = {"train": [], "val": [], "test": []}
    for number, (_, names) in enumerate(listed.items()):
        for turn in range(images):
            name = f"2012_{number * images + turn + 1:06d}"
            count = 0 if turn == images - 1 and images > 1 else 1 + (turn + number) % 3
            _write_image(root, name, count, np.random.default_rng((seed, number, turn)), hard=turn == 0)
            names.append(name)
    listed["trainval"] = listed["train"] + listed["val"]
    for kind in ("Main", "Segmentation"):
        for split, names in listed.items():
            (root / "ImageSets" / kind / f"{split}.txt").write_text("".join(f"{name}\n" for name in names))


def _write_image(root: Path, name: str, count: int, generator: np.random.Generator, *, hard: bool) -> None:
    """Draw ``count`` ellipses side by side, and write the three files about them."""
    noise = generator.integers(110, 160, (_HEIGHT // 8, _WIDTH // 8, 3), dtype=np.uint8)
    image = Image.fromarray(noise).resize((_WIDTH, _HEIGHT), Image.Resampling.BICUBIC)
    classes = Image.new("P", (_WIDTH, _HEIGHT))
    classes.putpalette(voc_palette())
    objects: list[Record] = []
    for turn in range(count):
        kind = _KINDS[int(generator.integers(len(_KINDS)))]
        width, height = int(generator.integers(20, _WIDTH // count - 4)), int(generator.integers(20, 80))
        left = _WIDTH * turn // count + int(generator.integers(0, _WIDTH // count - width))
        top = int(generator.integers(0, _HEIGHT - height))
        corners = (left, top, left + width - 1, top + height - 1)  # Pillow includes both ends, too
        label = VOC_NAMES.index(kind) + 1
        ImageDraw.Draw(image).ellipse(corners, fill=voc_colour(label))
        ImageDraw.Draw(classes).ellipse(corners, fill=label, outline=VOID)
        difficult = int(hard and turn == count - 1)
        objects.append({"name": kind, "bbox": [left, top, width, height], "iscrowd": difficult})
    image.save(root / "JPEGImages" / f"{name}.jpg", quality=95)
    classes.save(root / "SegmentationClass" / f"{name}.png")
    text = voc_xml(image=f"{name}.jpg", size=(_HEIGHT, _WIDTH), objects=objects)
    (root / "Annotations" / f"{name}.xml").write_text(text)
