"""The limits of a server, and the errors that it answers with."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from visus.errors import VisusError

LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1", "[::1]"})
"""The names of this machine that no other machine can reach."""


@dataclass(frozen=True, kw_only=True)
class Settings:
    """How a server behaves.

    Args:
        host: the address that it listens at; this machine alone can reach the usual one.
        token: what requests have to bring as ``Authorization: Bearer``; empty for none.
        max_bytes: of the body of one request.
        max_pixels: of one image; a larger one is refused before it is decoded.
        queue: requests that are read, wait or are computed at the same time; one more is answered 503.
        batch_size: images that go through a network together, at most; with 1, answers are the same to the last digit
            whatever else is asked.
        seconds: how long a request may take, reading its body and computing each.
        work: the folder for what is taught and corrected of models that have no folder of their own.
    """

    host: str = "127.0.0.1"
    token: str = field(default="", repr=False)
    max_bytes: int = 20_000_000
    max_pixels: int = 40_000_000
    queue: int = 32
    batch_size: int = 1
    seconds: float = 60.0
    work: Path = Path("runs")

    @property
    def local(self) -> bool:
        """Whether this machine alone can reach it."""
        return self.host in LOOPBACK


class RequestError(VisusError):
    """A request that is refused: one clear line for whoever sent it.

    Args:
        message: the line.
        status: of HTTP.
        retry_after: seconds after which it may be sent again; None for never as it is.
    """

    def __init__(self, message: str, *, status: int = 422, retry_after: int | None = None) -> None:
        super().__init__(message)
        self.status, self.retry_after = status, retry_after


def too_large(most: int) -> RequestError:
    """The error over a body that is longer than the limit."""
    return RequestError(f"the request has more than the {most:,} bytes that are allowed (--max-mb)", status=413)
