"""MATLAB's files: as scipy reads and writes them; damaged ones are one error, and never the end of the process."""

from __future__ import annotations

import random
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from visus.data.errors import AnnotationError
from visus.data.formats import mat_file
from visus.data.formats.mat_file import read_mat, write_mat

ROWS = [{"path": f"car_ims/{n:06d}.jpg", "x": 10.5 * n, "class": n} for n in range(1, 6)]
NAMES = ["AM General", "Käfer", "", "犬"]


def scipy_io() -> Any:
    return pytest.importorskip("scipy.io")


@pytest.mark.parametrize("compressed", [False, True])
def test_what_scipy_writes(tmp_path: Path, compressed: bool) -> None:
    fields = [(field, object) for field in ROWS[0]]
    rows = np.array([tuple(row.values()) for row in ROWS], dtype=fields)[None]
    content = {
        "rows": rows,
        "names": np.array(NAMES, dtype=object)[None],
        "numbers": np.arange(6, dtype=np.uint8).reshape(2, 3),
        "tiny": np.float32([[0.5]]),
        "negative": np.array([[-3, 2**40]]),
        "nothing": np.zeros((0, 0)),
        "flags": np.array([[True, False]]),
    }
    scipy_io().savemat(tmp_path / "a.mat", content, do_compression=compressed)
    read = read_mat(tmp_path / "a.mat")
    assert list(read) == list(content)
    assert read["rows"] == ROWS
    assert read["names"] == NAMES
    for name in ("numbers", "tiny", "negative", "flags"):
        assert np.array_equal(read[name], content[name])
    assert read["nothing"].size == 0


def test_what_scipy_reads(tmp_path: Path) -> None:
    write_mat(tmp_path / "a.mat", {"rows": ROWS, "names": NAMES, "number": 2.5, "text": "x"})
    assert read_mat(tmp_path / "a.mat")["rows"] == ROWS
    found = scipy_io().loadmat(tmp_path / "a.mat", squeeze_me=True)
    assert found["rows"]["path"].tolist() == [row["path"] for row in ROWS]
    assert found["rows"]["x"].tolist() == [row["x"] for row in ROWS]
    assert [str(name) if len(name) else "" for name in found["names"]] == NAMES
    assert (found["number"], found["text"]) == (2.5, "x")


def test_files_of_the_other_order_of_bytes(tmp_path: Path) -> None:
    """Each number turned around by hand: a double of the value 2, called a."""
    words = [(14, 56), (6, 8), (6, 0), (5, 8), (1, 1), (1 << 16 | 1, 0x61000000), (9, 8), (0x40000000, 0)]
    body = b"".join(word.to_bytes(4, "big") for pair in words for word in pair)
    header = b"MATLAB 5.0".ljust(124) + b"\x01\x00MI"
    (tmp_path / "a.mat").write_bytes(header + body)
    assert read_mat(tmp_path / "a.mat")["a"].tolist() == [[2.0]]


def nested(depth: int) -> Any:
    return "x" if depth == 0 else [nested(depth - 1)]


def test_limits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.mat"
    write_mat(path, {"a": nested(9)})
    assert read_mat(path) == {"a": nested(9)}
    write_mat(path, {"a": nested(200)})
    with pytest.raises(AnnotationError, match=r"a\.mat: a damaged file of MATLAB \(cells are nested too deeply\)"):
        read_mat(path)
    monkeypatch.setattr(mat_file, "_LARGEST", 1 << 16)
    bomb = zlib.compress(bytes(70_000))
    header = b"MATLAB 5.0".ljust(124) + b"\x00\x01IM"
    path.write_bytes(header + (15).to_bytes(4, "little") + len(bomb).to_bytes(4, "little") + bomb)
    with pytest.raises(AnnotationError, match=r"a\.mat: a damaged .*unfolds to more than 65,536 bytes"):
        read_mat(path)


@pytest.mark.parametrize("compressed", [False, True])
def test_damaged_files_are_one_error(tmp_path: Path, compressed: bool) -> None:
    whole, path = tmp_path / "whole.mat", tmp_path / "a.mat"
    write_mat(whole, {"rows": ROWS, "names": NAMES})
    data = whole.read_bytes()
    if compressed:  # as MATLAB writes each variable
        body = zlib.compress(data[128:])
        data = data[:128] + (15).to_bytes(4, "little") + len(body).to_bytes(4, "little") + body
    generator = random.Random(0)
    said: list[str] = []
    for turn in range(400):
        damaged = bytearray(data)
        for _ in range(generator.choice((1, 1, 2, 8))):
            damaged[generator.randrange(len(damaged))] = generator.choice((0, 1, 0x7F, 0xFF, generator.randrange(256)))
        path.write_bytes(damaged[: generator.randrange(len(data))] if turn % 4 == 0 else damaged)
        try:
            read_mat(path)
        except AnnotationError as error:
            said.append(str(error))
    assert len(said) > 130
    assert all(message.startswith(f"{path}: ") and "\n" not in message for message in said)
