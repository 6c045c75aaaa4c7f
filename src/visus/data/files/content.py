"""The bytes of a file that somebody else wrote, or one error that names it."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

from visus.errors import VisusError

_SHOWN = 200  # letters of a name that is longer than any file's
_KINDS = {
    stat.S_IFDIR: "a folder",
    stat.S_IFIFO: "a named pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}


def read_content(path: str | Path, error: type[VisusError]) -> bytes:
    """The content of a regular file.

    Args:
        path: the file.
        error: what is raised.

    Raises:
        VisusError: of the class ``error``: missing, no regular file, not permitted, or a name that no file can have.
    """
    require_file(path, error)
    try:
        return Path(path).read_bytes()
    except OSError as cause:
        raise error(f"{path}: cannot be read ({cause.strerror})") from cause


def read_head(path: str | Path, size: int) -> bytes:
    """The first ``size`` bytes of a regular file, for a look at what it is; none of anything that cannot be read."""
    try:
        require_file(path, VisusError)
        with open(path, "rb") as file:
            return file.read(size)
    except (VisusError, OSError):
        return b""


def require_file(path: str | Path, error: type[VisusError]) -> int:
    """The size in bytes of a regular file. Anything else is refused before it is opened: a pipe would wait for ever.

    Raises:
        VisusError: as for `read_content`.
    """
    try:
        found = os.stat(path)
    except FileNotFoundError as cause:
        raise error(f"{path}: no such file") from cause
    except OSError as cause:
        shown = str(path) if cause.errno != errno.ENAMETOOLONG else f"{str(path)[:_SHOWN]}..."
        raise error(f"{shown}: cannot be read ({cause.strerror})") from cause
    except ValueError as cause:
        raise error(f"{str(path)!r}: no file can have this name ({cause})") from cause
    if not stat.S_ISREG(found.st_mode):
        kind = _KINDS.get(stat.S_IFMT(found.st_mode), "something else")
        raise error(f"{path}: cannot be read ({kind}, not a file)")
    return found.st_size
