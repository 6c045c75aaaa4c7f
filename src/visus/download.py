"""Fetching published files once: sha-checked, kept in one folder, placed by hand where there is no network."""

from __future__ import annotations

import hashlib
import os
import urllib.error
import urllib.request
from http.client import HTTPException
from pathlib import Path
from typing import IO, Any
from urllib.parse import unquote, urlsplit

from visus.errors import VisusError
from visus.whole_file import full_disk, whole_file

_CHUNK = 1 << 20


class DownloadError(VisusError):
    """A file that could not be fetched, or that is not the one that was asked for."""


def fetch(
    url: str,
    sha256_prefix: str,
    *,
    cache_dir: str | Path | None = None,
    note: str = "",
    size_mb: float | None = None,
    timeout: float = 30,
) -> Path:
    """The local copy of a published file, fetched the first time. Nothing is sent but the request.

    Args:
        url: where it is published (http, https or file).
        sha256_prefix: how the SHA-256 of its content begins, in hex. Checked every time, so that a file placed by hand
            is as good as a fetched one.
        cache_dir: where copies are kept; by default ``$VISUS_CACHE`` or ``~/.cache/visus``.
        note: what it is and its licence, for the announcement.
        size_mb: its size in units of 2^20 bytes, for the announcement.
        timeout: seconds without an answer after which the server counts as unreachable.

    Raises:
        DownloadError: the server cannot be reached or breaks off (the message says which file to place where), or its
            file has another SHA-256, which is then removed.
    """
    path = cache_path(url, cache_dir)
    if path.is_file() and _sha256(path).startswith(sha256_prefix.lower()):
        return path
    size = f", {size_mb:.0f} MB" if size_mb else ""
    _say(f"Fetching {path.name}{size}{f' ({note})' if note else ''}\n  from {url}\n  to {path}")
    path.parent.mkdir(parents=True, exist_ok=True)
    by_hand = f"Place the file by hand: fetch {url} on another machine and copy it to {path}{size}"
    with whole_file(path) as part:
        digest = _receive(url, part, timeout, by_hand)
        if not digest.startswith(sha256_prefix.lower()):
            raise DownloadError(
                f"{url}: the SHA-256 of what arrived begins with {digest[: len(sha256_prefix)]}, not {sha256_prefix}. "
                "It was removed: a proxy may have changed it, or the published file has changed"
            )
    return path


def cache_path(url: str, cache_dir: str | Path | None = None) -> Path:
    """Where the local copy of a published file lies, or would lie."""
    folder = cache_dir or os.environ.get("VISUS_CACHE") or Path.home() / ".cache" / "visus"
    return Path(folder).expanduser() / Path(unquote(urlsplit(url).path)).name


def _receive(url: str, part: Path, timeout: float, by_hand: str) -> str:
    """Writes what the server sends to ``part``; the SHA-256 of it."""
    if urlsplit(url).scheme not in ("http", "https", "file"):
        raise DownloadError(f"{url}: only http, https and file addresses can be fetched")
    try:
        with urllib.request.urlopen(url, timeout=timeout) as answer, part.open("wb") as file:
            expected = int(answer.headers.get("Content-Length") or 0)
            digest, received = _copy(answer, file, expected)
    except urllib.error.HTTPError as error:
        raise DownloadError(f"{url}: the server answers {error.code} {error.reason}. {by_hand}") from error
    except (OSError, HTTPException) as error:
        if (full := full_disk(error, part)) is not None:
            raise full from error
        reason = getattr(error, "reason", None) or error
        raise DownloadError(f"{url}: cannot be fetched ({reason}). {by_hand}") from error
    if expected and received != expected:
        raise DownloadError(f"{url}: broke off after {received:,} of {expected:,} bytes; try again. {by_hand}")
    return digest


def _copy(answer: IO[bytes], file: IO[bytes], expected: int) -> tuple[str, int]:
    """Copies a stream with a progress bar; its SHA-256 and its length in bytes."""
    from rich.progress import BarColumn, DownloadColumn, Progress, TimeRemainingColumn, TransferSpeedColumn

    digest, received = hashlib.sha256(), 0
    from visus.terminal import console

    terminal = console(stderr=True)
    columns = (BarColumn(), DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn())
    with Progress(*columns, console=terminal, transient=True, disable=not terminal.is_terminal) as progress:
        task: Any = progress.add_task("", total=expected or None)
        while chunk := answer.read(_CHUNK):
            file.write(chunk)
            digest.update(chunk)
            received += len(chunk)
            progress.update(task, completed=received)
    return digest.hexdigest(), received


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _say(text: str) -> None:
    from visus.terminal import console

    console(stderr=True).print(text, soft_wrap=True)
