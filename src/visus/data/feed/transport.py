"""Batches from worker processes in one piece.

Every tensor that a worker hands over costs a file descriptor for as long as it lives and a round trip between
processes. A batch of targets has dozens, enough to reach the usual limit of 1,024 open files. So a batch travels as one
tensor of bytes, and its tensors are views of it on the other side.
"""

from __future__ import annotations

import io
import math
import pickle
from collections.abc import Callable, Sequence
from typing import Any

import torch
from jaxtyping import UInt8
from torch import Tensor
from torch.utils.data import get_worker_info

from visus.data.feed.failures import USER_ERRORS, Failure
from visus.types import Batch, Sample

_ALIGNMENT = 64  # bytes: a cache line, and a multiple of every number's size


class InOnePiece:
    """Collates; inside a worker process, wraps the batch so that it travels in one piece.

    Args:
        collate: makes a batch of samples.
    """

    def __init__(self, collate: Callable[[Sequence[Sample]], Batch]) -> None:
        self.collate = collate

    def __call__(self, samples: Sequence[Sample | Failure]) -> Batch | Parcel | Failure:
        """The batch, a parcel that arrives as the batch, or the first failure: of a sample, or of the batch."""
        good: list[Sample] = []
        for sample in samples:
            if isinstance(sample, Failure):
                return sample
            good.append(sample)
        if get_worker_info() is None:
            return self.collate(good)
        try:
            return Parcel(self.collate(good))
        except USER_ERRORS as error:
            return Failure(error)


class Parcel:
    """Pickles as one tensor and a little text, and unpickles as what it holds."""

    def __init__(self, content: object) -> None:
        self.content = content

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[bytes, UInt8[Tensor, " bytes"]]]:
        return _opened, _closed(self.content)


class _Packer(pickle.Pickler):
    def __init__(self, file: io.BytesIO) -> None:
        super().__init__(file, protocol=pickle.HIGHEST_PROTOCOL)
        self.tensors: list[Tensor] = []
        self.length = 0

    def persistent_id(self, thing: object) -> tuple[int, torch.dtype, tuple[int, ...]] | None:
        """For a tensor, where its bytes begin, its type and its shape."""
        if not isinstance(thing, Tensor):
            return None
        begin = self.length
        self.tensors.append(thing)
        self.length = begin + math.ceil(thing.nbytes / _ALIGNMENT) * _ALIGNMENT
        return begin, thing.dtype, tuple(thing.shape)


class _Unpacker(pickle.Unpickler):
    def __init__(self, file: io.BytesIO, data: UInt8[Tensor, " bytes"]) -> None:
        super().__init__(file)
        self.data = data

    def persistent_load(self, mark: tuple[int, torch.dtype, tuple[int, ...]]) -> Tensor:
        """The tensor of a mark of `_Packer`, as a view of the bytes."""
        begin, dtype, shape = mark
        size = math.prod(shape) * dtype.itemsize
        return self.data[begin : begin + size].view(dtype).view(shape)


def _closed(content: object) -> tuple[bytes, UInt8[Tensor, " bytes"]]:
    text = io.BytesIO()
    packer = _Packer(text)
    packer.dump(content)
    data = torch.empty(packer.length, dtype=torch.uint8)
    begin = 0
    for tensor in packer.tensors:
        data[begin : begin + tensor.nbytes] = tensor.contiguous().view(-1).view(torch.uint8)
        begin += math.ceil(tensor.nbytes / _ALIGNMENT) * _ALIGNMENT
    return text.getvalue(), data


def _opened(text: bytes, data: UInt8[Tensor, " bytes"]) -> object:
    return _Unpacker(io.BytesIO(text), data).load()
