from __future__ import annotations

import pickle

import torch

from visus.data.feed.collate import Collate
from visus.data.feed.transport import InOnePiece, Parcel
from visus.types import Batch

from .conftest import rectangles


def test_a_batch_arrives_as_it_was() -> None:
    samples = [rectangles((20, 30), [(1, 2, 9, 9)]), rectangles((10, 10), [])]
    batch = Collate()(samples)
    arrived = pickle.loads(pickle.dumps(Parcel(batch)))
    assert isinstance(arrived, Batch)
    assert torch.equal(arrived.inputs.pixels, batch.inputs.pixels)
    for one, other in zip(arrived.targets, batch.targets, strict=True):
        assert one.size == other.size
        for name in ("boxes_xyxy", "labels", "areas", "is_crowd", "masks", "keypoints_xyv"):
            assert torch.equal(getattr(one, name), getattr(other, name))


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
