"""Folders of images and of masks: what people make for semantic segmentation of their own.

A list of classes (`visus.data.formats.class_lists`) and

- ``images/{split}/`` with ``masks/{split}/``, or ``{split}/images/`` with ``{split}/masks/``;
- ``images/`` with ``masks/`` and ``{split}.txt`` with a name a line;
- ``images/`` with ``masks/`` alone: 80 % train, 10 % val, 10 % test, the same division every time;
- ``{split}/``, or the folder itself, with ``NAME.jpg``, ``NAME_mask.png`` and the list of classes, as of Roboflow.

``masks`` may be called ``labels``, ``annotations`` or otherwise (`MASKS`) where it holds images that can be masks. A
mask has the name of its image, or that with ``_mask`` added, and holds numbers of classes (8 or 16 bits, with or
without a palette) or the colours of the list.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
from PIL import Image

from visus.data.check.records import Problem
from visus.data.check.report import CheckReport
from visus.data.check.semantic import check_semantic
from visus.data.entry import OF_THE_OWNER, OWN_FILES, DatasetEntry, Void
from visus.data.errors import DatasetNotFoundError
from visus.data.files.listed_files import FolderListing, read_lines
from visus.data.files.splits import ALIASES, SPLITS, check_split, divided, missing_split, split_lists
from visus.data.files.suffixes import SUFFIXES
from visus.data.files.walk import visible
from visus.data.formats.class_lists import FILES, find_class_list, read_class_list
from visus.data.records.fake_images import draw_regions
from visus.data.records.semantic_pairs import SemanticPairs
from visus.types import VOID

MASKS = (
    *("masks", "mask", "labels", "label", "annotations", "annotation", "segmentations", "segmentation"),
    *("gt", "groundtruth", "ground_truth", "labelids", "targets", "mattes"),
)
"""What the folder of the masks may be called."""
IMAGES = ("images", "image", "imgs", "img", "JPEGImages", "data")
"""What the folder of the images may be called."""
_ADDED = "_mask"  # to the name of an image, in that of its mask
_MASK_SUFFIXES = (".png", ".bmp", ".tif", ".tiff", ".gif")  # nothing that changes values when it compresses


@dataclass(frozen=True)
class _Folders:
    """Where the images and masks of a split lie, and their names without endings in order."""

    images: Path
    masks: Path
    names: list[str]


def open_mask_folder(root: Path, split: str, *, for_training: bool = False, void: Void = "auto") -> SemanticPairs:
    """Open a split of folders of images and masks."""
    check_split(split)
    root = Path(root)
    listing = _class_list(root, split) or _class_list(root)
    if listing is None:
        missing = f"no list of classes ({', '.join(FILES)})" if root.is_dir() else "no such folder"
        raise DatasetNotFoundError(f"{root}: {missing}")
    schema, table = read_class_list(listing, void)
    found = _find(root, split)
    files, masks = FolderListing(found.images, SUFFIXES), FolderListing(found.masks, _MASK_SUFFIXES)
    images, maps = found.images.relative_to(root), found.masks.relative_to(root)
    pairs = [
        (f"{images}/{files.name(name)}", f"{maps}/{_mask_name(masks, name, beside=images == maps)}")
        for name in found.names
    ]
    return SemanticPairs(root=root, pairs=pairs, schema=schema, table=table, void=void)


def _class_list(root: Path, split: str = "") -> Path | None:
    """The list in the folder, or in that of the split; by default, of any split."""
    aliases = ALIASES[split] if split else (alias for names in ALIASES.values() for alias in names)
    places = (root, *(root / alias for alias in aliases))
    return next((listing for place in places if (listing := find_class_list(place))), None)


def recognise_mask_folder(root: Path) -> bool:
    """Whether a folder has a list of classes and masks."""
    return _class_list(root) is not None and bool(_mask_folders(root))


def refusal(root: Path) -> str:
    """Why a folder with masks cannot be read; empty where it has none, or can."""
    folders = _mask_folders(root)
    if not folders and (root / "images").is_dir():
        lossy = [
            name for name in MASKS if any(path.suffix.lower() in (".jpg", ".jpeg") for path in visible(root / name))
        ]
        return f"{lossy[0]}/ holds JPEG, which changes the numbers of classes; save masks as PNG" if lossy else ""
    if not folders or _class_list(root) is not None:
        return ""
    place = folders[0].relative_to(root)
    return f"{place}/ beside images looks like masks, but no list says what their numbers mean ({', '.join(FILES)})"


def _mask_folders(root: Path) -> list[Path]:
    """The folders of masks that have a folder of images beside them."""
    names = [alias for aliases in ALIASES.values() for alias in aliases]
    bases = [root, *(root / alias for alias in names)]
    found = [base / mask for base in bases for mask in MASKS if _has_masks(base / mask) and _folder(base, IMAGES)]
    found += [base for base in bases if _beside(base)]
    return [*found, *(root / mask for mask in MASKS for alias in names if _has_masks(root / mask / alias))]


def _beside(folder: Path) -> list[str]:
    """The images of a folder, where masks such as NAME_mask.png lie beside some of them; else none."""
    names = FolderListing(folder, SUFFIXES).stems() if folder.is_dir() else []
    masks = FolderListing(folder, _MASK_SUFFIXES)
    return [name for name in names if not name.endswith(_ADDED)] if any(f"{n}{_ADDED}" in masks for n in names) else []


def _has_masks(folder: Path) -> bool:
    return any(path.suffix.lower() in _MASK_SUFFIXES for path in visible(folder))


def check_mask_folder(root: Path, *, decode: bool = True, void: Void = "auto") -> CheckReport:
    """Check the list of classes, every image and every mask; arguments as for `check_semantic`."""
    root = Path(root)
    report = check_semantic(root, open_split=partial(open_mask_folder, void=void), decode=decode)
    return replace(report, problems=(*report.problems, *_stray_masks(root)))


def _stray_masks(root: Path) -> Iterator[Problem]:
    """Masks whose image is not there, where folders and not lists say what there is."""
    places = set()
    for split in SPLITS:
        with suppress(DatasetNotFoundError):  # told already
            found = _find(root, split)
            places.add((found.images, found.masks))
    for images, masks in sorted(places):
        known = FolderListing(images, SUFFIXES)
        for name in FolderListing(masks, _MASK_SUFFIXES).stems():
            own = name.endswith(_ADDED) if images == masks else name not in known
            if own and name.removesuffix(_ADDED) not in known and not split_lists(root):
                yield Problem("mask without an image", "warning", str(masks / name), f"{images} has no {name}")


def write_fake(root: Path, *, images: int = 6, seed: int = 0) -> None:
    """Write a miniature of four classes with colours: ``images`` of 64 x 80 in each split."""
    root = Path(root)
    classes = {"sky": (140, 190, 240), "hill": (90, 150, 80), "lake": (40, 80, 160), "boat": (200, 60, 50)}
    for number, split in enumerate(SPLITS):
        for folder in ("images", "masks"):
            (root / folder / split).mkdir(parents=True, exist_ok=True)
        for turn in range(images):
            generator = np.random.default_rng((seed, number, turn))
            image, mask = draw_regions(generator, tuple(classes.values()), size=(64, 80), void=VOID)
            image.save(root / "images" / split / f"{turn:04d}.jpg", quality=95)
            _with_palette(mask, [channel for colour in classes.values() for channel in colour]).save(
                root / "masks" / split / f"{turn:04d}.png"
            )
    lines = (f"{name},{red},{green},{blue}\n" for name, (red, green, blue) in classes.items())
    (root / "classes.csv").write_text("name,r,g,b\n" + "".join(lines))


def _with_palette(mask: Image.Image, palette: list[int]) -> Image.Image:
    """A mask whose numbers a viewer shows in colours."""
    shown = mask.copy()
    shown.putpalette(palette + [255] * (768 - len(palette)))
    return shown


def _find(root: Path, split: str) -> _Folders:
    whole = _folder(root, IMAGES) or root / "images"
    for alias in ALIASES[split]:
        inner = root / alias
        for images, base, end in ((whole / alias, root, alias), (_folder(inner, IMAGES), inner, "")):
            masks = next((base / mask / end for mask in MASKS if _has_masks(base / mask / end)), base / "masks" / end)
            if images is not None and images.is_dir() and masks.is_dir():
                return _Folders(images, masks, FolderListing(images, SUFFIXES).stems())
        if names := _beside(inner):
            return _Folders(inner, inner, names)
    masks = next((root / mask for mask in MASKS if _has_masks(root / mask)), root / "masks")
    lists = split_lists(root)
    if not masks.is_dir() and (names := _beside(root)):
        whole = masks = root
    else:
        names = FolderListing(whole, SUFFIXES).stems()
    if not whole.is_dir() or not masks.is_dir() or (split not in lists and _is_divided(root)):
        raise DatasetNotFoundError(
            f"{root}: found no masks of the split {split!r}: {missing_split(split, _present(root))}. Looked for\n"
            f"  images/{split} with masks/{split}\n  {split}/images with {split}/masks\n"
            f"  images with masks, and {split}.txt or no list at all"
        )
    if split in lists:
        return _Folders(whole, masks, list(dict.fromkeys(_stem(line) for line in read_lines(lists[split]))))
    return _Folders(whole, masks, [names[place] for place in divided(len(names), split)])


def _folder(base: Path, names: tuple[str, ...]) -> Path | None:
    return next((base / name for name in names if (base / name).is_dir()), None)


def _present(root: Path) -> list[str]:
    """The splits that have a list or a folder."""
    lists = split_lists(root)
    return [
        split
        for split, names in ALIASES.items()
        if split in lists
        or any(_beside(root / n) for n in names)
        or any((root / folder / n).is_dir() or (root / n / folder).is_dir() for n in names for folder in IMAGES)
    ]


def _is_divided(root: Path) -> bool:
    """Whether another split than the one looked for has a list or a folder, so that this one is missing."""
    return bool(_present(root))


def _stem(line: str) -> str:
    name = Path(line).name
    return Path(name).stem if Path(name).suffix.lower() in SUFFIXES else name


def _mask_name(masks: FolderListing, name: str, *, beside: bool) -> str:
    added = f"{name}{_ADDED}"
    return masks.name(added if beside or (name not in masks and added in masks) else name)


ENTRY = DatasetEntry(
    open=open_mask_folder,
    write_fake=write_fake,
    recognise=recognise_mask_folder,
    mark="images/ with masks/ (or labels/ ...), or NAME_mask.png beside; with classes.txt, .csv or .json (semantic)",
    check=check_mask_folder,
    refusal=refusal,
    takes_void=True,
    summary="images/ and masks/ (paletted or class-number PNG) and a class list",
    licence=OF_THE_OWNER,
    size="any",
    source=OWN_FILES,
)
