"""Several looks at an image: what a network that acts on each pixel alone must give, and windows that cover all."""

from __future__ import annotations

from itertools import pairwise

import pytest
import torch
from torch import nn

from visus.nn.backbones import Backbone
from visus.nn.transform import ImageTransform
from visus.systems.segmentation.inference import AveragedSegmenter, mirror, mirror_maps, resize_batch, window_starts
from visus.systems.segmentation.outputs import Frame
from visus.systems.segmentation.segmenter import Segmenter
from visus.types import ImageBatch


class Pixels(Backbone):
    """The pixels themselves, and where they lie."""

    channels, strides = (3,), (1,)

    def stages(self, pixels: torch.Tensor) -> list[torch.Tensor]:
        return [pixels]


class Channels(nn.Module):
    """Each channel of the image is the logit of a class, and columns add to the first if wanted."""

    def __init__(self, tilt: float = 0.0) -> None:
        super().__init__()
        self.tilt = tilt
        self.seen: list[tuple[int, int]] = []

    def forward(self, stages: list[torch.Tensor], frame: Frame) -> torch.Tensor:
        self.seen.append(frame.size)
        return stages[-1] + self.tilt * torch.arange(frame.size[1])


class Halves(nn.Module):
    """Finds class 1 in the left half of whatever it looks at, class 2 in the right one."""

    def forward(self, stages: list[torch.Tensor], frame: Frame) -> torch.Tensor:
        left = torch.arange(frame.size[1]) < frame.size[1] / 2
        logits = torch.stack((torch.zeros_like(left), left, ~left)).float() * 5
        return logits[None, :, None].expand(len(stages[-1]), -1, frame.size[0], -1)


def network(tilt: float = 0.0, classifier: nn.Module | None = None) -> Segmenter:
    transform = ImageTransform(min_size=None, max_size=None, divisor=1)
    return Segmenter(transform=transform, backbone=Pixels(), classifier=classifier or Channels(tilt)).eval()


def images() -> ImageBatch:
    pixels = torch.rand(2, 3, 20, 30, generator=torch.Generator().manual_seed(0))
    return ImageBatch(pixels, torch.tensor([[20, 30], [20, 21]]))


@pytest.mark.parametrize("options", [{}, {"flip": True}, {"window": (8, 11)}, {"flip": True, "window": (64, 13)}])
def test_looks_at_single_pixels_agree(options: dict) -> None:
    model = network()
    plain = model(images())
    found = AveragedSegmenter(model, **options)(images())
    inside = (..., slice(0, 20), slice(0, 21))
    torch.testing.assert_close(found.logits.exp()[inside], plain.logits.softmax(1)[inside], rtol=1e-4, atol=1e-6)
    [one, two] = AveragedSegmenter(model, **options).postprocess(found, [(20, 30), (40, 42)])
    assert torch.equal(one.labels, model.postprocess(plain, [(20, 30), (40, 42)])[0].labels)
    assert two.labels.shape == (40, 42)


def test_scales_resize_what_is_looked_at() -> None:
    model = network()
    found = AveragedSegmenter(model, scales=(0.5, 1.0, 1.5))(images())
    assert model.classifier.seen == [(10, 15), (20, 30), (30, 45)]
    assert found.logits.shape == (2, 3, 20, 30)
    torch.testing.assert_close(found.logits.exp().sum(1), torch.ones(2, 20, 30))


def test_the_mirrored_look_comes_back_mirrored() -> None:
    batch = ImageBatch(torch.zeros(1, 3, 2, 5), torch.tensor([[2, 5]]))
    found = AveragedSegmenter(network(tilt=1.0), flip=True)(batch).logits
    torch.testing.assert_close(found, found.flip(3))
    same = ImageBatch(torch.rand(2, 3, 4, 6), torch.tensor([[4, 6], [4, 4]]))
    once = mirror(same)
    assert torch.equal(once.pixels[1, :, :, :4], same.pixels[1, :, :, :4].flip(2))
    assert torch.equal(mirror_maps(once.pixels, same.sizes), same.pixels)


def test_classes_with_a_side_change_in_the_mirrored_look() -> None:
    batch = ImageBatch(torch.zeros(1, 3, 2, 6), torch.tensor([[2, 6]]))
    model = network(classifier=Halves())
    alone = AveragedSegmenter(model)(batch).logits
    torch.testing.assert_close(AveragedSegmenter(model, flip=True, counterparts=(0, 2, 1))(batch).logits, alone)
    assert not torch.allclose(AveragedSegmenter(model, flip=True)(batch).logits, alone, atol=0.1)


def test_windows_cover_everything_and_overlap() -> None:
    for length, window, overlap in ((100, 40, 0.25), (40, 40, 0.5), (41, 40, 0.0), (7, 1, 0.9), (1000, 33, 0.3)):
        starts = window_starts(length, window, overlap)
        seen = {pixel for start in starts for pixel in range(start, start + window)}
        assert seen == set(range(length))
        steps = [b - a for a, b in pairwise(starts)]
        assert all(step <= max(1, window * (1 - overlap)) for step in steps)


def test_resized_batches_keep_images_and_padding_apart() -> None:
    resized = resize_batch(images(), 2.0)
    assert resized.pixels.shape == (2, 3, 40, 60)
    assert resized.sizes.tolist() == [[40, 60], [40, 42]]


@pytest.mark.parametrize("options", [{"scales": ()}, {"scales": (0.0,)}, {"window": (0, 4)}, {"overlap": 1.0}])
def test_what_cannot_be_is_refused(options: dict) -> None:
    with pytest.raises(ValueError, match=next(iter(options))):
        AveragedSegmenter(network(), **options)
