"""Files that are written whole or not at all: beside their place first, put there when every byte is on the disk."""

from __future__ import annotations

import contextlib
import errno
import os
import re
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from visus.errors import VisusError

_PART = re.compile(r"\..+\.(\d+)\.\w+\.part")


class DiskFullError(VisusError, OSError):
    """There is no room for a file; the message names it and the room that is left."""


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """A name beside ``path`` to write to. It takes the place of ``path`` at the end, and is gone after an error.

    Raises:
        DiskFullError: the disk is full.
    """
    part = path.with_name(f".{path.name[:80]}.{os.getpid()}.{secrets.token_hex(4)}.part")
    try:
        os.close(os.open(part, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666))
        yield part
        with part.open("rb") as written:
            os.fsync(written.fileno())
        part.replace(path)
    except Exception as error:
        if (full := full_disk(error, path)) is not None:
            raise full from error
        raise
    finally:
        part.unlink(missing_ok=True)


def write_whole(path: Path, text: str, *, errors: str = "strict") -> None:
    """Writes a UTF-8 text file so that a reader or a crash sees the old content or the new, never a part."""
    with whole_file(path) as part:
        part.write_text(text, encoding="utf-8", errors=errors)


def full_disk(error: BaseException, path: Path) -> DiskFullError | None:
    """The error to raise where a disk or a quota has no room left for ``path``; None for other errors.

    Libraries that write in C do not tell the reason: then the room that is left, while the part is there, decides.
    """
    told = (errno.ENOSPC, errno.EDQUOT)
    if not (error.errno in told if isinstance(error, OSError) else _free(path) < 1 << 20):
        return None
    return DiskFullError(f"{path}: the disk is full ({_free(path) / 1e6:.1f} MB left): make room, then start again")


def sweep_parts(folder: Path) -> None:
    """Removes what processes that were killed while they wrote left in ``folder``."""
    for path in folder.glob(".*.part"):
        found = _PART.fullmatch(path.name)
        if found and not _alive(int(found.group(1))):
            with contextlib.suppress(OSError):
                path.unlink()


def _free(path: Path) -> int:
    """The bytes that are left for files in the folder of ``path``."""
    return shutil.disk_usage(path.parent).free


def _alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True
