"""dlib's serialisation, written by hand and damaged."""

from __future__ import annotations

import math
import struct
from pathlib import Path

import numpy as np
import pytest
import torch

from visus.systems.faces.dlib_file import DlibFile, DlibFileError, read_network
from visus.systems.faces.landmarks import face_landmarks


def integer(value: int) -> bytes:
    """As dlib writes it: sign and length, then the bytes, the lowest first."""
    size = max(1, (abs(value).bit_length() + 7) // 8)
    return bytes([size | (0x80 if value < 0 else 0)]) + abs(value).to_bytes(size, "little")


def real(value: float) -> bytes:
    if not math.isfinite(value):
        return integer(0) + integer(32000 if value > 0 else 32001 if value < 0 else 32002)
    mantissa, exponent = math.frexp(value)
    return integer(int(mantissa * 2**53)) + integer(exponent - 53)


def text(value: str) -> bytes:
    return integer(len(value)) + value.encode()


def tensor(values: list[float]) -> bytes:
    return b"".join(map(integer, (2, 1, len(values), 1, 1))) + struct.pack(f"<{len(values)}f", *values)


EMPTY = b"".join(map(integer, (2, 0, 0, 0, 0)))
STATE = b"000" + 3 * EMPTY


def a_network() -> bytes:
    """A rectified input, with a metric loss."""
    loss = integer(1) + text("loss_metric_2") + real(0.04) + real(0.6)
    versions = integer(1) + integer(2) + integer(3)  # a tag, a layer, the layer on the input
    first = text("input_rgb_image_sized") + real(1.0) + real(2.0) + real(3.5) + integer(150) + integer(150)
    first += text("fc_2") + integer(2) + integer(3) + tensor([1, 2, 3, 4, 5, 6])
    first += 2 * (integer(1) + 4 * integer(0)) + integer(1) + 4 * real(1.0) + STATE + integer(1)
    return loss + versions + first + text("relu_") + STATE


def test_a_network_by_hand(tmp_path: Path) -> None:
    path = tmp_path / "net.dat"
    path.write_bytes(a_network())
    network = read_network(path)
    assert network.loss == "loss_metric_2"
    assert network.numbers == pytest.approx({"margin": 0.04, "threshold": 0.6})
    assert [layer.kind for layer in network.layers] == ["input", "linear", "relu"]
    assert network.layers[0].numbers == {"red": 1, "green": 2, "blue": 3.5, "rows": 150, "columns": 150}
    assert network.layers[1].weights.tolist() == [1, 2, 3, 4, 5, 6]


def test_every_cut_is_noticed(tmp_path: Path) -> None:
    """A file that ends anywhere before its end, and one that goes on behind it."""
    path, content = tmp_path / "cut.dat", a_network()
    for length in (*range(1, len(content), 9), len(content) - 1):
        path.write_bytes(content[:length])
        with pytest.raises(DlibFileError, match=r"cut\.dat: .* at byte \d+ of"):
            read_network(path)
    path.write_bytes(content + b"\1\1")
    with pytest.raises(DlibFileError, match="more than there should be"):
        read_network(path)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "is empty"),
        (b"\x7f\x45LF", "no integer begins with 127"),
        (integer(1) + text("loss_other_"), "the loss 'loss_other_'"),
        (integer(1) + text("loss_metric_2") + integer(1) + integer(9999), "no number has the exponent"),
        (integer(1) + integer(-5), "a text of -5 characters"),
        (a_network().replace(b"relu_", b"gelu_"), "the layer 'gelu_'"),
    ],
)
def test_something_else_is_refused(tmp_path: Path, content: bytes, words: str) -> None:
    path = tmp_path / "net.dat"
    path.write_bytes(content)
    with pytest.raises(DlibFileError, match=words):
        read_network(path)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(DlibFileError, match=r"none\.dat: no such file"):
        read_network(tmp_path / "none.dat")


def test_numbers_one_by_one_and_together(tmp_path: Path) -> None:
    """Integers of all lengths and reals of all sizes come back; reading together gives what reading singly gives."""
    integers = [0, 1, -1, 255, 256, -65536, 2**40 + 3, -(2**55) - 1]
    reals = [0.0, 1.5, -0.3, 1e-30, 6.02e23, math.inf, -math.inf]
    path = tmp_path / "numbers.dat"
    path.write_bytes(b"".join(map(integer, integers)) + b"".join(map(real, reals)))
    file = DlibFile(path)
    assert [file.integer() for _ in integers] == integers
    assert [file.real() for _ in reals] == reals
    finite = [*integers, 0] if len(integers) % 2 else integers
    path.write_bytes(b"".join(map(integer, finite)) + b"".join(map(real, reals[:5])))
    together, values = DlibFile(path).rest()
    assert together[: len(finite)].tolist() == finite
    np.testing.assert_array_equal(values[len(finite) :: 2], reals[:5])


def trees(places: int = 2, leaves: int = 4) -> bytes:
    """One round of one tree; every difference is above its threshold, so the first leaf is ended in."""

    def matrix(values: list[float]) -> bytes:
        return integer(-len(values)) + integer(-1) + b"".join(map(real, values))

    nodes = leaves - 1
    tree = integer(nodes) + nodes * (integer(0) + integer(1) + real(-0.5))
    tree += integer(leaves) + b"".join(matrix([0.25 * leaf] * 10) for leaf in range(leaves))
    mean = matrix([0.5] * 10)
    anchors = integer(1) + integer(places) + places * integer(0)
    ways = integer(1) + integer(places) + places * (real(0.0) + real(0.0))
    return integer(1) + mean + integer(1) + integer(1) + tree + anchors + ways


def test_trees_by_hand(tmp_path: Path) -> None:
    """0 - 0 is above -.5, so the first child is taken twice: leaf 0, and the points stay in the middle."""
    path = tmp_path / "trees.dat"
    path.write_bytes(trees())
    found = face_landmarks(path)(torch.zeros(3, 40, 40, dtype=torch.uint8), torch.tensor([[10.0, 20.0, 31.0, 33.0]]))
    assert found.tolist() == [[[20.0, 26.0]] * 5]


@pytest.mark.parametrize(("content", "words"), [(trees()[:-1], "middle of a value"), (trees(leaves=3), "a tree of 2")])
def test_damaged_trees_are_refused(tmp_path: Path, content: bytes, words: str) -> None:
    path = tmp_path / "trees.dat"
    path.write_bytes(content)
    with pytest.raises(DlibFileError, match=words):
        face_landmarks(path)


def test_cut_trees_are_refused(tmp_path: Path) -> None:
    """Cut between two numbers, where no value is broken."""
    path = tmp_path / "trees.dat"
    path.write_bytes(trees()[:-4])
    with pytest.raises(DlibFileError):
        face_landmarks(path)
