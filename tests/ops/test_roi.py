"""RoIAlign against the plain loop over samples, for both ways it is computed, and its gradient."""

from __future__ import annotations

import importlib
import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from visus.ops import assign_levels, roi_align
from visus.ops.row_sums import RowSums, weighted_row_sums

module = importlib.import_module("visus.ops.roi")


def sample(image: Tensor, y: float, x: float) -> Tensor:
    """One bilinear sample of a [c, h, w] map."""
    height, width = image.shape[1:]
    if not (-1 <= y <= height and -1 <= x <= width):
        return torch.zeros_like(image[:, 0, 0])
    y, x = min(max(y, 0), height - 1), min(max(x, 0), width - 1)
    top, left = int(y), int(x)
    bottom, right = min(top + 1, height - 1), min(left + 1, width - 1)
    above = image[:, top, left] * (1 - (x - left)) + image[:, top, right] * (x - left)
    below = image[:, bottom, left] * (1 - (x - left)) + image[:, bottom, right] * (x - left)
    return above * (1 - (y - top)) + below * (y - top)


def plain(image: Tensor, box: list[float], bins: tuple[int, int], stride: float, ratio: int, aligned: bool) -> Tensor:
    """The bins of one box in one [c, h, w] map."""
    x1, y1, x2, y2 = (value / stride - 0.5 * aligned for value in box)
    height, width = (y2 - y1, x2 - x1) if aligned else (max(y2 - y1, 1), max(x2 - x1, 1))
    out = image.new_zeros(len(image), *bins)
    for row in range(bins[0] * ratio):
        for column in range(bins[1] * ratio):
            y = y1 + (row + 0.5) * height / bins[0] / ratio
            x = x1 + (column + 0.5) * width / bins[1] / ratio
            out[:, row // ratio, column // ratio] += sample(image, y, x) / ratio**2
    return out


def pyramid(dtype: torch.dtype = torch.float64, channels_last: bool = True) -> list[Tensor]:
    generator = torch.Generator().manual_seed(0)
    maps = [torch.randn(2, 3, 24 >> i, 32 >> i, generator=generator, dtype=torch.float64).to(dtype) for i in range(3)]
    layout = torch.channels_last if channels_last else torch.contiguous_format
    return [map_.to(memory_format=layout) for map_ in maps]


def random_boxes(count: int, seed: int) -> Tensor:
    """Boxes of all sizes, inside, across the border and outside of images of 96 x 128."""
    generator = torch.Generator().manual_seed(seed)
    sides = 2 * 80 ** torch.rand(count, 2, generator=generator, dtype=torch.float64)
    corner = torch.rand(count, 2, generator=generator, dtype=torch.float64) * 170 - 40
    return torch.cat((corner, corner + sides), dim=1)


@pytest.fixture(params=["by parts", "at once"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """The CPU's own way, and the way of other devices and compilers, run on the CPU."""
    if request.param == "at once":
        monkeypatch.setattr(module, "_sums_by_parts", module._sums_at_once)
    return request.param


@pytest.mark.parametrize("aligned", [False, True])
@pytest.mark.parametrize(("bins", "ratio"), [((4, 3), 2), ((2, 5), 1), ((2, 1), 3)])
def test_equals_the_plain_loop(way: str, bins: tuple[int, int], ratio: int, aligned: bool) -> None:
    maps, strides = pyramid(), (4, 8, 16)
    boxes, image, levels = random_boxes(30, 1), torch.arange(30) % 2, torch.arange(30) % 3
    out = roi_align(maps, boxes, image, bins, strides, levels=levels, sampling_ratio=ratio, aligned=aligned)
    for i, box in enumerate(boxes.tolist()):
        level = i % 3
        expected = plain(maps[level][i % 2], box, bins, strides[level], ratio, aligned)
        torch.testing.assert_close(out[i], expected)


@given(
    bins=st.integers(1, 8),
    ratio=st.integers(1, 4),
    aligned=st.booleans(),
    channels_last=st.booleans(),
    seed=st.integers(0, 10_000),
)
@settings(max_examples=40, deadline=None)
def test_both_ways_agree(bins: int, ratio: int, aligned: bool, channels_last: bool, seed: int) -> None:
    """The plain embedding bag and the sums with joined cells, with their gradients."""
    maps = [map_.requires_grad_() for map_ in pyramid(channels_last=channels_last)]
    boxes, image = random_boxes(20, seed), torch.arange(20) % 2
    arguments = (maps, boxes, image, bins, (4, 8, 16))
    options = {"levels": assign_levels(boxes, 3, 64), "sampling_ratio": ratio, "aligned": aligned}
    out = roi_align(*arguments, **options)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "_sums_by_parts", module._sums_at_once)
        expected = roi_align(*arguments, **options)
    torch.testing.assert_close(out, expected)
    weight = torch.randn(out.shape, dtype=out.dtype, generator=torch.Generator().manual_seed(seed))
    for ours, theirs in zip(
        torch.autograd.grad(out, maps, weight), torch.autograd.grad(expected, maps, weight), strict=True
    ):
        torch.testing.assert_close(ours, theirs)


def test_batches_do_not_change_the_result(monkeypatch: pytest.MonkeyPatch) -> None:
    maps = [map_.requires_grad_() for map_ in pyramid()]
    boxes, image = random_boxes(40, 2), torch.arange(40) % 2
    results = []
    for size in (1 << 20, 2000, 1):
        monkeypatch.setattr("visus.ops.row_sums.BATCH_BYTES", size)
        out = roi_align(maps, boxes, image, 5, (4, 8, 16), levels=assign_levels(boxes, 3, 64))
        results.append((out, *torch.autograd.grad(out.square().sum(), maps)))
    for other in results[1:]:
        for ours, theirs in zip(results[0], other, strict=True):
            assert torch.equal(ours, theirs)


@pytest.mark.parametrize("aligned", [False, True])
def test_gradient(way: str, aligned: bool) -> None:
    maps = [map_[:, :2, :6, :7].contiguous().requires_grad_() for map_ in pyramid()[:2]]
    boxes = torch.tensor([[0.0, 0, 20, 12], [-6, 3, 9, 30], [5, 5, 6, 6], [1, 1, 50, 50]], dtype=torch.float64)
    image, levels = torch.tensor([0, 1, 1, 0]), torch.tensor([0, 0, 1, 1])

    def pooled(*maps: Tensor) -> Tensor:
        return roi_align(maps, boxes, image, (2, 3), (4, 8), levels=levels, aligned=aligned)

    assert torch.autograd.gradcheck(pooled, maps)


def test_no_gradient_flows_to_boxes(way: str) -> None:
    maps = [pyramid()[0].requires_grad_()]
    boxes = random_boxes(4, 3).requires_grad_()
    out = roi_align(maps, boxes, torch.zeros(4, dtype=torch.int64), 3, [4])
    assert torch.autograd.grad(out.sum(), (maps[0], boxes), allow_unused=True)[1] is None


def test_only_the_maps_that_want_it_get_a_gradient() -> None:
    maps = pyramid()
    maps[1].requires_grad_()
    boxes = random_boxes(9, 4)
    out = roi_align(maps, boxes, torch.zeros(9, dtype=torch.int64), 3, (4, 8, 16), levels=torch.arange(9) % 3)
    out.sum().backward()
    assert maps[1].grad is not None
    assert maps[0].grad is None


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision(way: str, dtype: torch.dtype) -> None:
    maps = [map_.requires_grad_() for map_ in pyramid(dtype)]
    boxes, image = random_boxes(12, 5).float(), torch.arange(12) % 2
    levels = torch.arange(12) % 3
    out = roi_align(maps, boxes, image, 3, (4, 8, 16), levels=levels)
    exact = roi_align([map_.double() for map_ in maps], boxes.double(), image, 3, (4, 8, 16), levels=levels)
    assert out.dtype == dtype
    torch.testing.assert_close(out, exact.to(dtype))
    out.float().sum().backward()
    assert maps[0].grad is not None
    assert maps[0].grad.dtype == dtype


def test_no_boxes_give_a_zero_gradient(way: str) -> None:
    maps = [map_.requires_grad_() for map_ in pyramid()]
    none = torch.zeros(0, dtype=torch.int64)
    out = roi_align(maps, torch.zeros(0, 4, dtype=torch.float64), none, (3, 2), (4, 8, 16), levels=none)
    assert out.shape == (0, 3, 3, 2)
    assert all(torch.equal(g, torch.zeros_like(g)) for g in torch.autograd.grad(out.sum(), maps))


def test_boxes_that_are_not_finite_give_zero(way: str) -> None:
    boxes = torch.tensor([[math.nan] * 4, [0, 0, math.inf, 9], [-math.inf, 0, 9, 9], [0, 0, 9, 9]]).double()
    out = roi_align(pyramid()[:1], boxes, torch.zeros(4, dtype=torch.int64), 2, [4])
    assert (out[:3] == 0).all()
    assert (out[3] != 0).all()


def test_strides_of_two_numbers_are_vertical_then_horizontal(way: str) -> None:
    image = pyramid()[0]
    boxes = torch.tensor([[10.0, 20, 40, 50]], dtype=torch.float64)
    out = roi_align([image], boxes, torch.zeros(1, dtype=torch.int64), 3, [(4, 8)])
    expected = plain(image[0], [5, 20, 20, 50], (3, 3), 4, 2, False)  # x halved, then 4 either way
    torch.testing.assert_close(out[0], expected)


def test_a_constant_map_gives_its_value(way: str) -> None:
    boxes = torch.tensor([[4.0, 4, 60, 40]])
    out = roi_align([torch.full((1, 2, 24, 32), 3.5)], boxes, torch.zeros(1, dtype=torch.int64), 7, [4])
    torch.testing.assert_close(out, torch.full((1, 2, 7, 7), 3.5))


def test_errors_say_what_to_do() -> None:
    maps, boxes, image = pyramid(), random_boxes(2, 6), torch.zeros(2, dtype=torch.int64)
    with pytest.raises(ValueError, match="3 maps and 1 strides"):
        roi_align(maps, boxes, image, 7, [4])
    with pytest.raises(ValueError, match="levels=assign_levels"):
        roi_align(maps, boxes, image, 7, [4, 8, 16])
    with pytest.raises(ValueError, match="sampling_ratio is 0"):
        roi_align(maps[:1], boxes, image, 7, [4], sampling_ratio=0)


def test_levels_of_known_sizes() -> None:
    side = torch.tensor([1.0, 111, 112, 223, 224, 447, 448, 5000, 0])
    boxes = torch.stack((torch.zeros(9), torch.zeros(9), side, side), dim=1)
    assert assign_levels(boxes, 4).tolist() == [0, 0, 1, 1, 2, 2, 3, 3, 0]
    assert assign_levels(boxes.half(), 4).tolist() == [0, 0, 1, 1, 2, 2, 3, 3, 0]
    assert assign_levels(boxes[:0], 4).tolist() == []


@pytest.mark.parametrize("bad", [[math.nan] * 4, [5.0, 5, 1, 9]])
def test_levels_of_broken_boxes_are_levels(bad: list[float]) -> None:
    assert assign_levels(torch.tensor([bad]), 4).item() in range(4)


@pytest.mark.usefixtures("without_shape_checks")
def test_compiles_whole() -> None:
    maps, boxes, image = pyramid(), random_boxes(6, 7), torch.arange(6) % 2

    def pooled(maps: list[Tensor], boxes: Tensor, image: Tensor) -> Tensor:
        return roi_align(maps, boxes, image, 3, (4, 8, 16), levels=assign_levels(boxes, 3, 64))

    compiled = torch.compile(pooled, fullgraph=True, backend="eager")
    torch.testing.assert_close(compiled(maps, boxes, image), pooled(maps, boxes, image))


def test_row_sums_are_products() -> None:
    generator = torch.Generator().manual_seed(0)
    tables = [torch.randn(n, 4, generator=generator, dtype=torch.float64, requires_grad=True) for n in (5, 7)]
    rows = [torch.randint(5, (6, 3), generator=generator), torch.randint(7, (2, 2), generator=generator)]
    weights = [torch.randn(r.shape, generator=generator, dtype=torch.float64) for r in rows]
    places = [torch.tensor([3, 0, 1]), torch.tensor([2])]
    parts = [RowSums(i, places[i], rows[i], weights[i]) for i in range(2)]
    out = weighted_row_sums(tables, parts, 4, 2)
    for i in range(2):
        expected = (weights[i][..., None] * tables[i][rows[i]]).sum(1)
        torch.testing.assert_close(out[places[i]].flatten(0, 1), expected)
    assert torch.autograd.gradcheck(lambda *t: weighted_row_sums(t, parts, 4, 2), tables)
