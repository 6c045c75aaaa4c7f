"""OpenVINO's files of 8 bits: which layers are rounded, that NNCF rounds those, and that it reports nothing."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from typing import Any

import numpy as np
import pytest
import torch

from visus.errors import VisusError
from visus.export.int8 import layers_to_round, nncf_module, quantised

pytestmark = pytest.mark.skipif(
    not all(importlib.util.find_spec(name) for name in ("openvino", "nncf")),
    reason="the extra openvino is not installed",
)


def layer(source: Any, outputs: int, name: str) -> Any:
    """A convolution of a kernel of 3 x 3."""
    from openvino import opset13 as op

    inputs = source.get_output_partial_shape(0)[1].get_length()
    weights = np.random.default_rng(outputs).standard_normal((outputs, inputs, 3, 3), np.float32) / (3 * inputs**0.5)
    return op.convolution(source, weights, [1, 1], [1, 1], [1, 1], [1, 1], name=name)


def network(*, narrow: int = 3) -> Any:
    """Four layers, whose second and third are wide and followed by others; then a product with what was computed."""
    import openvino
    from openvino import opset13 as op

    image = op.parameter([-1, narrow, 24, 24], np.float32, name="image")
    first = op.relu(layer(image, 32, "first"))
    second = op.clamp(layer(first, 32, "second"), 0.0, 6.0)
    third = op.relu(op.add(layer(second, 32, "third"), first))
    last = layer(third, 20, "last")
    enlarged = op.matmul(last, op.softmax(last, 3), False, True, name="computed")
    image.output(0).set_names({"image"})
    return openvino.Model([enlarged], [image], "network")


def test_the_first_and_the_last_layer_stay() -> None:
    rounded, between = layers_to_round(network())
    assert rounded == {"second", "third"}
    assert len(between) == 3


def test_layers_between_are_rounded_and_give_nearly_the_same() -> None:
    import openvino

    model = network()
    images = [torch.rand(1, 3, 24, 24, generator=torch.Generator().manual_seed(seed)) for seed in range(4)]
    before = openvino.Core().compile_model(model.clone(), "CPU")(images[0].numpy())[0]
    made = quantised(model, [[image] for image in images])
    behind = openvino.Core().compile_model(made, "CPU")(images[0].numpy())[0]
    rounded = {
        reader.get_node().get_friendly_name()
        for node in made.get_ops()
        if node.get_type_name() == "FakeQuantize"
        for reader in node.output(0).get_target_inputs()
    }
    assert {name.partition("/")[0] for name in rounded} >= {"second", "third"}
    assert not {name.partition("/")[0] for name in rounded} & {"first", "last", "computed"}
    assert 0 < np.abs(before - behind).max() < 0.1 * np.abs(before).max()


def test_a_network_without_such_layers_is_refused() -> None:
    import openvino
    from openvino import opset13 as op

    image = op.parameter([1, 3, 24, 24], np.float32, name="image")
    with pytest.raises(VisusError, match="int8 changes nothing"):
        quantised(openvino.Model([layer(image, 32, "only")], [image], "one"), [])


def test_nothing_is_reported() -> None:
    """In a process of its own, as NNCF reports nothing where pytest is imported anyway."""
    program = (
        "import sys; from visus.export.int8 import nncf_module; nncf_module(); "
        "from nncf.telemetry.wrapper import telemetry; "
        "print(type(telemetry).__name__, 'openvino_telemetry' in sys.modules)"
    )
    said = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert said.stdout.split() == ["MagicMock", "False"]
    assert nncf_module() is sys.modules["nncf"]
