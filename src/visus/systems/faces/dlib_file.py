"""dlib's serialisation: what its ``.dat`` files hold, read as data, without dlib and without running anything.

An integer is a control byte (the sign in its highest bit, the number of bytes in its lowest four) and its bytes, the
lowest first; a real number is two integers, m and e, for ``m 2^e``; a text or a list is its length and its elements.
Tensors are their four sides and plain float32. A network is nested, the outermost layer first: each layer writes its
version, then all that lies below it, then itself. So the file begins with the versions of all layers from the loss down
to the input, and goes on with what the layers hold from the input up to the loss.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from jaxtyping import Float, Int64
from torch import Tensor

from visus.errors import VisusError

_TAG, _LAYER, _FIRST_LAYER = 1, 2, 3
_INFINITE: Final = {32000: math.inf, 32001: -math.inf, 32002: math.nan}
_MOST_ELEMENTS = 1 << 28


class DlibFileError(VisusError):
    """A file that is none of dlib's, is cut short, or holds something else than what is looked for."""


@dataclass(frozen=True)
class Layer:
    """One layer: its kind as the file names it without the version, its numbers, and its weights."""

    kind: str
    numbers: Mapping[str, float]
    weights: Float[Tensor, " n"]


@dataclass(frozen=True)
class NetworkFile:
    """What the file of a network holds: the loss with its numbers, and the layers from the input to the loss."""

    path: Path
    loss: str
    numbers: Mapping[str, float]
    layers: tuple[Layer, ...]


class DlibFile:
    """The content of a file, read from the front.

    Args:
        path: of the file.

    Raises:
        DlibFileError: there is no such file, or it is empty.
    """

    def __init__(self, path: str | Path) -> None:
        self.path, self.place = Path(path), 0
        if not self.path.is_file():
            raise DlibFileError(f"{self.path}: no such file")
        self.content = self.path.read_bytes()
        if not self.content:
            raise DlibFileError(f"{self.path}: the file is empty")

    def wrong(self, what: str) -> DlibFileError:
        """The error for what was met at the present place."""
        return DlibFileError(f"{self.path}: {what} at byte {self.place} of {len(self.content)}; install the file again")

    def take(self, count: int) -> bytes:
        """The next bytes.

        Raises:
            DlibFileError: there are not so many.
        """
        if count < 0 or self.place + count > len(self.content):
            raise self.wrong("the file ends in the middle of a value")
        self.place += count
        return self.content[self.place - count : self.place]

    def integer(self) -> int:
        """The next integer.

        Raises:
            DlibFileError: there is none.
        """
        (control,) = self.take(1)
        if control & 0x70 or not 1 <= control & 0x0F <= 8:
            raise self.wrong(f"no integer begins with {control}")
        value = int.from_bytes(self.take(control & 0x0F), "little")
        return -value if control & 0x80 else value

    def real(self) -> float:
        """The next real number.

        Raises:
            DlibFileError: there is none.
        """
        mantissa, exponent = self.integer(), self.integer()
        if exponent in _INFINITE:
            return _INFINITE[exponent]
        if abs(exponent) > 2000:
            raise self.wrong(f"no number has the exponent {exponent}")
        return math.ldexp(mantissa, exponent)

    def text(self) -> str:
        """The next text.

        Raises:
            DlibFileError: there is none.
        """
        length = self.integer()
        if not 0 <= length <= 1000:
            raise self.wrong(f"a text of {length} characters")
        return self.take(length).decode("latin-1")

    def tensor(self) -> Float[Tensor, " n"]:
        """The numbers of the next tensor, in a row.

        Raises:
            DlibFileError: there is none.
        """
        self.expect(2, "the version of a tensor")
        count = math.prod(sides := [self.integer() for _ in range(4)])
        if min(sides) < 0 or count > _MOST_ELEMENTS:
            raise self.wrong(f"a tensor of {sides}")
        return torch.from_numpy(np.frombuffer(self.take(4 * count), dtype="<f4").astype(np.float32))

    def expect(self, value: int, what: str) -> None:
        """Reads an integer that has to be ``value``.

        Raises:
            DlibFileError: it is another.
        """
        if (found := self.integer()) != value:
            raise self.wrong(f"{what} is {found}, not {value}")

    def end(self) -> None:
        """Makes sure that nothing is left.

        Raises:
            DlibFileError: something is.
        """
        if self.place != len(self.content):
            raise self.wrong("more than there should be")

    def rest(self) -> tuple[Int64[np.ndarray, " n"], Float[np.ndarray, " n"]]:
        """All integers that are left, and each with the one behind it as a real number, read together.

        Raises:
            DlibFileError: they do not end where the file ends.
        """
        content, places, place = self.content, [], self.place
        while place < len(content):
            places.append(place)
            place += 1 + (content[place] & 0x0F)
        if place != len(content):
            raise self.wrong("the file ends in the middle of a value")
        starts = np.asarray(places)
        data = np.frombuffer(content + bytes(8), dtype=np.uint8).astype(np.int64)
        values = np.zeros(len(starts), dtype=np.int64)
        lengths = data[starts] & 0x0F
        for byte in range(8):
            values |= np.where(byte < lengths, data[(starts + 1 + byte).clip(max=len(data) - 1)], 0) << (8 * byte)
        values = np.where(data[starts] & 0x80, -values, values)
        exponents = np.append(values[1:], 0).clip(-1000, 900)
        self.place = len(content)
        return values, np.ldexp(values.astype(np.float64), exponents)


