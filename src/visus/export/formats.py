"""The formats that a network is written in: ONNX, torch.export's own, and OpenVINO's, which is made of ONNX's."""

from __future__ import annotations

import contextlib
import importlib.metadata
import logging
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Shaped
from torch import Tensor

from visus.predict.exported import needed

Program = torch.export.ExportedProgram


@dataclass(frozen=True)
class Wanted:
    """How a graph is written.

    Args:
        inputs: their names.
        outputs: their names.
        precision: one that the format has.
        batches: inputs that a file of 8 bits is calibrated with.
    """

    inputs: Sequence[str]
    outputs: Sequence[str]
    precision: str
    batches: Sequence[Sequence[Shaped[Tensor, " ..."]]] = ()


@dataclass(frozen=True)
class Format:
    """A format.

    Args:
        suffix: of its files.
        packages: whose versions are written down.
        extra: of visus, which installs them.
        modules: that have to be there, before anything is computed.
        precisions: that it can have, the usual one first.
        write: makes the file of a graph.
    """

    suffix: str
    packages: tuple[str, ...]
    extra: str
    modules: tuple[str, ...]
    precisions: tuple[str, ...]
    write: Callable[[Program, Path, Wanted], None]

    def versions(self) -> dict[str, str]:
        """Of what writes and runs such files."""
        return {name: importlib.metadata.version(name) for name in self.packages}


def write_onnx(program: Program, path: Path, wanted: Wanted) -> None:
    """An ONNX file, its weights inside where they are below 2 GB."""
    from visus.export.onnx_operators import translations

    with _quiet():
        written = torch.onnx.export(
            program,
            dynamo=True,
            optimize=False,
            verbose=False,
            input_names=list(wanted.inputs),
            output_names=list(wanted.outputs),
            custom_translation_table=translations(),
        )
        assert written is not None
        written.save(str(path))


def write_torch(program: Program, path: Path, wanted: Wanted) -> None:
    """A file of torch.export's."""
    torch.export.save(program, path)


def write_openvino(program: Program, path: Path, wanted: Wanted) -> None:
    """OpenVINO's two files, made of an ONNX file that does not stay."""
    between = path.with_suffix(".onnx")
    write_onnx(program, between, wanted)
    onnx_to_openvino(between, path, wanted)
    for file in (between, between.with_suffix(".onnx.data")):
        file.unlink(missing_ok=True)


def onnx_to_openvino(source: Path, path: Path, wanted: Wanted) -> None:
    """OpenVINO's two files, read from an ONNX file.

    ``convert_model`` is not used: it is the part of OpenVINO that can report its use to others.
    """
    openvino: Any = needed("openvino", "openvino")
    model = openvino.Core().read_model(source)
    if wanted.precision == "int8":
        from visus.export.int8 import quantised

        model = quantised(model, wanted.batches)
    openvino.save_model(model, str(path), compress_to_fp16=wanted.precision in ("float16", "bf16"))


FORMATS: dict[str, Format] = {
    "onnx": Format(
        ".onnx",
        ("onnx", "onnxscript", "onnxruntime"),
        "onnx",
        ("onnx", "onnxscript", "onnxruntime"),
        ("float32",),
        write_onnx,
    ),
    "torch-export": Format(".pt2", ("torch",), "", (), ("float32",), write_torch),
    "openvino": Format(
        ".xml",
        ("openvino", "onnx"),
        "openvino",
        ("onnx", "onnxscript", "openvino"),
        ("float32", "float16", "bf16", "int8"),
        write_openvino,
    ),
}
"""By the word that ``--to`` takes."""


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Without the remarks of exporters on packages that are not there and on what they will change some day."""
    disabled = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(disabled)
