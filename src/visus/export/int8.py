"""Convolutions of OpenVINO's files in 8 bits, by NNCF: which ones, and the ranges of their maps.

As in `visus.nn.fused.int8`, the first layer, narrow layers, linear and transposed layers and the last layer of each
branch stay in float32, and so does all that is no part of a network's layers: resizing, coordinates, suppression and
masks. NNCF is told to leave those alone, and calibrates the rest with images.
"""

from __future__ import annotations

import io
import logging
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, redirect_stdout
from types import ModuleType
from typing import Any, Final

from jaxtyping import Shaped
from torch import Tensor

from visus.errors import VisusError
from visus.nn.fused.int8 import FEWEST_CHANNELS
from visus.predict.exported import needed

_ROUNDED: Final = ("Convolution", "GroupConvolution")
_LAYERS: Final = (*_ROUNDED, "ConvolutionBackpropData", "GroupConvolutionBackpropData", "MatMul")
_BETWEEN: Final = (
    *("Add", "Multiply", "Divide", "Concat", "Interpolate", "Pad", "Reshape", "ReduceMean"),
    *("Relu", "Clamp", "Elu", "HSigmoid", "HSwish", "PRelu", "Sigmoid", "Swish"),
    *("AvgPool", "BatchNormInference", "MaxPool", "ROIAlign"),
)
"""What may stand between a layer and the next one; anything else is behind the last."""


def quantised(model: Any, batches: Sequence[Sequence[Shaped[Tensor, " ..."]]]) -> Any:
    """A model of OpenVINO's with convolutions in 8 bits.

    Args:
        model: as it was read, in float32.
        batches: what the ranges of maps come from: the inputs of the model in their order.

    Raises:
        VisusError: NNCF is not installed, or no layer of this network can be rounded.
    """
    nncf = nncf_module()
    simplified(model)
    rounded, between = layers_to_round(model)
    if not rounded:
        raise VisusError("int8 changes nothing: no convolution of this network is one that can be rounded")
    kept = [node.get_friendly_name() for node in model.get_ops() if _is_step(node)]
    kept = [name for name in kept if name not in rounded and name not in between]
    names = [one.get_any_name() for one in model.inputs]
    given = [{name: one.numpy() for name, one in zip(names, batch, strict=True)} for batch in batches]
    with _quiet():
        return nncf.quantize(
            model,
            nncf.Dataset(given),
            preset=nncf.QuantizationPreset.MIXED,
            subset_size=len(given),
            ignored_scope=nncf.IgnoredScope(names=kept, validate=False),
        )


def simplified(model: Any) -> None:
    """Computes in place what follows from constants alone, by which activations become single steps.

    It is what OpenVINO does first with any model that it runs; layers and what follows them are found behind it.
    """
    transformations: Any = needed("openvino._offline_transformations", "openvino")
    transformations.apply_moc_transformations(model, cf=True)


def layers_to_round(model: Any) -> tuple[set[str], set[str]]:
    """The names of the convolutions that are rounded, and of the steps between them and the next layers.

    Args:
        model: of OpenVINO's.
    """
    rounded, between = set(), set()
    for node in model.get_ops():
        if node.get_type_name() not in _ROUNDED or not _is_wide(node):
            continue
        steps, followed = _behind(node)
        if followed:
            rounded.add(node.get_friendly_name())
            between |= steps
    return rounded, between


def nncf_module() -> ModuleType:
    """NNCF without what it reports of its use to others: it never gets to import that package.

    Raises:
        VisusError: it is not installed.
    """
    if "nncf" in sys.modules:
        return sys.modules["nncf"]
    reporting = "openvino_telemetry"
    before = sys.modules.get(reporting)
    sys.modules[reporting] = None  # type: ignore[assignment]  # an import of it fails from here on
    try:
        return needed("nncf", "openvino")
    finally:
        del sys.modules[reporting]
        if before is not None:
            sys.modules[reporting] = before


def _is_step(node: Any) -> bool:
    return node.get_type_name() not in ("Constant", "Parameter", "Result")


def _is_wide(node: Any) -> bool:
    """Whether a convolution has enough channels; each group of a depthwise one has weights of its own."""
    weights = node.input(1).get_partial_shape()
    sides = [weights[axis].get_length() if weights[axis].is_static else 0 for axis in range(weights.rank.get_length())]
    if node.get_type_name() == "GroupConvolution":
        return sides[0] >= FEWEST_CHANNELS
    return min(sides[:2]) >= FEWEST_CHANNELS


def _behind(node: Any) -> tuple[set[str], bool]:
    """The steps that read a layer up to the next layers, and whether there is a next one."""
    steps, followed, waiting = set(), False, [node]
    while waiting:
        for output in waiting.pop().outputs():
            for reader in (target.get_node() for target in output.get_target_inputs()):
                name, kind = reader.get_friendly_name(), reader.get_type_name()
                if kind in _LAYERS and _has_weights(reader):
                    followed = True
                elif kind in _BETWEEN and name not in steps:
                    steps.add(name)
                    waiting.append(reader)
    return steps, followed


def _has_weights(layer: Any) -> bool:
    """Whether a layer multiplies by weights of the network, and not by what was computed, as resizing does."""
    return any(layer.input_value(place).get_node().get_type_name() == "Constant" for place in range(2))


@contextmanager
def _quiet() -> Iterator[None]:
    """Without the bars and remarks of NNCF."""
    disabled = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with redirect_stdout(io.StringIO()):
            yield
    finally:
        logging.disable(disabled)
