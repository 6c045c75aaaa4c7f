"""A trained model as a file for another run time, which is compared with the model before anybody gets it."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median
from typing import Any

import torch
from jaxtyping import Float, Shaped
from torch import Tensor, nn

from visus import __version__, catalog
from visus.dataclass_json import to_json
from visus.errors import VisusError
from visus.export.accuracy import Measured, accuracy, calibration
from visus.export.formats import FORMATS, Format, Wanted
from visus.export.graphs import graph_of
from visus.export.int8 import nncf_module
from visus.export.networks import REFUSED, WRAPPERS
from visus.export.parity import Compared, a_shape, an_image, compare
from visus.names import find
from visus.nn.model import predict_batch
from visus.nn.points.transform import PointTransform, ViewTransform, VoxelTransform
from visus.nn.published import PUBLISHED
from visus.predict.exported import Given, Told, beside, is_exported, load_exported, needed, tensor_of
from visus.predict.predictor import threshold_of
from visus.predict.result import SHOWN_SCORE
from visus.predict.stored import StoredWeights, find_weights
from visus.runs.precision import Loss
from visus.training.run import RunFolder, is_run
from visus.types import Schema
from visus.whole_file import full_disk

EXACT = "float32"
"""The precision that has to give what the network gives; of others the difference is measured."""
_REPEATS = 5


class ExportError(VisusError):
    """A model that cannot be exported; the message says why."""


@dataclass(frozen=True)
class Export:
    """What was written, and how near it is to the model.

    Args:
        path: the file; what tells of it lies beside it.
        about: what that says.
        compared: with the model, case by case.
        losses: of the headlines of the validation data, of a file in fewer bits that was measured.
        unmeasured: why such a file was not measured; empty where it was.
        seconds: that one image takes with the model and with the file; empty where nobody asked.
        megabytes: of the file.
    """

    path: Path
    about: Told
    compared: tuple[Compared, ...]
    losses: tuple[Loss, ...]
    unmeasured: str
    seconds: dict[str, float]
    megabytes: float


def export(
    run: str | Path,
    *,
    to: str = "onnx",
    out: str | Path | None = None,
    precision: str = EXACT,
    measure: int = 100,
    times: bool = True,
    images: str | Path | None = None,
    force: bool = False,
) -> Export:
    """Writes a trained model as a file for another run time, with a JSON beside it that tells how it is used.

    Args:
        run: a run folder, a file of weights that visus wrote, or published weights by name.
        to: ``onnx``, ``torch-export`` or ``openvino``.
        out: the file; ``model`` with the format's ending in the run folder, or the name of the weights, when None.
        precision: of OpenVINO's files: ``float32``, ``float16`` or ``bf16`` (weights of 16 bits, which are computed in
            float32 and in bfloat16), or ``int8`` (convolutions in 8 bits).
        measure: so many images of the run's validation data are looked at, at most, where it can be opened and the
            precision is not float32.
        times: measure how long one image takes.
        images: what ``int8`` is calibrated with, up to `visus.predict.faster.CALIBRATION_IMAGES`: a file, a folder or a
            pattern; the run's training data when None.
        force: take a file in fewer bits that loses more than half a point of a headline, too, and one of 8 bits whose
            loss cannot be measured.

    Raises:
        ExportError: the model cannot be exported, the file exists, it does not give what the model gives, or it loses
            too much; then nothing is written.
        VisusError: there is no such model or format, or a package is missing.
    """
    path = _place(run, _able(to, precision), precision, out)
    stored = find_weights(run)
    model, wrapper = _wrapped(stored, run)
    about = replace(
        about_of(model, wrapper, stored.schema, stored.model, to, precision),
        file=path.name,
        threshold=threshold_of(run),
        licence=_licence(run),
    )
    calibrating, about = _calibrated(about, run, images)
    with _beside(path) as folder:
        part = folder / path.name
        _write(model, wrapper, about, part, calibrating)
        exported = load_exported(part)
        compared = compare(model, exported)
        if precision == EXACT:
            _refuse_differences(compared, path)
        measured = Measured() if precision == EXACT else accuracy(stored, run, model, exported, measure)
        if not force:
            _refuse_loss(measured, precision)
        about = replace(about, largest_differences=largest(compared), accuracy=measured.rows)
        beside(part).write_text(to_json(about, indent=2), encoding="utf-8")
        seconds = seconds_of({"visus": model, to: exported}, images=about.input.kind == "images") if times else {}
        size = sum(file.stat().st_size for file in folder.iterdir()) / 2**20
        for file in sorted(folder.iterdir()):
            file.replace(path.parent / file.name)
    losses = tuple(measured.losses(precision))
    return Export(path, about, tuple(compared), losses, measured.why_not, seconds, size)


def _calibrated(about: Told, run: str | Path, images: str | Path | None) -> tuple[Sequence[Any], Told]:
    """What a file of 8 bits is calibrated with, and what is told of that; of other files nothing."""
    if about.precision != "int8":
        return (), about
    calibrating, said = calibration(run, images)
    versions = {**about.versions, "nncf": nncf_module().__version__}
    return calibrating, replace(about, calibration=said, versions=versions)


def _able(to: str, precision: str) -> Format:
    """The format, which has that precision and all that it needs.

    Raises:
        VisusError: it has not.
    """
    form = find(FORMATS, to, "format")
    if precision not in form.precisions:
        raise ExportError(f"{to} has no precision {precision!r}; it has {', '.join(form.precisions)}")
    for module in form.modules:
        needed(module, form.extra)
    if precision == "int8":
        nncf_module()
    return form


@contextmanager
def _beside(path: Path) -> Iterator[Path]:
    """A folder beside the place of a file, to write to; nothing stays of it, nor of an empty folder around it.

    Raises:
        DiskFullError: there is no room for what is written.
    """
    missing = [above for above in path.parents if not above.exists()]
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        with tempfile.TemporaryDirectory(prefix=".export-", dir=path.parent) as folder:
            try:
                yield Path(folder)
            except Exception as error:
                if (full := full_disk(error, path)) is not None:  # asked while the part takes its room
                    raise full from error
                raise
    finally:
        with suppress(OSError):  # the first that is not empty
            for above in missing:
                above.rmdir()


def _place(run: str | Path, form: Format, precision: str, out: str | Path | None) -> Path:
    """Where to write.

    Raises:
        ExportError: there is something already, or the ending is another format's.
    """
    if is_exported(run):
        raise ExportError(f"{run}: an exported file already; name the run that it was made of")
    folder = Path(run).expanduser()
    name = "model" if folder.exists() else str(run)
    usual = f"{name}{'' if precision == EXACT else f'-{precision}'}{form.suffix}"
    place = folder if folder.is_dir() else folder.parent if folder.is_file() else Path()
    path = place / usual if out is None else Path(out).expanduser()
    if path.is_dir():
        path = path / usual
    if path.suffix != form.suffix:
        raise ExportError(f"{path}: a file of this format ends in {form.suffix}")
    for taken in (path, beside(path), path.with_suffix(".bin")):
        if taken.exists():
            raise ExportError(f"{taken}: there is something of this name already; name another file with --out")
    return path


def _wrapped(stored: StoredWeights, run: str | Path) -> tuple[Any, Any]:
    """The network, and what exports it.

    Raises:
        ExportError: nothing does.
    """
    problem = catalog.problem_of(stored.model).name
    if problem in REFUSED:
        raise ExportError(f"{run}: {stored.model} cannot be exported: {REFUSED[problem]}")
    if stored.naming is not None:
        raise ExportError(
            f"{run}: a detector whose boxes were given names later cannot be exported; export its first run"
        )
    model: Any = stored.network().eval()
    wrapper = find({kind.__name__: make for kind, make in WRAPPERS.items()}, type(model).__name__, "exported network")
    return model, wrapper(model)


def input_of(model: Any) -> tuple[Given, list[Shaped[Tensor, "b ..."]], tuple[int, ...]]:
    """What goes in, an example of it, and its axes of any length."""
    transform = model.transform
    make = INPUTS.get(type(transform))
    if make is None:
        images = torch.stack([an_image((96, 128), seed) for seed in range(2)])
        shape = ("batch", 3, "height", "width")
        return Given("images", "images", "uint8", shape, {}), [images], (0, 2, 3)
    given: Given = make(transform)
    batch = transform.batch([a_shape(0), a_shape(1)])
    example = {"points": "points", "voxels": "voxels", "views": "views"}[given.kind]
    return given, [getattr(batch, example)], (0,)


INPUTS: dict[type, Callable[[Any], Given]] = {
    PointTransform: lambda one: Given("points", "points", "float32", ("batch", one.points, 3), {"points": one.points}),
    VoxelTransform: lambda one: Given(
        "voxels", "voxels", "bool", ("batch", one.size, one.size, one.size), {"size": one.size, "fit": one.fit}
    ),
    ViewTransform: lambda one: Given(
        "views",
        "views",
        "float32",
        ("batch", len(one.axes), one.size, one.size),
        {"views": len(one.axes), "size": one.size},
    ),
}
"""What a file for shapes takes, by the network's transform."""

