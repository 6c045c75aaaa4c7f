"""Fetching from a local server: once, whole, checked; and what is said where that fails."""

from __future__ import annotations

import hashlib
import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from visus.download import DownloadError, cache_path, fetch

CONTENT = bytes(range(256)) * 8192  # 2 MB: more than one chunk
SHA = hashlib.sha256(CONTENT).hexdigest()


class _Handler(BaseHTTPRequestHandler):
    requests: list[str]

    def do_GET(self) -> None:
        self.requests.append(self.path)
        if self.path.endswith("gone.pth"):
            self.send_error(404)
            return
        self.send_response(200)
        if "unsized" not in self.path:
            self.send_header("Content-Length", str(len(CONTENT)))
        self.end_headers()
        self.wfile.write(CONTENT[: len(CONTENT) // 2] if "short" in self.path else CONTENT)

    def log_message(self, *args: object) -> None:
        pass


@pytest.fixture
def requests() -> list[str]:
    return []


@pytest.fixture
def server(requests: list[str]) -> Iterator[str]:
    handler = type("Handler", (_Handler,), {"requests": requests})
    with HTTPServer(("127.0.0.1", 0), handler) as httpd:
        thread = threading.Thread(target=httpd.serve_forever, args=(0.01,))
        thread.start()
        yield f"http://127.0.0.1:{httpd.server_port}"
        httpd.shutdown()
        thread.join()


def test_a_file_is_fetched_once(server: str, requests: list[str], tmp_path: Path) -> None:
    path = fetch(f"{server}/models/net-1234.pth", SHA[:8], cache_dir=tmp_path / "new")
    assert path == tmp_path / "new" / "net-1234.pth"
    assert path.read_bytes() == CONTENT
    assert fetch(f"{server}/models/net-1234.pth", SHA[:8].upper(), cache_dir=tmp_path / "new") == path
    assert requests == ["/models/net-1234.pth"]
    assert [p.name for p in path.parent.iterdir()] == ["net-1234.pth"]


def test_a_server_that_does_not_tell_the_size_is_fine(server: str, tmp_path: Path) -> None:
    assert fetch(f"{server}/unsized.pth", SHA, cache_dir=tmp_path).read_bytes() == CONTENT


def test_size_source_and_licence_are_announced(server: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    fetch(f"{server}/net.pth", SHA[:8], cache_dir=tmp_path, note="ImageNet weights, BSD-3-Clause", size_mb=97.8)
    captured = capsys.readouterr()
    assert "Fetching net.pth, 98 MB (ImageNet weights, BSD-3-Clause)" in captured.err
    assert f"from {server}/net.pth" in captured.err
    assert captured.out == ""


def test_a_file_with_another_sha_is_removed(server: str, tmp_path: Path) -> None:
    with pytest.raises(DownloadError, match=rf"begins with {SHA[:8]}, not 00000000\. It was removed"):
        fetch(f"{server}/net.pth", "00000000", cache_dir=tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_damaged_copy_is_fetched_again(server: str, tmp_path: Path) -> None:
    (tmp_path / "net.pth").write_bytes(CONTENT[:100])
    assert fetch(f"{server}/net.pth", SHA[:8], cache_dir=tmp_path).read_bytes() == CONTENT


def test_a_file_placed_by_hand_needs_no_network(tmp_path: Path) -> None:
    (tmp_path / "net.pth").write_bytes(CONTENT)
    assert fetch("http://127.0.0.1:9/net.pth", SHA[:8], cache_dir=tmp_path) == tmp_path / "net.pth"


def test_a_closed_network_says_which_file_to_place_where(tmp_path: Path) -> None:
    with socket.socket() as closed:  # bound but not listening: connections are refused
        closed.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{closed.getsockname()[1]}/net.pth"
        with pytest.raises(DownloadError) as caught:
            fetch(url, SHA[:8], cache_dir=tmp_path / "cache", size_mb=12)
    message = str(caught.value)
    assert "cannot be fetched" in message
    assert f"fetch {url} on another machine and copy it to {tmp_path / 'cache' / 'net.pth'}, 12 MB" in message
    assert list((tmp_path / "cache").iterdir()) == []


def test_a_missing_file_says_so(server: str, tmp_path: Path) -> None:
    with pytest.raises(DownloadError, match="the server answers 404"):
        fetch(f"{server}/gone.pth", SHA[:8], cache_dir=tmp_path)


def test_a_broken_transfer_leaves_nothing(server: str, tmp_path: Path) -> None:
    with pytest.raises(DownloadError, match=r"broke off after 1,048,576 of 2,097,152 bytes"):
        fetch(f"{server}/short.pth", SHA[:8], cache_dir=tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_other_kinds_of_address_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DownloadError, match="only http, https and file"):
        fetch("ftp://127.0.0.1/net.pth", SHA[:8], cache_dir=tmp_path)


def test_the_cache_is_where_the_environment_says(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("VISUS_CACHE", str(tmp_path))
    assert cache_path("https://example.org/a/b%20c.pth?x=1") == tmp_path / "b c.pth"
    monkeypatch.delenv("VISUS_CACHE")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert cache_path("https://example.org/n.pth") == tmp_path / ".cache" / "visus" / "n.pth"
