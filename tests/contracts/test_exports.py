"""Every network is exported as its kind is, or its problem says why not; each kind gives what it gives."""

from __future__ import annotations

import importlib.util
import inspect
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jaxtyping
import pytest
import torch

from contracts.fakes import learnable, model_of, quick_model, small_options
from tiny_backbone import TinyBackbone
from visus import catalog
from visus.export.graphs import graph_of
from visus.export.networks import REFUSED, WRAPPERS
from visus.export.parity import compare
from visus.export.written import file_of, input_of
from visus.predict.exported import load_exported
from visus.types import Schema

MODELS = {
    "ImageClassifier": "classifier_lite0",
    "TaughtClassifier": "taught_lite0",
    "Segmenter": "deeplabv3_lite0",
    "SSD": "ssd_lite0",
    "FCOS": "fcos_lite0_fpn",
    "FasterRCNN": "fasterrcnn_lite0_fpn",
    "MaskRCNN": "maskrcnn_lite0_fpn",
    "Descriptor": "descriptor_lite0",
    "HDC": "hdc_lite0",
    "ABIER": "abier_lite0",
    "ABE": "abe2_lite0",
    "ShapeClassifier": "pointnet2_ssg",
}
"""A small model of each kind of network."""
MORE = ("fcn_lite0", "segnet_lite0", "pointnet", "dgcnn", "voxnet", "mvcnn_lite0")
QUICK = ("classifier_lite0", "voxnet")
"""The kinds that are exported in every run of the tests; the others take minutes."""
HAS_ONNX = all(importlib.util.find_spec(name) for name in ("onnx", "onnxscript", "onnxruntime"))
needs_onnx = pytest.mark.skipif(not HAS_ONNX, reason="the extra onnx is not installed")


@pytest.fixture(autouse=True)
def _shapes_unchecked() -> Iterator[None]:
    """In a graph sizes are symbols, of which the checks of shapes would make numbers."""
    before = jaxtyping.config.jaxtyping_disable
    jaxtyping.config.update("jaxtyping_disable", True)
    yield
    jaxtyping.config.update("jaxtyping_disable", before)


@pytest.mark.parametrize("problem", sorted(catalog.PROBLEMS))
def test_every_architecture_is_exported_or_refused_with_a_reason(problem: str) -> None:
    for architecture in catalog.PROBLEMS[problem].architectures:
        kind = type(model_of(quick_model(architecture)))
        assert (kind in WRAPPERS) != (problem in REFUSED), (problem, kind)


def test_every_kind_has_an_example() -> None:
    assert {kind.__name__ for kind in WRAPPERS} - {"Voting"} == MODELS.keys()


def small(name: str, schema: Schema) -> Any:
    """The network on a backbone of four convolutions, where it takes one."""
    torch.manual_seed(0)
    takes = "body" in inspect.signature(catalog.MODELS[name]).parameters
    body = TinyBackbone() if takes else None
    return catalog.build_model(name, schema, small_options(name), body=body).eval()


def exported(name: str, to: str, folder: Path) -> tuple[Any, Any]:
    schema = learnable(catalog.problem_of(name).name).schema
    model = small(name, schema)
    wrapper: Any = WRAPPERS[type(model)](model)
    path = file_of(model, wrapper, schema, name, folder, to)
    return model, load_exported(path)


def slow_but(names: tuple[str, ...]) -> list[Any]:
    everything = (*MODELS.values(), *MORE)
    return [pytest.param(name, marks=() if name in names else pytest.mark.slow) for name in everything]


@pytest.mark.parametrize("name", slow_but(QUICK))
def test_a_file_of_torch_gives_what_the_network_gives(name: str, tmp_path: Path) -> None:
    model, file = exported(name, "torch-export", tmp_path)
    compared = compare(model, file)
    assert [(one.case, one.failed, one.differences) for one in compared if one.failed] == []
    if file.about.kind == "objects":
        found = [one.found for one in compared]
        assert 0 in found
        assert max(one or 0 for one in found) >= 20


@needs_onnx
@pytest.mark.parametrize("name", slow_but(("voxnet",)))
def test_a_file_of_onnx_gives_what_the_network_gives(name: str, tmp_path: Path) -> None:
    model, file = exported(name, "onnx", tmp_path)
    assert [(one.case, one.failed, one.differences) for one in compare(model, file) if one.failed] == []


@pytest.mark.slow
@pytest.mark.skipif(not importlib.util.find_spec("openvino") or not HAS_ONNX, reason="the extra openvino is missing")
@pytest.mark.parametrize("name", ["classifier_lite0", "deeplabv3_lite0", "ssd_lite0", "fasterrcnn_lite0_fpn"])
def test_a_file_of_openvino_gives_what_the_network_gives(name: str, tmp_path: Path) -> None:
    model, file = exported(name, "openvino", tmp_path)
    assert [(one.case, one.failed, one.differences) for one in compare(model, file) if one.failed] == []


def test_a_graph_holds_no_norm_and_no_size() -> None:
    """Constants are folded: no square root of a variance is left; and batch, height and width are free."""
    model = model_of("classifier_lite0").eval()
    wrapper = WRAPPERS[type(model)](model)
    _, example, free = input_of(model)
    program = graph_of(wrapper, example, free=free)
    targets = [str(node.target) for node in program.graph.nodes]
    assert not any("rsqrt" in target for target in targets)
    assert any("conv2d" in target for target in targets)
    for batch, height, width in ((1, 40, 90), (3, 130, 33)):
        images = example[0][:1, :, :1, :1].expand(batch, 3, height, width).contiguous()
        assert program.module()(images)[0].shape[0] == batch
