"""Where the files of a data set in Pascal VOC's format lie, and which images belong to a split."""

from __future__ import annotations

from pathlib import Path

from visus.data.errors import DatasetNotFoundError
from visus.data.files.listed_files import FolderListing, read_lines
from visus.data.files.splits import divided

VOC_SPLITS = ("train", "val", "test", "trainval")


def find_voc(root: Path) -> Path:
    """The folder that holds ``JPEGImages``: ``root``, or the only year of a devkit below it.

    Raises:
        DatasetNotFoundError: there is none, or more than one.
    """
    if is_voc(root):
        return root
    years = sorted(folder for pattern in ("VOC*", "VOCdevkit/VOC*") for folder in root.glob(pattern) if is_voc(folder))
    if len(years) == 1:
        return years[0]
    if years:
        names = ", ".join(str(year) for year in years)
        raise DatasetNotFoundError(f"{root}: holds several years; name one of {names}")
    raise DatasetNotFoundError(
        f"{root}: {'no JPEGImages/ with Annotations/ or SegmentationClass/' if root.is_dir() else 'no such folder'}, "
        "as VOC's layout has them"
    )


def is_voc(root: Path) -> bool:
    """Whether a folder holds images and annotations as VOC's layout has them."""
    return (root / "JPEGImages").is_dir() and any(
        (root / name).is_dir() for name in ("Annotations", "SegmentationClass")
    )


def listed_names(folder: Path, split: str, kind: str = "Main") -> list[str]:
    """The names of a split without endings, in the order of ``ImageSets/KIND/SPLIT.txt``, each once.

    Raises:
        DatasetNotFoundError: the lists have no such split.
    """
    lists = folder / "ImageSets" / kind
    listing = lists / f"{split}.txt"
    if listing.is_file():
        known = set(FolderListing(folder / "Annotations", (".xml",)).stems())
        # The lists of one class say in a second column whether it is there; a name may hold blanks of its own.
        entries = [line if line in known else line.split()[0] for line in read_lines(listing)]
        return list(dict.fromkeys(entries))
    if lists.is_dir():
        present = ", ".join(sorted(file.stem for file in lists.glob("*.txt"))) or "no list"
        raise DatasetNotFoundError(f"{listing}: no such file; {lists} has {present}")
    ending, source = (".xml", "Annotations") if kind == "Main" else (".png", "SegmentationClass")
    names = FolderListing(folder / source, (ending,)).stems()
    wanted = ("train", "val") if split == "trainval" else (split,)
    return [names[place] for place in sorted(place for part in wanted for place in divided(len(names), part))]


def has_voc(root: Path, part: str) -> bool:
    """Whether a folder, or the only year of a devkit below it, has VOC's folder ``part``."""
    try:
        return (find_voc(root) / part).is_dir()
    except DatasetNotFoundError:
        return False
