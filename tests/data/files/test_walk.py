"""What a folder holds, and images that are named as another machine knew them."""

from __future__ import annotations

import unicodedata
from pathlib import Path

import pytest
from PIL import Image

from visus.data.files.walk import ImageFinder, files_below, visible


def image(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (12, 8)).save(path, format="PNG")
    return path


def test_what_programs_leave_behind_is_not_listed(tmp_path: Path) -> None:
    kept = image(tmp_path / "a" / "1.png")
    for path in (".ipynb_checkpoints/1-checkpoint.png", "a/._1.png", "__MACOSX/a/1.png", "a/.hidden/1.png"):
        image(tmp_path / path)
    (tmp_path / "a" / "notes.txt").write_text("x")
    assert files_below(tmp_path) == [kept]
    assert [path.name for path in visible(tmp_path)] == ["a"]
    assert visible(tmp_path / "absent") == []


def test_a_link_to_a_folder_above_is_followed_once(tmp_path: Path) -> None:
    image(tmp_path / "a" / "1.png")
    (tmp_path / "a" / "again").symlink_to(tmp_path)
    assert len(files_below(tmp_path)) == 1


@pytest.mark.parametrize(
    "name",
    [
        "images/train/a b.png",
        "images\\train\\a b.png",
        "C:\\Users\\me\\set\\images\\train\\a b.png",
        "/mnt/other/set/images/train/a b.png",
        "images/train/a%20b.png",
        "http://host:8080/data/a%20b.png?d=1",
        "A B.PNG",
        "../images/train/a b.png",
        "a b",
    ],
)
def test_names_of_other_machines(tmp_path: Path, name: str) -> None:
    file = image(tmp_path / "images" / "train" / "a b.png")
    image(tmp_path / "images" / "train" / "c.png")
    finder = ImageFinder((tmp_path,))
    found = finder.find(name)
    assert found is not None
    assert found.resolve() == file
    assert len(finder.guessed) == (name != "images/train/a b.png")


def test_accents_in_both_forms(tmp_path: Path) -> None:
    together, apart = (unicodedata.normalize("NFC", "Müsli.png"), unicodedata.normalize("NFD", "Müsli.png"))
    for stored, said in ((together, apart), (apart, together)):
        file = image(tmp_path / str(len(stored)) / stored)
        assert ImageFinder((file.parent,)).find(said) == file


def test_a_name_of_several_images_is_none(tmp_path: Path) -> None:
    image(tmp_path / "a" / "1.png")
    second = image(tmp_path / "b" / "1.png")
    finder = ImageFinder((tmp_path,))
    assert finder.find("1.png") is None
    assert finder.find("/elsewhere/b/1.png") == second
    assert finder.find("B/1.PNG") == second
    for name in ("", "absent.png", "x\0.png", "\ud800.png", "1" * 5000):
        assert finder.find(name) is None
    with pytest.warns(UserWarning, match=r"list\.txt: 2 images are not where it says.*such as '/elsewhere/b/1\.png'"):
        finder.warn(tmp_path / "list.txt")
