"""The reader of LFW: pairs two by two, people who are in none, and lists that are damaged."""

from __future__ import annotations

from pathlib import Path

import pytest

from visus.data.errors import AnnotationError, DatasetNotFoundError
from visus.data.readers.lfw import check_lfw, open_lfw, write_fake


@pytest.fixture
def root(tmp_path: Path) -> Path:
    write_fake(tmp_path, classes=6, views=3)
    return tmp_path


def test_pairs_come_two_by_two(root: Path) -> None:
    """Three people are in two parts of three pairs of each kind, the other three are for training."""
    test, train = open_lfw(root, "test"), open_lfw(root, "train")
    paths = [Path(test.path(place)).name for place in range(len(test))]
    lines = [line.split("\t") for line in (root / "pairs.txt").read_text().splitlines()[1:]]
    expected = []
    for fields in lines:
        names = (fields[0], fields[0] if len(fields) == 3 else fields[2])
        expected += [
            f"{name}_{int(number):04d}.jpg" for name, number in zip(names, (fields[1], fields[-1]), strict=True)
        ]
    assert paths == expected
    assert len(test) == 2 * 12
    same = (test.labels[::2] == test.labels[1::2]).tolist()
    assert same == [True] * 3 + [False] * 3 + [True] * 3 + [False] * 3
    assert len(train) == 9
    assert not set(train.schema.categories) & set(test.schema.categories)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("Person_D\t1", "a pair has 3 or 4 fields, this has 2"),
        ("Person_D\t1\t99", "Person_D_0099.jpg, and there is no such image"),
        ("Nobody\t1\t2", "Nobody_0001.jpg, and there is no such image"),
        ("Person_D\tone\t2", "must be a whole number, not 'one'"),
        ("Person_D\t1\t2", "2 parts with twice 3 pairs make 12, not 13"),
    ],
)
def test_damaged_lists_are_named(root: Path, line: str, message: str) -> None:
    with (root / "pairs.txt").open("a") as file:
        file.write(line + "\n")
    with pytest.raises(AnnotationError, match=r"pairs\.txt, line \d+: ") as error:
        open_lfw(root, "test")
    assert message in str(error.value)
    assert any(message in problem.message for problem in check_lfw(root).problems)


def test_other_folders_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DatasetNotFoundError, match=r"no pairs\.txt beside a folder lfw"):
        open_lfw(tmp_path, "test")