def read_network(path: str | Path) -> NetworkFile:
    """The layers of a network with a metric loss or a max-margin loss for detection.

    Raises:
        DlibFileError: the file is missing, damaged, or holds another kind of network.
    """
    file = DlibFile(path)
    file.expect(1, "the version of the loss")
    loss = file.text()
    if loss not in LOSSES:
        raise file.wrong(f"the loss {loss[:40]!r}; known are {', '.join(LOSSES)}")
    numbers = LOSSES[loss](file)
    versions = [file.integer()]
    while versions[-1] in (_TAG, _LAYER):
        versions.append(file.integer())
    if versions[-1] != _FIRST_LAYER:
        raise file.wrong(f"a layer of version {versions[-1]}")
    layers = [_layer(file)]  # the input, which has no state of its own
    for version in reversed(versions):
        if version == _TAG:  # a name for the layer below, and nothing else
            continue
        layers.append(_layer(file))
        file.take(3)  # three flags: set up, gradient is stale, output is not kept
        state = [file.tensor() for _ in range(3)]  # gradients and the last output, empty in a published file
        if any(len(tensor) for tensor in state):
            raise file.wrong("a network in the middle of its training")
        if version == _FIRST_LAYER:
            file.expect(1, "the number of samples that an image becomes")
    file.end()
    return NetworkFile(file.path, loss, numbers, tuple(layers))


def _layer(file: DlibFile) -> Layer:
    name = file.text()
    if name not in LAYERS:
        raise file.wrong(f"the layer {name[:40]!r}; known are {', '.join(LAYERS)}")
    kind, read = LAYERS[name]
    numbers, weights = read(file)
    return Layer(kind, numbers, weights)


_Read = tuple[Mapping[str, float], Float[Tensor, " n"]]
_NOTHING = torch.zeros(0)


def _convolution(file: DlibFile) -> _Read:
    weights = file.tensor()
    names = ("filters", "rows", "columns", "stride", "stride_x", "padding", "padding_x")
    numbers = {name: file.integer() for name in names}
    _skip_views(file, 2)
    _skip_reals(file, 4)  # factors on learning rates and decays
    return numbers, weights


def _affine(file: DlibFile) -> _Read:
    weights = file.tensor()
    _skip_views(file, 2)
    return {"mode": file.integer()}, weights


def _batch_norm(file: DlibFile) -> _Read:
    """As the scale and shift of each channel that it is once training is over."""
    learned = file.tensor()
    _skip_views(file, 2)
    file.tensor(), file.tensor()  # of the last batch
    mean, variance = file.tensor(), file.tensor()
    file.integer(), file.integer()  # how many updates, over how many the statistics ran
    _skip_reals(file, 4)
    if not len(learned) == 2 * len(mean) == 2 * len(variance):
        raise file.wrong("a batch norm whose parts differ in size")
    scale, shift = learned.chunk(2)
    scale = scale / (variance + file.real()).sqrt()
    return {"mode": 0}, torch.cat([scale, shift - scale * mean])


def _linear(file: DlibFile) -> _Read:
    numbers = {"outputs": file.integer(), "inputs": file.integer()}
    weights = file.tensor()
    _skip_views(file, 2)
    numbers["bias_mode"] = file.integer()
    _skip_reals(file, 4)
    return numbers, weights


def _pooling(file: DlibFile) -> _Read:
    names = ("rows", "columns", "stride", "stride_x", "padding", "padding_x")
    return {name: file.integer() for name in names}, _NOTHING


def _no_numbers(file: DlibFile) -> _Read:
    return {}, _NOTHING


def _colours(file: DlibFile) -> _Read:
    return {name: file.real() for name in ("red", "green", "blue")}, _NOTHING


def _sized_colours(file: DlibFile) -> _Read:
    numbers, _ = _colours(file)
    return {**numbers, "rows": file.integer(), "columns": file.integer()}, _NOTHING


def _skip_views(file: DlibFile, count: int) -> None:
    """Where in a layer's weights its parts lie: a version and four sides each."""
    for _ in range(count):
        file.expect(1, "the version of a view")
        for _ in range(4):
            file.integer()


def _skip_reals(file: DlibFile, count: int) -> None:
    for _ in range(count):
        file.real()


def _metric_loss(file: DlibFile) -> dict[str, float]:
    return {"margin": file.real(), "threshold": file.real()}


def _detection_loss(file: DlibFile) -> dict[str, float]:
    file.expect(1, "the version of the detector")
    numbers: dict[str, float] = {"width": file.integer(), "height": file.integer()}
    _skip_reals(file, 3)  # the costs of training
    numbers |= {"overlap": file.real(), "covered": file.real()}
    _skip_reals(file, 2)  # what training ignores
    return numbers


LOSSES: Mapping[str, Callable[[DlibFile], Mapping[str, float]]] = {
    "loss_metric_2": _metric_loss,
    "loss_mmod_": _detection_loss,
}
LAYERS: Mapping[str, tuple[str, Callable[[DlibFile], Any]]] = {
    "input_rgb_image_sized": ("input", _sized_colours),
    "input_rgb_image_pyramid": ("input", _colours),
    "con_4": ("convolution", _convolution),
    "affine_": ("affine", _affine),
    "bn_con2": ("affine", _batch_norm),
    "fc_2": ("linear", _linear),
    "max_pool_2": ("max_pool", _pooling),
    "avg_pool_2": ("average_pool", _pooling),
    "relu_": ("relu", _no_numbers),
    "add_prev_": ("add", _no_numbers),
}
"""By the name in the file: the kind, and what reads the rest."""