_OUTSIDE: dict[str, str] = {
    "images": "decode the images to RGB, uint8 in 0..255, upright; images of one batch have one size",
    "points": "centre each cloud, scale it into the unit sphere, z up, and take so many of its points",
    "voxels": "set the cells that hold a point; the longest side of the shape takes 'fit' of 'size' cells",
    "views": "render the shape from around it, 30 degrees above the ground, shaded, 0..1 on black",
}
_OUTPUTS: dict[str, str] = {
    "boxes": "left, top, right, bottom in pixels of the image",
    "labels": "number in the schema's categories",
    "scores": "probability",
    "image_index": "number of the image in the batch",
    "masks": "whether each pixel of the image is of the object",
    "keypoints": "x, y in pixels of the image, and 1",
    "keypoint_scores": "logit of each keypoint",
    "embeddings": "one row for each image",
}


def about_of(model: Any, wrapper: Any, schema: Schema, name: str, to: str, precision: str) -> Told:
    """What will lie beside the file."""
    given, _, _ = input_of(model)
    return Told(
        file="",
        format=to,
        precision=precision,
        model=name,
        kind=wrapper.kind,
        input=given,
        thresholds=dict(wrapper.least),
        outputs={name: _OUTPUTS[name] for name in wrapper.outputs},
        outside=(_OUTSIDE[given.kind],),
        schema=schema,
        threshold=SHOWN_SCORE,
        licence="unknown",
        versions={"visus": __version__, "torch": torch.__version__, **FORMATS[to].versions()},
    )


