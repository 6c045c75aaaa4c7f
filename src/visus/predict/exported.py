"""Exported files as models: what lies beside one says how it is fed and read, and its own run time runs it.

`Exported` has the verbs of every other model, so that `visus.load("model.onnx")` gives a `Predictor` like any other,
with the same results, drawings and JSON. ``visus export`` writes these files; see `visus.export`.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any, Final, Literal

import torch
from jaxtyping import Shaped
from torch import Tensor, nn

from visus.clouds import PointBatch, ViewBatch, VoxelBatch
from visus.dataclass_json import WrongKindError, from_json
from visus.errors import VisusError
from visus.nn.points.transform import PointTransform, ViewTransform, VoxelTransform
from visus.ops.padding import check_image
from visus.types import (
    ClassPrediction,
    EmbeddingPrediction,
    ImageBatch,
    InstancePrediction,
    Schema,
    SemanticPrediction,
    row,
)

InputKind = Literal["images", "points", "voxels", "views"]
Arrays = list[Shaped[Tensor, " ..."]]
Runner = Callable[[Arrays], Arrays]
"""Runs a file: from its inputs to its outputs, each in their order."""


class ExportedFileError(VisusError):
    """An exported file cannot be used; the message says what to do."""


@dataclass(frozen=True)
class Given:
    """What goes into an exported file.

    Args:
        name: of the input.
        kind: what it holds.
        dtype: of its numbers.
        shape: its axes; those with a name may have any length.
        settings: numbers that make the input of a shape in three dimensions.
        size: the only rows and columns of images that the file takes; None for any.
    """

    name: str
    kind: InputKind
    dtype: str
    shape: tuple[str | int, ...]
    settings: dict[str, int]
    size: tuple[int, int] | None = None


@dataclass(frozen=True)
class Accuracy:
    """A headline of the run's validation data, with the network and with the file.

    Args:
        metric: the name of the headline.
        network: with the network in float32.
        file: with the file.
        images: how many were looked at.
    """

    metric: str
    network: float
    file: float
    images: int


@dataclass(frozen=True)
class Told:
    """What lies beside an exported file as JSON.

    Args:
        file: the name of the exported file.
        format: that of the file: ``onnx``, ``torch-export`` or ``openvino``.
        precision: of its numbers.
        model: the name of the network in visus.
        kind: what its outputs become: ``objects``, ``pixels``, ``classes`` or ``embedding``.
        input: what goes in first.
        thresholds: further inputs, each one number, and the value that the network has by itself.
        outputs: what each output holds, by its name, in their order.
        outside: what is left to do before and behind the file.
        schema: what its labels mean.
        threshold: the least score of an object that is worth showing.
        licence: what is known of the licence of the weights.
        versions: of what wrote the file.
        largest_differences: between the file and the network, as they were compared before it was written.
        accuracy: of a file in fewer bits, a row for each headline; empty where it was not measured.
        calibration: what the ranges of a file of 8 bits come from.
    """

    file: str
    format: str
    precision: str
    model: str
    kind: str
    input: Given
    thresholds: dict[str, float]
    outputs: dict[str, str]
    outside: tuple[str, ...]
    schema: Schema
    threshold: float
    licence: str
    versions: dict[str, str]
    largest_differences: dict[str, float] = field(default_factory=dict)
    accuracy: tuple[Accuracy, ...] = ()
    calibration: str = ""


def beside(path: Path) -> Path:
    """The JSON that tells of an exported file."""
    return path.with_name(f"{path.name}.json")


def told(path: Path) -> Told:
    """What the JSON beside an exported file says.

    Raises:
        ExportedFileError: there is none, or it is none of ours.
    """
    place = beside(path)
    if not place.is_file():
        raise ExportedFileError(
            f"{path}: no {place.name} beside it, which says how it is used; visus export writes both"
        )
    try:
        return from_json(Told, place.read_text(encoding="utf-8"), what=place.name)
    except (WrongKindError, UnicodeDecodeError) as error:
        raise ExportedFileError(f"{place}: {error}") from error


class Exported(nn.Module):
    """A `visus.nn.model.Model` that an exported file computes.

    Args:
        about: what the JSON beside the file says.
        run: runs the file.
    """

    channels_last = False
    adapts = False

    def __init__(self, about: Told, run: Runner) -> None:
        super().__init__()
        self.about, self.run = about, run
        self.transform: Any = _TRANSFORMS[about.input.kind](about.input)

    def forward(self, inputs: Any, targets: Sequence[Any] | None = None) -> dict[str, Shaped[Tensor, " ..."]]:
        """The outputs of the file by their names."""
        given = row(TENSORS, inputs, "an exported file")(inputs)
        least = [torch.tensor(value, dtype=torch.float32) for value in self.about.thresholds.values()]
        return dict(zip(self.about.outputs, self.run([given, *least]), strict=True))

    def postprocess(self, outputs: Mapping[str, Shaped[Tensor, " ..."]], sizes: Sequence[tuple[int, ...]]) -> list[Any]:
        """The predictions, one for each input."""
        return _READ[self.about.kind](outputs, sizes)


class AsTheyAre:
    """Images of one size in one tensor: an exported file resizes them itself.

    Args:
        given: what the file takes.
    """

    one_frame = False

    def __init__(self, given: Given) -> None:
        self.size = given.size

    def batch(self, images: Sequence[Shaped[Tensor, " ..."]]) -> ImageBatch:
        """The images as a batch.

        Raises:
            ValueError: one is no image, or not of the size of the others or of the file.
        """
        for image in images:
            check_image(image)
            size = (int(image.shape[1]), int(image.shape[2]))
            if self.size is not None and size != self.size:
                raise ValueError(
                    f"this file takes images of {self.size[0]} x {self.size[1]}, not {size[0]} x {size[1]}"
                )
        sizes = torch.tensor([image.shape[-2:] for image in images])
        return ImageBatch(torch.stack(list(images)), sizes)

    def frame(self, size: tuple[int, ...]) -> tuple[int, ...]:
        """The size itself: images of one size go together."""
        return size


_TRANSFORMS: dict[str, Callable[[Given], Any]] = {
    "images": AsTheyAre,
    "points": lambda given: PointTransform(points=given.settings["points"]),
    "voxels": lambda given: VoxelTransform(size=given.settings["size"], fit=given.settings["fit"]),
    "views": lambda given: ViewTransform(
        views=given.settings["views"], size=given.settings["size"], mean=(0, 0, 0), std=(1, 1, 1)
    ),
}


def tensor_of(given: Given, content: Any) -> Shaped[Tensor, "b ..."]:
    """One image or shape as the first input of a file."""
    batch = _TRANSFORMS[given.kind](given).batch([content])
    return row(TENSORS, batch, "an exported file")(batch)


TENSORS: dict[type, Callable[[Any], Tensor]] = {
    ImageBatch: lambda batch: batch.pixels,
    PointBatch: lambda batch: batch.points,
    VoxelBatch: lambda batch: batch.voxels,
    ViewBatch: lambda batch: batch.views,
}
"""The one tensor of each kind of inputs that goes into a file."""


def _objects(outputs: Mapping[str, Tensor], sizes: Sequence[tuple[int, ...]]) -> list[InstancePrediction]:
    found = []
    for image, (height, width) in enumerate(sizes):
        mine = outputs["image_index"] == image
        masks, points, marks = (outputs.get(name) for name in ("masks", "keypoints", "keypoint_scores"))
        found.append(
            InstancePrediction(
                outputs["boxes"][mine],
                outputs["labels"][mine],
                outputs["scores"][mine],
                (height, width),
                None if masks is None else masks[mine],
                None if points is None else points[mine],
                None if marks is None else marks[mine],
            )
        )
    return found


def _pixels(outputs: Mapping[str, Tensor], sizes: Sequence[tuple[int, ...]]) -> list[SemanticPrediction]:
    rows = zip(outputs["labels"], outputs["scores"], sizes, strict=True)
    return [SemanticPrediction(labels, scores, (h, w)) for labels, scores, (h, w) in rows]


def _classes(outputs: Mapping[str, Tensor], sizes: Sequence[tuple[int, ...]]) -> list[ClassPrediction]:
    boxes: Sequence[Tensor | None] = [*outputs["boxes"]] if "boxes" in outputs else [None] * len(sizes)
    rows = zip(outputs["labels"], outputs["scores"], sizes, boxes, strict=True)
    return [ClassPrediction(labels, scores, tuple(size), box) for labels, scores, size, box in rows]


def _embeddings(outputs: Mapping[str, Tensor], sizes: Sequence[tuple[int, ...]]) -> list[EmbeddingPrediction]:
    return [EmbeddingPrediction(one, (h, w)) for one, (h, w) in zip(outputs["embeddings"], sizes, strict=True)]


_READ: dict[str, Callable[[Mapping[str, Tensor], Sequence[tuple[int, ...]]], list[Any]]] = {
    "objects": _objects,
    "pixels": _pixels,
    "classes": _classes,
    "embedding": _embeddings,
}
"""What the outputs of a file become."""


def needed(module: str, extra: str) -> ModuleType:
    """A module of an optional package.

    Raises:
        ExportedFileError: it is not installed; the message has the line that installs it.
    """
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        raise ExportedFileError(
            f"{error.name or module} is not installed; pip install 'visus[{extra}]' installs what {extra} needs"
        ) from error


def _onnx(path: Path, precision: str) -> Runner:
    """A file for ONNX Runtime."""
    runtime: Any = needed("onnxruntime", "onnx")
    options = runtime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    options.log_severity_level = 3
    session = runtime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    names = [one.name for one in session.get_inputs()]

    def run(given: Arrays) -> Arrays:
        fed = {name: one.numpy() for name, one in zip(names, given, strict=True)}
        return [torch.from_numpy(one) for one in session.run(None, fed)]

    return run


def _torch(path: Path, precision: str) -> Runner:
    """A file of torch.export's, whose operators for boxes and points are those of visus."""
    import visus.ops  # noqa: F401  registers them

    module = torch.export.load(path).module()
    return lambda given: list(module(*given))


