"""Mixup and CutMix: pixels, probabilities and boxes by hand; the same seed, the same mixture."""

from __future__ import annotations

import pytest
import torch

from visus.data.augment.mixing import Mix, cutmix, mixup
from visus.types import Batch, ClassTarget, ImageBatch, InstanceTarget, NoRowError

OTHERS = torch.tensor([1, 0])


def batch(count: int = 4, *, boxes: bool = True, size: tuple[int, int] = (32, 48)) -> Batch:
    """Image i is all 10 * i, its label i, its box annotated at twice the size of the image."""
    pixels = torch.stack([torch.full((3, *size), 10 * i, dtype=torch.uint8) for i in range(count)])
    box = torch.tensor([10.0, 10, 50, 40]) if boxes else None
    doubled = (2 * size[0], 2 * size[1])
    targets = [ClassTarget(torch.tensor(i), doubled, image_id=i, box_xyxy=box) for i in range(count)]
    return Batch(ImageBatch(pixels, torch.tensor([size] * count)), targets, [str(i) for i in range(count)])


def test_mixup_by_hand() -> None:
    pixels = batch(2).inputs.pixels
    mixed = mixup(pixels + 20, OTHERS, 0.75)
    torch.testing.assert_close(mixed[:, 0, 0, 0], torch.tensor([22.5, 27.5]) / 255)
    torch.testing.assert_close(mixup(pixels / 255, OTHERS, 0.5)[0, 0, 0, 0], torch.tensor(5 / 255))


def test_cutmix_by_hand() -> None:
    pixels = batch(2).inputs.pixels
    mixed, share = cutmix(pixels, OTHERS, (0, 8, 24, 24))
    assert share == 1 - 24 * 16 / (32 * 48)
    assert mixed.dtype == torch.uint8
    assert mixed[0, 0, 8:24, :24].unique().tolist() == [10]
    assert int((mixed[0, 0] == 10).sum()) == 24 * 16
    assert int((mixed[1, 0] == 0).sum()) == 24 * 16
    assert pixels[0].unique().tolist() == [0]


@pytest.mark.parametrize("alphas", [(0.4, 0.0), (0.0, 1.0)])
def test_probabilities_say_what_the_pixels_show(alphas: tuple[float, float]) -> None:
    mix = Mix(num_classes=5, mixup_alpha=alphas[0], cutmix_alpha=alphas[1])
    shares = []
    for seed in range(8):
        torch.manual_seed(seed)
        mixed = mix(batch())
        means = mixed.inputs.pixels.float().mean((1, 2, 3)) * (255 if alphas[0] else 1)
        for i, (mean, target) in enumerate(zip(means, mixed.targets, strict=True)):
            assert float(target.probabilities.sum()) == pytest.approx(1)
            assert float(target.probabilities[i]) >= 0.5 - 1e-6
            assert int(target.label) == i
            torch.testing.assert_close(target.probabilities @ torch.arange(0.0, 50, 10), mean, atol=1e-3, rtol=0)
        shares.append(float(mixed.targets[0].probabilities.max()))
        assert mixed.paths == ["0", "1", "2", "3"]
    assert len(set(shares)) > 4


def test_boxes_come_into_the_frame_of_the_batch() -> None:
    torch.manual_seed(0)
    for target in Mix(num_classes=4, mixup_alpha=1.0)(batch()).targets:
        assert target.size == (32, 48)
        assert target.box_xyxy.tolist() == [5, 5, 25, 20]
    assert all(t.box_xyxy is None for t in Mix(num_classes=4, mixup_alpha=1.0)(batch(boxes=False)).targets)


def test_a_box_under_a_patch_is_dropped() -> None:
    mix, kept = Mix(num_classes=4, cutmix_alpha=1.0), []
    for seed in range(40):
        torch.manual_seed(seed)
        mixed = mix(batch(2))
        other = int(mixed.targets[0].probabilities[1] > 0)  # 0 where an image was paired with itself
        hidden = float((mixed.inputs.pixels[0, 0, 5:20, 5:25] == 10).float().mean()) if other else 0.0
        assert (mixed.targets[0].box_xyxy is None) == (hidden > 0.5)
        kept.append(mixed.targets[0].box_xyxy is not None)
    assert any(kept)
    assert not all(kept)


def test_the_seed_decides() -> None:
    mix = Mix(num_classes=4, mixup_alpha=0.2, cutmix_alpha=1.0)
    kinds = set()
    for seed in range(12):
        results = []
        for _ in range(2):
            torch.manual_seed(seed)
            results.append(mix(batch()))
        assert torch.equal(results[0].inputs.pixels, results[1].inputs.pixels)
        kinds.add(results[0].inputs.pixels.dtype)
    assert kinds == {torch.uint8, torch.float32}  # now CutMix, now mixup


def test_images_of_different_sizes_get_the_larger_sides() -> None:
    images = ImageBatch(torch.ones(2, 3, 8, 8), torch.tensor([[8, 4], [4, 8]]))
    targets = [ClassTarget(torch.tensor(i), (8, 4)) for i in range(2)]
    for seed in range(6):
        torch.manual_seed(seed)
        mixed = Mix(num_classes=2, mixup_alpha=1.0)(Batch(images, targets))
        assert [list(t.size) for t in mixed.targets] == mixed.inputs.sizes.tolist()
        assert mixed.inputs.sizes.tolist() in ([[8, 8], [8, 8]], [[8, 4], [4, 8]])


def test_what_cannot_be_mixed_is_refused() -> None:
    with pytest.raises(ValueError, match="one of them above"):
        Mix(num_classes=3)
    with pytest.raises(ValueError, match="at least 0"):
        Mix(num_classes=3, mixup_alpha=-1, cutmix_alpha=1)
    empty = torch.zeros(0)
    objects = InstanceTarget(torch.zeros(0, 4), empty.long(), empty, empty.bool(), (8, 8))
    with pytest.raises(NoRowError, match=r"data\.augment\.mixup.* no InstanceTarget; it knows ClassTarget"):
        Mix(num_classes=3, mixup_alpha=1.0)(
            Batch(ImageBatch(torch.zeros(1, 3, 8, 8), torch.tensor([[8, 8]])), [objects])
        )
