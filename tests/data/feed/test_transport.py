from __future__ import annotations

import pickle
from dataclasses import fields, replace

import torch

from rectangles import rectangles
from visus.data.feed.collate import Collate
from visus.data.feed.transport import InOnePiece, Parcel
from visus.types import Batch, Sample


def related(size: tuple[int, int], boxes: list[tuple[int, int, int, int]]) -> Sample:
    """A sample of all fields that a target may have."""
    sample = rectangles(size, boxes)
    rows = torch.tensor([[i, 3, i] for i in range(len(boxes))]).view(-1, 3)
    attributes = torch.ones(len(boxes), 5, dtype=torch.bool)
    return replace(sample, target=replace(sample.target, attributes=attributes, relationships=rows))


def test_a_batch_arrives_as_it_was() -> None:
    batch = Collate()([related((20, 30), [(1, 2, 9, 9)]), related((10, 10), [])])
    arrived = pickle.loads(pickle.dumps(Parcel(batch)))
    assert isinstance(arrived, Batch)
    assert torch.equal(arrived.inputs.pixels, batch.inputs.pixels)
    for one, other in zip(arrived.targets, batch.targets, strict=True):
        assert one.size == other.size
        tensors = [field.name for field in fields(other) if isinstance(getattr(other, field.name), torch.Tensor)]
        assert len(tensors) == 8
        for name in tensors:
            assert torch.equal(getattr(one, name), getattr(other, name)), name


def test_every_kind_of_tensor() -> None:
    tensors = [
        torch.tensor(3.5),
        torch.zeros(0, 4),
        torch.arange(12).view(3, 4).T,
        torch.tensor([True]),
        torch.ones(3).half(),
    ]
    arrived = pickle.loads(pickle.dumps(Parcel(tensors)))
    for one, other in zip(arrived, tensors, strict=True):
        assert one.dtype == other.dtype
        assert torch.equal(one, other)
    assert len({tensor.untyped_storage().data_ptr() for tensor in arrived if tensor.numel()}) == 1


def test_outside_a_worker_nothing_is_wrapped() -> None:
    assert isinstance(InOnePiece(Collate())([rectangles((8, 8), [])]), Batch)
