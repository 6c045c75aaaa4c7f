"""In-Shop Clothes Retrieval (DeepFashion): 52,712 photographs of 7,982 items; query and gallery are separate.

Liu, Luo, Qiu, Wang, Tang, "DeepFashion: Powering Robust Clothes Recognition and Retrieval with Rich Annotations", CVPR
2016. Layout: ``list_eval_partition.txt`` in the folder, in ``Eval/`` or in ``Anno/``: the number of pictures, a line of
headings, then picture, item and "train", "query" or "gallery". Pictures lie where the list says, below the folder or
below ``Img/``. A query is searched for among the pictures of the gallery only.
"""

from __future__ import annotations

from pathlib import Path

from visus.data.errors import AnnotationError, DatasetNotFoundError
from visus.data.records.class_splits import LabelledDataset, open_class_split
from visus.data.records.classes_fake import save_class
from visus.data.records.image_records import ImageRecord, images_of, read_rows
from visus.data.records.labelled import LabelledImages

_LIST = "list_eval_partition.txt"
_PARTS = ("train", "query", "gallery")


def open_in_shop(root: Path, split: str, *, for_training: bool = False) -> LabelledDataset:
    """Open a split (see `open_class_split`); "test" has queries and gallery, told apart by its ``is_query``.

    Labels are items; super-labels are sex and kind of clothing, from the names of the folders.

    Raises:
        ValueError: ``split`` is no split.
        DatasetNotFoundError: the list is missing.
        AnnotationError: a line of it is damaged.
    """
    return open_class_split(split, lambda train: _read(Path(root), train))


def _read(root: Path, train: bool) -> LabelledImages:
    places = [root / folder / _LIST for folder in ("", "Eval", "Anno")]
    listing = next((place for place in places if place.is_file()), None)
    if listing is None:
        raise DatasetNotFoundError(f"{root}: no {_LIST}; looked in the folder, in Eval/ and in Anno/")
    rows = [(path, item, part) for path, item, part in read_rows(listing, 3, skip=2)]
    for path, _, part in rows:
        if part not in _PARTS:
            raise AnnotationError(f"{listing}: {path} is {part!r}; it must be one of {', '.join(_PARTS)}")
    items = {item: number for number, item in enumerate(sorted({item for _, item, _ in rows}))}
    kinds = {kind: number for number, kind in enumerate(sorted({_kind(path) for path, _, _ in rows}))}
    records = [
        ImageRecord(path, items[item], kinds[_kind(path)], is_query=None if train else part == "query")
        for path, item, part in rows
        if (part == "train") == train
    ]
    base = root / "Img" if (root / "Img").is_dir() else root
    return images_of(base, records, names={number: item for item, number in items.items()})


def _kind(path: str) -> str:
    """The kind of clothing ("WOMEN/Dresses") of a picture ``img/WOMEN/Dresses/id_00000002/02_1_front.jpg``."""
    return "/".join(Path(path).parts[-4:-2])


def write_fake(root: Path, *, classes: int = 8, views: int = 4, seed: int = 0) -> None:
    """Write a miniature of ``classes`` items: half train, of the rest one picture in four is a query."""
    root = Path(root)
    lines = []
    for number in range(1, classes + 1):
        kind = ("WOMEN/Dresses", "MEN/Shirts_Polos")[number % 2]
        for view in range(views):
            path = f"img/{kind}/id_{number:08d}/{view:02d}_1_front.jpg"
            save_class(root / "Img" / path, number, view, seed=seed)
            part = "train" if number <= classes // 2 else ("query" if view % 4 == 0 else "gallery")
            lines.append(f"{path} id_{number:08d} {part}")
    (root / "Eval").mkdir(exist_ok=True)
    heads = [str(len(lines)), "image_name item_id evaluation_status"]
    (root / "Eval" / _LIST).write_text("\n".join([*heads, *lines]) + "\n")
