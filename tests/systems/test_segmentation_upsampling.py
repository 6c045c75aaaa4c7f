"""From cells to pixels: against interpolation of the whole map, with and without padding."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F

from visus.systems.segmentation import upsampling
from visus.systems.segmentation.upsampling import most_likely, strips


def some_logits(*size: int) -> torch.Tensor:
    return torch.randn(size, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("cells", [(1, 1), (4, 6), (32, 48)])
@pytest.mark.parametrize("wanted", [(32, 48), (31, 100), (7, 5)])
def test_an_image_without_padding_is_interpolated_bilinearly(cells: tuple[int, int], wanted: tuple[int, int]) -> None:
    logits = some_logits(3, *cells)
    found = torch.cat(list(strips(logits, (32, 48), (32, 48), wanted)), 1)
    expected = F.interpolate(logits[None], wanted, mode="bilinear", align_corners=False)[0]
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)


def test_padding_is_cut_away() -> None:
    logits = some_logits(3, 4, 6)
    found = torch.cat(list(strips(logits, (32, 48), (20, 30), (20, 30))), 1)
    whole = F.interpolate(logits[None], (32, 48), mode="bilinear", align_corners=False)[0]
    torch.testing.assert_close(found, whole[:, :20, :30], rtol=1e-4, atol=1e-5)


def test_strips_do_not_show(monkeypatch: pytest.MonkeyPatch) -> None:
    logits = some_logits(3, 4, 6)
    labels, scores = most_likely(logits, (32, 48), (30, 40), (61, 80))
    monkeypatch.setattr(upsampling, "STRIP", 3 * 80 * 7)
    assert [part.shape[1] for part in strips(logits, (32, 48), (30, 40), (61, 80))] == [7] * 8 + [5]
    again, scores_again = most_likely(logits, (32, 48), (30, 40), (61, 80))
    assert torch.equal(labels, again)
    assert torch.equal(scores, scores_again)


def test_the_most_likely_class_and_its_probability() -> None:
    logits = some_logits(5, 8, 8)
    labels, scores = most_likely(logits, (8, 8), (8, 8), (8, 8))
    best, index = logits.softmax(0).max(0)
    assert torch.equal(labels.long(), index)
    torch.testing.assert_close(scores, best)
