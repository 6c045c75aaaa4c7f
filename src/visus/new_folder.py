"""Folders that commands write to: new ones, that no other command has, and none that stays empty."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from visus.errors import VisusError

_CLAIM = ".taken"  # made in one step with the question whether it exists, which an empty folder alone is not
_MOST_NUMBERED = 10_000


class FolderTakenError(VisusError):
    """A folder cannot be written to, or holds something that would be written over; the message names it."""


@contextmanager
def new_folder(wanted: Path, *, numbered: bool = False) -> Iterator[Path]:
    """A folder to write to, as `take_folder` gives it; where nothing was written in the end, it is gone again."""
    missing = [above for above in (wanted, *wanted.parents) if not above.exists()]
    path = take_folder(wanted, numbered=numbered)
    made = missing if path == wanted else [path, *(above for above in missing if above != wanted)]
    try:
        yield path
    finally:
        release_folder(path)
        with suppress(OSError):  # the first that is not empty
            for folder in made:
                folder.rmdir()


def take_folder(wanted: Path, *, numbered: bool = False) -> Path:
    """Takes a folder that does not exist or is empty, so that no two commands ever write into the same one.

    Args:
        wanted: the folder.
        numbered: where it holds something, take the first free of ``wanted-2``, ``wanted-3`` ... instead.

    Raises:
        FolderTakenError: it holds something, is no folder or cannot be made.
    """
    for number in range(1, _MOST_NUMBERED):
        path = wanted if number == 1 else wanted.with_name(f"{wanted.name}-{number}")
        if _taken_now(path):
            return path
        if not numbered or path.name in ("", ".."):
            break
    else:
        raise FolderTakenError(
            f"{wanted} and ten thousand numbered folders beside it are taken; clear some or name another"
        )
    what = "this folder holds something already" if wanted.is_dir() else "there is something of this name already"
    raise FolderTakenError(f"{wanted}: {what}, and nothing is written over; name a new or an empty folder")


def refuse_other_folder(run: Path) -> None:
    """Refuses a folder for a table that holds something else: the data, or whatever else would be written over.

    Args:
        run: the folder; one with ``rows`` or ``table.json`` is that of a table, which goes on.

    Raises:
        FolderTakenError: it does.
    """
    ours = (run / "rows").is_dir() or (run / "table.json").is_file()
    if run.exists() and not ours:
        with new_folder(run):
            pass


def release_folder(path: Path) -> None:
    """Ends the claim of `take_folder`, once what was written keeps others away."""
    with suppress(OSError):
        (path / _CLAIM).unlink(missing_ok=True)


def _taken_now(path: Path) -> bool:
    """Whether the folder was free and is taken now."""
    try:
        path.mkdir(parents=True, exist_ok=True)
        if any(path.iterdir()):
            return False
        (path / _CLAIM).touch(exist_ok=False)
    except FileExistsError:  # a file of this name, or somebody was faster
        return False
    except OSError as error:
        raise FolderTakenError(f"{path}: cannot be made ({error.strerror or error})") from error
    return True
