"""The content of an address on the web, with limits on its bytes, the time and the redirects."""

from __future__ import annotations

import threading
import urllib.error
import urllib.request
from http.client import HTTPException
from typing import IO, Any

from visus import __version__
from visus.errors import VisusError

MOST_BYTES = 100_000_000
MOST_SECONDS = 60.0
MOST_REDIRECTS = 5
_SCHEMES = ("http://", "https://")
_CHUNK = 1 << 16


class WebError(VisusError):
    """An address that gives no content within the limits; the message names it and the cause."""


def read_address(
    address: str, *, most_bytes: int = MOST_BYTES, most_seconds: float = MOST_SECONDS, redirects: int = MOST_REDIRECTS
) -> bytes:
    """What a server answers to one request. Nothing is sent but the request; proxies of the environment are used.

    Args:
        address: http or https; a redirect to anything else is refused.
        most_bytes: of the answer.
        most_seconds: from the beginning to the last byte, however the server drips.
        redirects: how many are followed.

    Raises:
        WebError: a limit, an error of the server, or no server.
    """
    received: list[bytes | Exception] = []

    def receive() -> None:
        try:
            received.append(_receive(address, most_bytes, most_seconds, redirects))
        except Exception as error:
            received.append(error)

    # A thread of its own, because a server that sends a byte a second never runs into the time-out of a socket.
    thread = threading.Thread(target=receive, name="visus-web", daemon=True)
    thread.start()
    thread.join(most_seconds)
    if not received:
        raise WebError(f"{address}: not received within {most_seconds:g} seconds")
    answer = received[0]
    if isinstance(answer, bytes):
        return answer
    if isinstance(answer, WebError):
        raise answer
    raise WebError(f"{address}: {_cause(answer)}") from answer


def _receive(address: str, most_bytes: int, most_seconds: float, redirects: int) -> bytes:
    request = urllib.request.Request(address, headers={"User-Agent": f"visus/{__version__}", "Accept": "image/*, */*"})
    opener = urllib.request.build_opener(_Redirects(redirects))
    with opener.open(request, timeout=most_seconds) as answer:
        length = answer.headers.get("Content-Length") or "0"
        if length.isdecimal() and int(length) > most_bytes:
            raise WebError(
                f"{address}: has {int(length):,} bytes, {most_bytes:,} are allowed; fetch it and give the file"
            )
        content = _read(answer, address, most_bytes)
    if length.isdecimal() and len(content) < int(length):
        raise WebError(f"{address}: broke off after {len(content):,} of {int(length):,} bytes")
    return content


def _read(answer: IO[bytes], address: str, most_bytes: int) -> bytes:
    parts, size = [], 0
    while part := answer.read(_CHUNK):
        parts.append(part)
        size += len(part)
        if size > most_bytes:
            raise WebError(
                f"{address}: has more than the {most_bytes:,} bytes that are allowed; fetch it and give the file"
            )
    return b"".join(parts)


class _Redirects(urllib.request.HTTPRedirectHandler):
    """Follows some redirects, and only to the web: never to a file of this machine."""

    def __init__(self, most: int) -> None:
        self.left = most
        self.most = most

    def redirect_request(self, req: Any, fp: Any, code: int, msg: str, headers: Any, newurl: str) -> Any:
        """The next request.

        Raises:
            WebError: the last redirect is used up, or leads elsewhere than to http or https.
        """
        if not newurl.lower().startswith(_SCHEMES):
            raise WebError(f"{req.full_url}: redirects to {newurl}, which is no http or https address")
        if not self.left:
            raise WebError(f"{req.full_url}: redirects more than {self.most} times")
        self.left -= 1
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _cause(error: Exception) -> str:
    """Why nothing came, in a few words."""
    if isinstance(error, urllib.error.HTTPError):
        return f"the server answers {error.code} {error.reason}"
    if isinstance(error, OSError | HTTPException | ValueError):
        return f"cannot be fetched ({getattr(error, 'reason', None) or error or type(error).__name__})"
    raise error
