from __future__ import annotations

import colorsys

import torch

from visus.data.augment.colour import chroma_matrix, jitter_colour
from visus.data.feed.loader import generator_for


def image() -> torch.Tensor:
    return torch.randint(60, 190, (3, 30, 40), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))


def test_strength_zero_changes_nothing() -> None:
    assert jitter_colour(image(), 0.0, generator_for(0)) is not None
    assert torch.equal(jitter_colour(image(), 0.0, generator_for(0)), image())


def test_result_is_a_new_image_of_the_same_shape() -> None:
    before = image()
    after = jitter_colour(before, 1.0, generator_for(1))
    assert after.shape == before.shape
    assert after.dtype == torch.uint8
    assert not torch.equal(after, before)
    assert torch.equal(before, image())


def test_changes_grow_with_strength() -> None:
    def change(strength: float) -> float:
        varied = [jitter_colour(image(), strength, generator_for(seed)).float() for seed in range(20)]
        return float((torch.stack(varied) - image()).abs().mean())

    assert 0 < change(0.1) < change(0.4) < change(1.0)


def test_grey_stays_grey_and_extremes_are_clipped() -> None:
    grey = torch.arange(256, dtype=torch.uint8).expand(3, 4, -1)
    for seed in range(10):
        varied = jitter_colour(grey, 1.0, generator_for(seed)).int()
        assert (varied[0] - varied[1]).abs().max() <= 1
        assert (varied[0].diff(dim=1) >= 0).all()  # no overflow turns bright into dark


def test_saturation_zero_is_grey_and_a_full_turn_is_the_identity() -> None:
    assert torch.allclose(chroma_matrix(1.0, 0.0), torch.eye(3), atol=1e-5)
    grey = chroma_matrix(0.0, 0.0) @ torch.tensor([200.0, 30.0, 90.0])
    assert torch.allclose(grey, torch.full((3,), 0.299 * 200 + 0.587 * 30 + 0.114 * 90), atol=0.1)


def test_the_hue_turns() -> None:
    colour = torch.tensor([0.6, 0.4, 0.4])
    turned = [colorsys.rgb_to_hsv(*(chroma_matrix(1.0, angle) @ colour).tolist())[0] for angle in (-0.4, 0.0, 0.4)]
    centred = [(hue + 0.5) % 1 for hue in turned]
    assert centred[0] != centred[1] != centred[2]
    assert (centred[1] - centred[0]) * (centred[2] - centred[1]) > 0
