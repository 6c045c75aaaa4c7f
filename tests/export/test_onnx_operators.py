"""Each operator of visus in ONNX Runtime and in OpenVINO against itself in PyTorch, with many rows, one and none."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import visus.ops.keypoints
import visus.ops.masks
import visus.ops.nms
import visus.ops.points
import visus.ops.roi  # noqa: F401  registers the operators

pytestmark = pytest.mark.skipif(
    not all(importlib.util.find_spec(name) for name in ("onnx", "onnxscript", "onnxruntime")),
    reason="the extra onnx is not installed",
)
OPS: Any = torch.ops.visus


class Call(nn.Module):
    """A module of one function."""

    def __init__(self, function: Callable[..., Any]) -> None:
        super().__init__()
        self.function = function

    def forward(self, *tensors: Tensor) -> Any:
        """What the function gives."""
        return self.function(*tensors)


def boxes(count: int) -> Tensor:
    generator = torch.Generator().manual_seed(count)
    corner = torch.rand(count, 2, generator=generator) * 60
    return torch.cat((corner, corner + torch.rand(count, 2, generator=generator) * 50), dim=1)


def some(*shape: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(sum(shape)))


def numbers(count: int, below: int) -> Tensor:
    return torch.randint(below, (count,), generator=torch.Generator().manual_seed(count))


def roi_align(aligned: bool) -> Callable[..., Any]:
    def call(fine: Tensor, coarse: Tensor, regions: Tensor, image: Tensor, levels: Tensor) -> Any:
        strides = [4.0, 4.0, 8.0, 8.0]
        return OPS.roi_align([fine, coarse], regions, image, levels, [7, 5], strides, 2, aligned)

    return call


def pyramid(count: int) -> tuple[Tensor, ...]:
    return some(2, 3, 30, 32), some(2, 3, 15, 16), boxes(count), numbers(count, 2), numbers(count + 1, 2)[:count]


def heat(count: int) -> tuple[Tensor, Tensor]:
    return some(count, 3, 8, 8), boxes(count)


CASES: dict[str, tuple[Callable[..., Any], Callable[[int], tuple[Tensor, ...]], tuple[int, ...]]] = {
    "visit": (
        lambda some_boxes, groups: OPS.visit(some_boxes, groups, 0.5).to(torch.uint8),
        lambda count: (boxes(count), numbers(count, 3).sort().values),
        (40, 1, 0),
    ),
    "roi_align": (roi_align(False), pyramid, (20, 1, 0)),
    "roi_align, aligned": (roi_align(True), pyramid, (20,)),
    "paste_masks": (
        lambda masks, places: OPS.paste_masks(masks, places, 90, 110, 0.5, "whole_pixels").to(torch.uint8),
        lambda count: (some(count, 14, 14).sigmoid(), boxes(count)),
        (9, 0),
    ),
    "decode_keypoints": (lambda maps, places: OPS.decode_keypoints(maps, places), heat, (9, 1, 0)),
    "farthest_points": (lambda cloud: OPS.farthest_points(cloud, 12, 0), lambda count: (some(count, 50, 3),), (3, 1)),
    "ball_query": (
        lambda cloud, centres: OPS.ball_query(cloud, centres, 0.7, 16),
        lambda count: (some(count, 50, 3), some(count, 7, 3)),
        (2,),
    ),
    "nearest_points": (
        lambda cloud, centres: OPS.nearest_points(cloud, centres, 5),
        lambda count: (some(count, 50, 3), some(count, 7, 3)),
        (2,),
    ),
    "nearest_points of features": (
        lambda cloud, centres: OPS.nearest_points(cloud, centres, 5),
        lambda count: (some(count, 50, 9), some(count, 7, 9)),
        (2,),
    ),
    "sort of groups": (lambda groups: groups.argsort(stable=True), lambda count: (numbers(count, 3),), (600, 40, 1)),
}
"""The call, its tensors for a number of rows, and the numbers of rows."""
FIXED = {"roi_align": 2, "roi_align, aligned": 2}
"""How many of the first tensors keep their length."""


DIFFER = {"farthest_points"}
"""What OpenVINO does not reproduce; a network with it is refused."""

Runner = Callable[[list[Any]], Sequence[Any]]


def written(name: str, path: Path) -> None:
    """The ONNX file of an operator, for any number of rows."""
    from visus.export.formats import Wanted, write_onnx

    function, make, _ = CASES[name]
    given, fixed = make(5), FIXED.get(name, 0)
    rows = torch.export.Dim("rows", min=0)
    shapes = tuple({} if place < fixed else {0: rows} for place in range(len(given)))
    program = torch.export.export(Call(function), given, dynamic_shapes=(shapes,))
    inputs = [f"given_{place}" for place in range(len(given))]
    outputs = [f"out_{place}" for place in range(len(several(function(*given))))]
    write_onnx(program, path, Wanted(inputs, outputs, "float32"))


def several(found: Any) -> tuple[Any, ...]:
    return found if isinstance(found, tuple) else (found,)


def require_same(name: str, run: Runner) -> None:
    function, make, counts = CASES[name]
    for count in counts:
        given = make(count)
        got = run([one.numpy() for one in given])
        for one, other in zip(several(function(*given)), got, strict=True):
            torch.testing.assert_close(torch.from_numpy(other), one, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("name", CASES)
def test_onnx_runtime_gives_what_pytorch_gives(name: str, tmp_path: Path) -> None:
    import onnxruntime

    written(name, tmp_path / "one.onnx")
    session = onnxruntime.InferenceSession(str(tmp_path / "one.onnx"))
    names = [one.name for one in session.get_inputs()]
    require_same(name, lambda given: session.run(None, dict(zip(names, given, strict=True))))


@pytest.mark.skipif(not importlib.util.find_spec("openvino"), reason="the extra openvino is not installed")
@pytest.mark.parametrize("name", sorted(CASES.keys() - DIFFER))
def test_openvino_gives_what_pytorch_gives(name: str, tmp_path: Path) -> None:
    """Groups above all: OpenVINO's own sorting does not keep the order of equal numbers."""
    openvino: Any = pytest.importorskip("openvino")
    written(name, tmp_path / "one.onnx")
    core, hints = openvino.Core(), {"INFERENCE_PRECISION_HINT": "f32"}
    compiled = core.compile_model(core.read_model(tmp_path / "one.onnx"), "CPU", hints)
    require_same(name, lambda given: [found.copy() for found in compiled(given).values()])