def _openvino(path: Path, precision: str) -> Runner:
    """A file for OpenVINO."""
    openvino: Any = needed("openvino", "openvino")
    hints = {
        "INFERENCE_PRECISION_HINT": "bf16" if precision == "bf16" else "f32",
        "INFERENCE_NUM_THREADS": torch.get_num_threads(),
    }
    compiled = openvino.Core().compile_model(openvino.Core().read_model(path), "CPU", hints)

    def run(given: Arrays) -> Arrays:
        answer = compiled([one.numpy() for one in given])
        return [torch.from_numpy(answer[place].copy()) for place in range(len(compiled.outputs))]

    return run


RUNTIMES: Final[dict[str, Callable[[Path, str], Runner]]] = {".onnx": _onnx, ".pt2": _torch, ".xml": _openvino}
"""What runs a file, by its ending."""


def is_exported(name: str | Path) -> bool:
    """Whether a name is that of a file that ``visus export`` may have written."""
    path = Path(name).expanduser()
    return path.suffix in RUNTIMES and path.is_file()


def load_exported(path: Path) -> Exported:
    """The model that an exported file is.

    Raises:
        ExportedFileError: there is nothing beside it that tells of it, its run time is not installed or refuses it.
    """
    about = told(path)
    with _blamed(path, f"{about.format}'s run time cannot read this file"):
        run = RUNTIMES[path.suffix](path, about.precision)

    def checked(given: Arrays) -> Arrays:
        with _blamed(path, f"{about.format}'s run time fails on this file"):
            found = run(given)
        if len(found) != len(about.outputs):
            raise ExportedFileError(f"{path}: has {len(found)} outputs, and {len(about.outputs)} are told of beside it")
        return found

    return Exported(about, checked)


@contextmanager
def _blamed(path: Path, what: str) -> Iterator[None]:
    """Whatever a run time raises, as one line that names the file."""
    try:
        yield
    except VisusError:
        raise
    except Exception as error:
        first = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise ExportedFileError(f"{path}: {what}: {first}") from error
