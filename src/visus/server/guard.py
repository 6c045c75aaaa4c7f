"""The door of the server: who may enter, how many at once, and what every answer says to a browser.

A page of another site can send a browser's requests to a server on the same machine, so a request from such a page is
refused, and so is one to another name than that of this machine, while the server listens for this machine alone.
"""

from __future__ import annotations

import hmac
import json
import time
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, Final
from urllib.parse import unquote, urlsplit

from visus.server.counting import Counts
from visus.server.settings import LOOPBACK, Settings

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' blob: data:; "
    "media-src 'self' blob:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
HEADERS: Final = (
    (b"content-security-policy", _POLICY.encode()),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
)
_OPEN = ("/health/", "/page/")
_OPEN_PAGES = ("/", "/browse", "/docs", "/openapi.json", "/favicon.ico")
TOKEN_COOKIE: Final = "visus_token"
_SAFE = ("GET", "HEAD")


class Guard:
    """Lets in what may enter, counts it, and adds headers to each answer.

    Args:
        app: what answers.
        settings: the limits.
        counts: of the requests.
    """

    def __init__(self, app: App, settings: Settings, counts: Counts) -> None:
        self.app, self.settings, self.counts = app, settings, counts
        self.inside = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers one request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        began, status = time.monotonic(), 0

        async def send_marked(message: MutableMapping[str, Any]) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                said = list(message.get("headers", []))
                kept = [] if any(name == b"cache-control" for name, _ in said) else [(b"cache-control", b"no-store")]
                message = {**message, "headers": [*said, *kept, *HEADERS]}
            await send(message)

        refused = self._refusal(scope)
        try:
            if refused:
                await _answer(send_marked, *refused)
            else:
                await self._inside(scope, receive, send_marked)
        finally:
            route = scope.get("route")
            path = getattr(route, "path", "other") if not refused else "refused"  # of a route of FastAPI's
            self.counts.add(path, status or 499, time.monotonic() - began)

    async def _inside(self, scope: Scope, receive: Receive, send: Send) -> None:
        work = scope["method"] not in _SAFE
        if work and self.inside >= self.settings.queue:
            text = f"busy: {self.settings.queue} requests are being answered; try again"
            await _answer(send, 503, text, ((b"retry-after", b"1"),))
            return
        self.inside += work
        try:
            await self.app(scope, receive, send)
        finally:
            self.inside -= work

    def _refusal(self, scope: Scope) -> tuple[int, str] | tuple[int, str, tuple[tuple[bytes, bytes], ...]] | None:
        """Status, line and headers of a request that may not enter; None for one that may."""
        headers = {name.lower(): value.decode("latin-1") for name, value in scope["headers"]}
        host = headers.get(b"host", "")
        if self.settings.local and host and _name_of(host) not in LOOPBACK:
            return 403, f"this server is for this machine alone, and knows no host {host[:100]!r}"
        origin = headers.get(b"origin", "")
        if scope["method"] not in _SAFE and origin and urlsplit(origin).netloc != host:
            return 403, f"requests from pages of another site ({origin[:100]}) are refused"
        path = scope["path"]
        if not self.settings.token or path in _OPEN_PAGES or path.startswith(_OPEN):
            return None
        given = headers.get(b"authorization", "").removeprefix("Bearer ") or _cookie(headers.get(b"cookie", ""))
        if hmac.compare_digest(given.encode(), self.settings.token.encode()):
            return None
        return 401, "a token is needed: Authorization: Bearer TOKEN", ((b"www-authenticate", b"Bearer"),)


def _cookie(text: str) -> str:
    """The token in the cookie that the page sets, by which a browser fetches images."""
    found = [part.strip().partition("=") for part in text.split(";")]
    return next((unquote(value) for name, _, value in found if name == TOKEN_COOKIE), "")


def _name_of(host: str) -> str:
    """A host without its port."""
    return host.rsplit(":", 1)[0] if host.rpartition(":")[2].isdigit() else host


async def _answer(send: Send, status: int, text: str, headers: tuple[tuple[bytes, bytes], ...] = ()) -> None:
    body = json.dumps({"error": text}).encode()
    kind = (b"content-type", b"application/json")
    # The body of the request is not read, so the connection cannot be used again.
    closed = ((b"connection", b"close"), (b"content-length", str(len(body)).encode()))
    await send({"type": "http.response.start", "status": status, "headers": [kind, *closed, *headers]})
    await send({"type": "http.response.body", "body": body})
