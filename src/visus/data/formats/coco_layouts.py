"""Where the files of a data set in COCO's format lie: the layouts that people use."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from visus.data.errors import DatasetNotFoundError
from visus.data.files.splits import ALIASES, check_split, divided
from visus.data.formats.coco_index import read_coco_json


@dataclass(frozen=True)
class CocoFiles:
    """The folder of the images, the annotation file, and which of its images belong to the split (None: all)."""

    images: Path
    annotations: Path
    image_ids: tuple[int, ...] | None = None


def find_coco(root: Path, split: str, *, keypoints: bool = False) -> CocoFiles:
    """Find the files of a split; see `visus.data.readers.coco.open_coco` for the layouts.

    Raises:
        ValueError: ``split`` is no split.
        DatasetNotFoundError: no layout fits; lists what was looked for.
    """
    check_split(split)
    if not root.is_dir():
        raise DatasetNotFoundError(f"{root}: no such folder")
    found = _official(root, split, keypoints) or _beside_images(root, split) or _undivided(root, split)
    if found is None:
        names = "|".join(ALIASES[split])
        raise DatasetNotFoundError(
            f"{root}: found no COCO annotations of the split {split!r}. Looked for\n"
            f"  annotations/instances_{split}*.json or annotations/person_keypoints_{split}*.json, "
            f"with images in {split}*/ or images/{split}*/\n"
            f"  ({names})/_annotations.coco.json, with images beside it\n"
            f"  annotations.json or _annotations.coco.json, with images in images/ or beside it"
        )
    return found


def all_coco(root: Path) -> list[CocoFiles]:
    """The annotation files of every split and kind under ``root``, without reading one of them."""
    found = [CocoFiles(images=file.parent, annotations=file) for file in sorted(root.glob("*/_annotations.coco.json"))]
    for file in sorted((root / "annotations").glob("*.json")):
        if file.name.startswith(("instances_", "person_keypoints_")):
            found.append(CocoFiles(images=_images_of(root, file) or root, annotations=file))
    if single := _single_file(root):
        found.append(CocoFiles(images=_single_folder(root), annotations=single))
    return found


def _official(root: Path, split: str, keypoints: bool) -> CocoFiles | None:
    """The layout of COCO itself."""
    kinds = ("person_keypoints", "instances") if keypoints else ("instances", "person_keypoints")
    for kind in kinds:
        for file in sorted((root / "annotations").glob(f"{kind}_{split}*.json")):
            if images := _images_of(root, file):
                return CocoFiles(images=images, annotations=file)
            name = file.stem.removeprefix(f"{kind}_")
            raise DatasetNotFoundError(
                f"{file}: found no folder of its images; looked for {root / name} and {root / 'images' / name}"
            )
    return None


def _images_of(root: Path, file: Path) -> Path | None:
    """The images of ``annotations/instances_train2017.json`` lie in ``train2017``, ``train`` or ``images``."""
    name = file.stem.removeprefix("instances_").removeprefix("person_keypoints_")
    split = name.rstrip("0123456789")
    candidates = (parent / part for part in (name, split) for parent in (root, root / "images"))
    return next((folder for folder in (*candidates, root / "images") if folder.is_dir()), None)


def _beside_images(root: Path, split: str) -> CocoFiles | None:
    """The layout of exports: each split a folder with its own annotation file."""
    for alias in ALIASES[split]:
        annotations = root / alias / "_annotations.coco.json"
        if annotations.is_file():
            return CocoFiles(images=annotations.parent, annotations=annotations)
    return None


def _undivided(root: Path, split: str) -> CocoFiles | None:
    """One annotation file for everything: divided here, the same way every time."""
    file = _single_file(root)
    if file is None:
        return None
    identifiers = [image["id"] for image in read_coco_json(file)["images"]]
    return CocoFiles(images=_single_folder(root), annotations=file, image_ids=_divided(identifiers, split))


def _single_file(root: Path) -> Path | None:
    candidates = (root / name for name in ("annotations.json", "_annotations.coco.json"))
    return next((file for file in candidates if file.is_file()), None)


def _single_folder(root: Path) -> Path:
    return root / "images" if (root / "images").is_dir() else root


def _divided(identifiers: list[int], split: str) -> tuple[int, ...]:
    """80, 10 and 10 % of the identifiers; at least one image in each split where there are three."""
    ordered = sorted(identifiers)
    return tuple(ordered[place] for place in divided(len(ordered), split))
