"""Folders that commands write to: nobody else's, never over what is there, and gone where nothing was written."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from visus.new_folder import FolderTakenError, new_folder, release_folder, take_folder


def test_a_new_folder_stays_where_something_was_written(tmp_path: Path) -> None:
    with new_folder(tmp_path / "a" / "b") as folder:
        (folder / "result").write_text("")
    assert [path.name for path in folder.iterdir()] == ["result"]


def test_a_failed_start_leaves_no_folder_and_no_parent(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), new_folder(tmp_path / "runs" / "predict" / "a", numbered=True):
        raise ZeroDivisionError
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "mine").mkdir()
    with new_folder(tmp_path / "mine"):
        pass
    assert (tmp_path / "mine").is_dir()  # the user's own empty folder


def test_what_exists_is_not_written_over(tmp_path: Path) -> None:
    (tmp_path / "old").mkdir()
    (tmp_path / "old" / "photo.jpg").write_text("")
    (tmp_path / "file").write_text("")
    (tmp_path / "link").symlink_to(tmp_path / "old")
    (tmp_path / "dangling").symlink_to(tmp_path / "nowhere")
    for name in ("old", "file", "link", "dangling", "old/../old"):
        with pytest.raises(FolderTakenError, match="written over"):
            take_folder(tmp_path / name)
    assert [path.name for path in (tmp_path / "old").iterdir()] == ["photo.jpg"]


def test_numbers_go_on_where_a_name_is_taken(tmp_path: Path) -> None:
    taken = [take_folder(tmp_path / "a", numbered=True) for _ in range(3)]
    assert [path.name for path in taken] == ["a", "a-2", "a-3"]
    for path in taken:
        release_folder(path)
        assert list(path.iterdir()) == []


@pytest.mark.parametrize("name", [".", ".."])
def test_the_working_directory_gets_no_number(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    (tmp_path / "here").mkdir()
    (tmp_path / "here" / "file").write_text("")
    monkeypatch.chdir(tmp_path / "here")
    with pytest.raises(FolderTakenError, match="holds something already"):
        take_folder(Path(name), numbered=True)


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(FolderTakenError, match="file/a: cannot be made"):
        take_folder(tmp_path / "file" / "a")


def test_commands_that_start_together_get_folders_of_their_own(tmp_path: Path) -> None:
    """Also where the folder is there and empty, which both see as free."""
    (tmp_path / "a").mkdir()
    code = (
        "import sys, time; from pathlib import Path; from visus.new_folder import take_folder\n"
        "sys.stdin.readline(); print(take_folder(Path(sys.argv[1]), numbered=True))"
    )
    command = [sys.executable, "-c", code, str(tmp_path / "a")]
    pipe = subprocess.PIPE
    started = [subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True) for _ in range(6)]
    for process in started:
        assert process.stdin is not None
        process.stdin.write("\n")
        process.stdin.flush()
    folders = [process.communicate()[0].strip() for process in started]
    assert len(set(folders)) == 6, folders
