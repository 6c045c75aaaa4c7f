"""``visus export``: a trained model as a file for another run time, compared before it is kept."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import tyro

from visus.errors import VisusError

if TYPE_CHECKING:
    from rich.console import Console

    from visus.export.written import Export


@dataclass(frozen=True)
class ExportArguments:
    """Write a trained model as a file for another run time, with a JSON beside it that tells how it is used.

    The file resizes and normalises images itself. It is compared with the model first, on images of several shapes,
    alone and in pairs, with no, one and many objects; where it does not give the same, nothing is written. visus
    predict FILE SOURCE runs it.

    Args:
        run: a run folder, a .safetensors file, or published weights by name (`visus list weights`).
        to: onnx, torch-export or openvino.
        out: the file, or a folder for it; default: model.onnx, .pt2 or .xml in the run folder.
        precision: of OpenVINO's files: float32, float16, bf16 or int8; what they lose is measured.
        measure: images of the run's validation data that are looked at for that, at most.
        images: what int8 is calibrated with, the first 100: a file, a folder or a pattern; the run's training data
            by default.
        force: take a file that loses more than half a point, or whose loss in int8 cannot be measured, too.
        times: measure how long one image takes, with the model and with the file.
    """

    run: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="RUN")]
    to: Annotated[str, tyro.conf.arg(metavar="FORMAT")] = "onnx"
    out: Annotated[Path | None, tyro.conf.arg(metavar="FILE")] = None
    precision: Annotated[str, tyro.conf.arg(metavar="PRECISION")] = "float32"
    measure: int = 100
    images: Annotated[str | None, tyro.conf.arg(metavar="IMAGES")] = None
    force: bool = False
    times: bool = True


def main(argv: list[str]) -> int:
    """Runs ``visus export``."""
    arguments = tyro.cli(ExportArguments, args=argv, prog="visus export")
    _check(arguments.run)
    from visus.export.written import export
    from visus.terminal import console

    screen = console(stderr=True)
    with screen.status(f"exporting {arguments.run}: its graph, the file, and what both give"):
        done = export(
            arguments.run,
            to=arguments.to,
            out=arguments.out,
            precision=arguments.precision,
            measure=arguments.measure,
            times=arguments.times,
            images=arguments.images,
            force=arguments.force,
        )
    _tell(done, console())
    return 0


def _check(run: str) -> None:
    """Refuses what is no model before anything heavy is imported."""
    from visus.predict.model_words import why_no_model
    from visus.recipes import RECIPES

    if reason := why_no_model(run, models={make().model for make in RECIPES.values()}, recipes=RECIPES):
        raise VisusError(reason)


def _tell(done: Export, console: Console) -> None:
    """The parity report, and what else was measured."""
    from rich.table import Table

    from visus.names import counted

    names = list(dict.fromkeys(name for one in done.compared for name in one.differences))
    objects = any(one.found is not None for one in done.compared)
    console.print("Largest differences between the model and the file:")
    table = Table("looked at", box=None, header_style="dim", pad_edge=False)
    if objects:
        table.add_column("objects", justify="right")
    for name in names:
        table.add_column(name, justify="right")
    for one in done.compared:
        counts = [str(one.found)] if objects else []
        table.add_row(one.case, *counts, *(_short(one.differences.get(name)) for name in names))
    console.print(table)
    if done.about.calibration:
        console.print(f"calibrated with {done.about.calibration}")
    for loss, row in zip(done.losses, done.about.accuracy, strict=True):
        console.print(f"{loss} ({counted(row.images, 'validation images')})", highlight=False)
    if done.unmeasured:
        console.print(f"what it loses was not measured: {done.unmeasured}", soft_wrap=True)
    if done.seconds:
        words = ", ".join(f"{name} {1000 * value:.1f} ms" for name, value in done.seconds.items())
        console.print(f"one image: {words}")
    console.print(f"{done.path} ({done.megabytes:.1f} MB), and {done.path.name}.json beside it", soft_wrap=True)
    console.print(f"try it: visus predict {done.path} SOURCE", soft_wrap=True)


def _short(value: float | None) -> str:
    return "" if value is None else f"{value:.1g}" if value else "0"