def _write(model: Any, wrapper: Any, about: Told, path: Path, calibrating: Sequence[Any] = ()) -> None:
    """The file and what tells of it, as they come; one of 8 bits is calibrated with inputs."""
    FORMATS[about.format].write(program_of(model, wrapper, about), path, wanted_of(about, calibrating))
    beside(path).write_text(to_json(about, indent=2), encoding="utf-8")


def program_of(model: Any, wrapper: Any, about: Told) -> torch.export.ExportedProgram:
    """The graph of a network, as it is written in every format."""
    _, example, free = input_of(model)
    return graph_of(wrapper, [*example, *_least(about)], free=free)


def wanted_of(about: Told, calibrating: Sequence[Any] = ()) -> Wanted:
    """How the graph is written.

    Args:
        about: what will lie beside the file.
        calibrating: images or shapes for a file of 8 bits.
    """
    batches = [[tensor_of(about.input, one), *_least(about)] for one in calibrating]
    return Wanted([about.input.name, *about.thresholds], list(about.outputs), about.precision, batches)


def _least(about: Told) -> list[Float[Tensor, ""]]:
    return [torch.tensor(value) for value in about.thresholds.values()]


def file_of(model: nn.Module, wrapper: nn.Module, schema: Schema, name: str, folder: Path, to: str) -> Path:
    """A network as a file of a folder, which nothing was compared with yet.

    Args:
        model: the network.
        wrapper: what exports it, of `visus.export.networks.WRAPPERS`.
        schema: what its labels mean.
        name: of the network in visus.
        folder: where to.
        to: the format.
    """
    path = folder / f"model{FORMATS[to].suffix}"
    _write(model, wrapper, about_of(model, wrapper, schema, name, to, EXACT), path)
    return path


def _licence(run: str | Path) -> str:
    """What is known of the terms of the weights."""
    if str(run) in PUBLISHED:
        return PUBLISHED[str(run)].licence
    folder = Path(run).expanduser()
    if not is_run(folder):
        return "unknown"
    name = RunFolder(folder).recipe().data.dataset
    terms = catalog.DATASETS[name].licence if name in catalog.DATASETS else "unknown"
    return f"yours; trained on {name}, whose terms are: {terms}"


def largest(compared: Sequence[Compared]) -> dict[str, float]:
    """The largest difference of each kind over all cases."""
    names = {name for one in compared for name in one.differences}
    return {name: max(one.differences.get(name, 0.0) for one in compared) for name in sorted(names)}


def _refuse_differences(compared: Sequence[Compared], path: Path) -> None:
    for one in compared:
        if one.failed:
            words = ", ".join(f"{name} differ by {one.differences[name]:.3g}" for name in one.failed)
            raise ExportError(
                f"{path.name} does not give what the model gives ({one.case}: {words}); nothing is written"
            )


def _refuse_loss(measured: Measured, precision: str) -> None:
    """Refuses a file in fewer bits that loses more than half a point, and one of 8 bits that nobody measured."""
    for loss in measured.losses(precision):
        loss.refuse()
    if precision == "int8" and measured.why_not:
        raise ExportError(f"what int8 loses is not known ({measured.why_not}); --force takes it all the same")


def seconds_of(models: Mapping[str, nn.Module], *, images: bool) -> dict[str, float]:
    """Seconds that one input takes each model: medians of a few turns, after one that does not count.

    Args:
        models: by name.
        images: whether they look at images, which are then of 640 x 480 pixels.
    """
    given: Any = an_image((480, 640), 0) if images else a_shape(0)
    taken: dict[str, list[float]] = {name: [] for name in models}
    for _ in range(_REPEATS + 1):
        for name, model in models.items():
            network: Any = model
            start = time.perf_counter()
            predict_batch(model, network.transform.batch([given]))
            taken[name].append(time.perf_counter() - start)
    return {name: median(seconds[1:]) for name, seconds in taken.items()}
