"""Omniglot in zips and folders, its splits and turned characters; miniImageNet's lists; drawn objects of new kinds."""

from __future__ import annotations

import pickle
import zipfile
from pathlib import Path

import pytest
import torch

from visus.data.datasets import DATASETS
from visus.data.errors import AnnotationError, DatasetNotFoundError
from visus.data.readers.miniimagenet import write_fake as write_lists
from visus.data.readers.omniglot import PARTS, TURNS, write_fake

REAL = Path(__file__).resolve().parents[3] / ".." / "shared" / "data" / "omniglot"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("omniglot")
    write_fake(root)
    return root


def zipped(folder: Path, root: Path) -> Path:
    """The same in the published form."""
    for part in PARTS:
        with zipfile.ZipFile(root / f"{part}.zip", "w") as archive:
            for file in sorted((folder / part).rglob("*.png")):
                archive.write(file, file.relative_to(folder))
    return root


def test_zips_are_read_as_folders_are(folder: Path, tmp_path: Path) -> None:
    entry, root = DATASETS["omniglot"], zipped(folder, tmp_path)
    ours, theirs = entry.open(root, "train"), entry.open(folder, "train")
    assert ours.schema == theirs.schema
    assert len(ours) == len(theirs)
    for index in (0, len(ours) // 2, len(ours) - 1):
        assert torch.equal(ours[index].input, theirs[index].input)
        assert ".zip/images_" in ours[index].path
    assert torch.equal(pickle.loads(pickle.dumps(ours))[3].input, theirs[3].input)  # as a worker gets it
    assert entry.recognise is not None
    assert entry.recognise(root)
    assert entry.check is not None
    assert entry.check(root).errors == 0


def test_turned_characters_are_classes_of_their_own(folder: Path) -> None:
    data = DATASETS["omniglot"].open(folder, "train")
    characters = data.schema.num_classes // len(TURNS)
    assert [name.rpartition(" ")[2] for name in data.schema.categories[::characters]] == ["0", "90", "180", "270"]
    quarter = len(data) // 4
    first, turned = data[0].input, data[quarter].input
    assert data.path(0) == data.path(quarter)
    assert torch.equal(first.rot90(1, (1, 2)), turned)
    assert int(data.labels[quarter]) == characters


def test_splits_share_no_character(folder: Path) -> None:
    names = {}
    for split in ("train", "val", "test"):
        categories = DATASETS["omniglot"].open(folder, split).schema.categories
        names[split] = {name.rpartition(" ")[0] for name in categories}
    assert not names["train"] & names["val"]
    assert not names["train"] & names["test"]
    assert not names["val"] & names["test"]
    assert sum(map(len, names.values())) == 16


def test_vinyals_lists_are_read_where_they_are(folder: Path, tmp_path: Path) -> None:
    root = zipped(folder, tmp_path)
    with pytest.raises(DatasetNotFoundError, match=r"vinyals.val\.txt: no such list"):
        DATASETS["omniglot"].open(root, "val:vinyals")
    lists = root / "splits" / "vinyals"
    lists.mkdir(parents=True)
    (lists / "val.txt").write_text("Latin/character01/rot000\nGreek/character02/rot090\n")
    data = DATASETS["omniglot"].open(root, "val:vinyals")
    assert data.schema.categories == ("Latin/character01 0", "Greek/character02 90")
    assert len(data) == 10
    for wrong in ("Latin/character99/rot000", "Latin/character01/rot045", "nonsense"):
        (lists / "val.txt").write_text(f"Latin/character01/rot000\n{wrong}\n")
        with pytest.raises(AnnotationError, match="line 2: no character of this folder"):
            DATASETS["omniglot"].open(root, "val:vinyals")


def test_damaged_zips_are_named(tmp_path: Path) -> None:
    (tmp_path / "images_background.zip").write_bytes(b"PK\x03\x04 cut short")
    with pytest.raises(AnnotationError, match=r"images_background\.zip: no zip, or cut short"):
        DATASETS["omniglot"].open(tmp_path, "train")
    check = DATASETS["omniglot"].check
    assert check is not None
    assert check(tmp_path).errors == 1


def test_an_unknown_split_is_refused(folder: Path) -> None:
    for split in ("banana", "train:banana"):
        with pytest.raises(ValueError, match="is unknown; the splits are"):
            DATASETS["omniglot"].open(folder, split)


@pytest.mark.data
@pytest.mark.skipif(not REAL.is_dir(), reason="the drawings are not beside the checkout")
def test_the_real_counts() -> None:
    counts = {}
    for split in ("train", "val", "test"):
        data = DATASETS["omniglot"].open(REAL, split)
        counts[split] = (len(data), data.schema.num_classes)
    assert counts == {"train": (88_000, 4400), "val": (8000, 400), "test": (33_840, 1692)}


def test_lists_of_splits_that_share_a_class_are_refused(tmp_path: Path) -> None:
    write_lists(tmp_path)
    data = DATASETS["miniimagenet"].open(tmp_path, "val")
    assert data.schema.num_classes == 6
    assert len(data) == 24
    with (tmp_path / "test.csv").open("a") as file:
        file.write("n0000000100000000.jpg,n00000001\n")
    with pytest.raises(AnnotationError, match="class n00000001 is in two lists"):
        DATASETS["miniimagenet"].open(tmp_path, "val")
    check = DATASETS["miniimagenet"].check
    assert check is not None
    assert "class in two lists" in check(tmp_path).counts


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "the first line must be filename,label"),
        ("a,b\n", "the first line must be filename,label"),
        ("filename,label\nx.jpg\n", "line 2: a file name and a label are needed"),
        ("filename,label\nx.jpg,\n", "line 2: a file name and a label are needed"),
    ],
)
def test_damaged_lists_are_refused(text: str, message: str, tmp_path: Path) -> None:
    write_lists(tmp_path)
    (tmp_path / "train.csv").write_text(text)
    with pytest.raises(AnnotationError, match=message):
        DATASETS["miniimagenet"].open(tmp_path, "train")


def test_drawn_objects_of_each_split_are_of_other_kinds() -> None:
    kinds = [
        set(DATASETS["vignettes_novel"].open(Path(), split).schema.categories) for split in ("train", "val", "test")
    ]
    assert [len(one) for one in kinds] == [8, 5, 10]
    assert len(set.union(*kinds)) == 23
