"""The content of an address, from a server on this machine: what comes, and every limit."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from visus.web import WebError, read_address

CONTENT = b"an image" * 1000


class Handler(BaseHTTPRequestHandler):
    """Answers by the path."""

    def do_GET(self) -> None:
        name, _, rest = self.path[1:].partition("/")
        getattr(self, f"answer_{name}")(rest)

    def answer_file(self, rest: str) -> None:
        self.send(200, {"Content-Length": str(len(CONTENT))}, CONTENT)

    def answer_endless(self, rest: str) -> None:
        self.send(200, {}, b"")
        for _ in range(200):
            self.wfile.write(b"x" * 10_000)

    def answer_cut(self, rest: str) -> None:
        self.send(200, {"Content-Length": "9999"}, b"abc")

    def answer_drip(self, rest: str) -> None:
        self.send(200, {"Content-Length": "9999"}, b"")
        for _ in range(100):
            self.wfile.write(b"x")
            self.wfile.flush()
            time.sleep(0.1)

    def answer_to(self, rest: str) -> None:
        """Redirects so many times."""
        target = f"/to/{int(rest) - 1}" if int(rest) else "/file/"
        self.send(302, {"Location": target, "Content-Length": "0"}, b"")

    def answer_local(self, rest: str) -> None:
        self.send(302, {"Location": "file:///etc/passwd", "Content-Length": "0"}, b"")

    def answer_ftp(self, rest: str) -> None:
        self.send(302, {"Location": "ftp://127.0.0.1/a.jpg", "Content-Length": "0"}, b"")

    def answer_missing(self, rest: str) -> None:
        self.send(404, {"Content-Length": "0"}, b"")

    def send(self, status: int, headers: dict[str, str], content: bytes) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)

    def handle(self) -> None:
        try:
            super().handle()
        except OSError:  # whoever asked has gone
            self.close_connection = True

    def log_message(self, format: str, *args: object) -> None:
        """Says nothing."""


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    web = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=web.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{web.server_port}"
    web.shutdown()


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("no_proxy", "127.0.0.1")


def test_the_content_comes_whole_and_through_redirects(server: str) -> None:
    assert read_address(f"{server}/file/") == CONTENT
    assert read_address(f"{server}/to/4") == CONTENT


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("/missing/", "the server answers 404 Not Found"),
        ("/endless/", r"more than the 50,000 bytes that are allowed"),
        ("/cut/", "broke off after 3 of 9,999 bytes"),
        ("/to/9", "redirects more than 5 times"),
        ("/local/", "file:///etc/passwd"),
        ("/ftp/", "redirects to ftp://127.0.0.1/a.jpg, which is no http or https address"),
    ],
)
def test_what_gives_no_content_is_one_line(server: str, path: str, message: str) -> None:
    with pytest.raises(WebError, match=message) as raised:
        read_address(server + path, most_bytes=50_000)
    assert "\n" not in str(raised.value)


def test_a_large_file_is_refused_by_its_head(server: str) -> None:
    with pytest.raises(WebError, match=r"has 8,000 bytes, 100 are allowed"):
        read_address(f"{server}/file/", most_bytes=100)


def test_a_server_that_drips_is_left_in_time(server: str) -> None:
    begin = time.monotonic()
    with pytest.raises(WebError, match="not received within 1 seconds"):
        read_address(f"{server}/drip/", most_seconds=1)
    assert time.monotonic() - begin < 3


def test_where_nobody_listens() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with pytest.raises(WebError, match="cannot be fetched"):
        read_address(f"http://127.0.0.1:{port}/a.jpg", most_seconds=5)
