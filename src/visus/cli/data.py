"""``visus data``: check a data set for every problem at once, look at it, or write it in another format."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import tyro

from visus.data.entry import Void
from visus.data.errors import DatasetNotFoundError
from visus.draw.labels import Labels
from visus.errors import VisusError
from visus.names import closest_path, counted
from visus.new_folder import new_folder

if TYPE_CHECKING:
    from rich.console import Console

    from visus.data.check.records import Problem
    from visus.data.check.report import CheckReport
    from visus.data.feed.loader import SampleDataset
    from visus.types import Schema

_EXAMPLES = 3
_PATIENCE = 2.0  # seconds without a bar


@dataclass(frozen=True)
class CheckArguments:
    """Report everything that is wrong with a data set: images, boxes, outlines, keypoints, masks, identifiers.

    The exit status is 1 where there are errors; warnings are tolerated by the readers.

    Args:
        data: a folder in a known layout, or one annotation file of COCO's format.
        dataset: a name of `visus list datasets`; default: recognised by its files.
        images: the folder of the images of an annotation file; default: looked for near it.
        void: what 255 means in masks of classes: as for `--data.void` of `visus train`.
        decode: decode every image; --no-decode reads only the heads of the files.
        all: list every problem, not only the first of each kind.
    """

    data: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="FOLDER|JSON")]
    dataset: Annotated[str | None, tyro.conf.arg(metavar="NAME")] = None
    images: Annotated[Path | None, tyro.conf.arg(metavar="FOLDER")] = None
    void: Void = "auto"
    decode: bool = True
    all: bool = False


@dataclass(frozen=True)
class ShowArguments:
    """Draw boxes, outlines and skeletons on the images of a data set, and a contact sheet of them.

    Args:
        data: a folder in a known layout, or the name of a generated data set such as vignettes.
        out: the folder to write to; may be left out beside --write-flip-pairs.
        dataset: what the folder holds, a name of `visus list datasets`; default: recognised by its files.
        split: train, val or test.
        void: what 255 means in masks of classes: as for `--data.void` of `visus train`.
        count: how many images, spread evenly over the split.
        keypoints: prefer COCO's annotations with keypoints where there are two files.
        write_flip_pairs: write which keypoints change places in a mirror, as the data says or else as their mean
            positions suggest, into flip_pairs.json in the data's folder; a file that exists stays as it is.
        labels: write the names of objects beside them: auto those that hide nothing by it, all, or none.
    """

    data: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="FOLDER|NAME")]
    out: Annotated[Path | None, tyro.conf.arg(metavar="FOLDER")] = None
    dataset: Annotated[str | None, tyro.conf.arg(metavar="NAME")] = None
    split: str = "train"
    void: Void = "auto"
    count: int = 16
    keypoints: bool = False
    write_flip_pairs: bool = False
    labels: Labels = "auto"


@dataclass(frozen=True)
class ConvertArguments:
    """Write a data set in another format: COCO, Pascal VOC or YOLO, or for labelme, Label Studio or CVAT.

    What the other format has no words for is left out and counted. Nothing is overwritten.

    Args:
        source: a folder in COCO's, Pascal VOC's or the YOLO layout.
        target: the folder to write to, new or empty.
        to: the format.
        split: those to convert; default: all that there are.
        link: make hard links to the images where the file system can, instead of copies.
    """

    source: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="SOURCE")]
    target: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="TARGET")]
    to: Literal["coco", "voc", "yolo", "labelme", "label-studio", "cvat"]
    split: tuple[str, ...] = ()
    link: bool = False


Arguments = (
    Annotated[CheckArguments, tyro.conf.subcommand("check", prefix_name=False)]
    | Annotated[ShowArguments, tyro.conf.subcommand("show", prefix_name=False)]
    | Annotated[ConvertArguments, tyro.conf.subcommand("convert", prefix_name=False)]
)


def main(argv: list[str]) -> int:
    """Runs ``visus data check``, ``show`` or ``convert``; 1 where the check finds errors."""
    description = "Check a data set, look at it, or write it in another format."
    arguments = tyro.cli(Arguments, args=argv, prog="visus data", description=description)
    if isinstance(arguments, CheckArguments):
        return _check(arguments)
    return _show(arguments) if isinstance(arguments, ShowArguments) else _convert(arguments)


def _check(arguments: CheckArguments) -> int:
    """Report everything that is wrong with a data set."""
    data = arguments.data.expanduser()
    _refuse_missing(data)
    from visus.data.check.folder import check_folder
    from visus.data.readers.coco import check_coco
    from visus.terminal import console

    if data.is_dir() or data.suffix != ".json":
        report = check_folder(data, decode=arguments.decode, dataset=arguments.dataset, void=arguments.void)
    else:
        report = check_coco(data, arguments.images, decode=arguments.decode)
    _print_report(report, console(), data, everything=arguments.all)
    return 1 if report.errors else 0


def _show(arguments: ShowArguments) -> int:
    """Draw the annotations of a data set on its images, and write which keypoints change places in a mirror."""
    out, written = arguments.out, arguments.write_flip_pairs
    if out is None and not written:
        raise VisusError("--out FOLDER is needed: the folder to write the drawings to")
    if out is not None:
        out = out.expanduser()
        with new_folder(out):  # what is not free is refused before anything heavy is imported
            pass
    from visus.cli.flip_pairs import draw_pairs, write_pairs
    from visus.data.check.mirror_guess import not_mirrored, offered_pairs
    from visus.terminal import console

    root, dataset = _open(arguments)  # before there is one more folder, which may lie in that of the data
    if out is None:
        console().print(write_pairs(root, dataset.schema, offered_pairs(dataset)), soft_wrap=True)
        return 0
    with new_folder(out):
        schema, guess = dataset.schema, offered_pairs(dataset)
        if written:
            console().print(write_pairs(root, schema, guess), soft_wrap=True)
        count = min(arguments.count, len(dataset))
        shown = [turn * len(dataset) // count for turn in range(count)]
        if guess and schema.keypoints:
            schema = replace(schema, keypoints=replace(schema.keypoints, flip_pairs=guess.pairs))
        readable, failures = _draw_samples(dataset, shown, out, schema, labels=arguments.labels)
        if not written and (note := not_mirrored(root, dataset.schema, guess)):
            console().print(note, soft_wrap=True)
        if guess and draw_pairs((dataset[index] for index in readable), schema, guess, out / "flip_pairs.png"):
            console().print(f"The guessed pairs are drawn in {out / 'flip_pairs.png'}", soft_wrap=True)
    where = f"; all at a glance: {out / 'sheet.png'}" if readable else ""
    lines = [f"{count - len(failures)} of {len(dataset)} images drawn{where}", *failures]
    console().print("\n".join(lines), soft_wrap=True)
    return 1 if failures else 0


def _draw_samples(
    dataset: SampleDataset, shown: Sequence[int], out: Path, schema: Schema, *, labels: Labels
) -> tuple[list[int], list[str]]:
    """Draw some samples, each by itself and all on a sheet; those that could be read, and a line for each failure."""
    from visus.cli.tables import target_words
    from visus.draw.draw import draw
    from visus.draw.sheet import contact_sheet
    from visus.predict.pictures import write_picture

    readable, images, captions, failures = list[int](), [], [], list[str]()
    for index in shown:
        try:
            sample = dataset[index]
        except (OSError, ValueError) as error:
            failures.append(str(error))
            continue
        readable.append(index)
        name = Path(sample.path).name or str(index)
        image = draw(sample.input, sample.target, schema, labels=labels, on_error=partial(_undrawn, failures, name))
        write_picture(image, out / f"{index:06d}{f'_{Path(sample.path).stem}' if sample.path else ''}.png")
        images.append(image)
        captions.append(f"{name}: {target_words(sample.target, dataset.schema)}")
    if images:
        write_picture(contact_sheet(images, captions=captions), out / "sheet.png")
    return readable, failures


def _undrawn(failures: list[str], name: str, error: Exception) -> None:
    failures.append(f"{name} is without its drawing: {error}")


def _convert(arguments: ConvertArguments) -> int:
    """Write a data set in another format, with a bar where it takes long."""
    _refuse_missing(arguments.source.expanduser())
    from rich.progress import Progress

    from visus.data.convert.convert import convert
    from visus.terminal import console

    terminal, begin = console(), time.monotonic()
    with Progress(console=terminal, transient=True, disable=not terminal.is_terminal) as progress:
        bar = progress.add_task("images", total=None, visible=False)

        def advance(done: int, total: int) -> None:
            progress.update(bar, completed=done, total=total, visible=time.monotonic() - begin > _PATIENCE)

        result = convert(
            arguments.source,
            arguments.target,
            to=arguments.to,
            splits=arguments.split,
            link=arguments.link,
            on_image=advance,
        )
    done = f"{counted(result.images, 'images')}, {counted(result.objects, 'objects')}"
    terminal.print(f"{done} written to {arguments.target}", soft_wrap=True)
    if result.left_out:
        lost = ", ".join(f"{count} {what}" for what, count in result.left_out.items())
        terminal.print(f"left out, as {arguments.to} cannot say it: {lost}", style="yellow")
    return 0


def _refuse_missing(path: Path) -> None:
    """Refuses a path that does not exist, before anything heavy is imported.

    Raises:
        DatasetNotFoundError: there is none; the message has the nearest name.
    """
    if not path.exists():
        near = closest_path(path)
        raise DatasetNotFoundError(f"{path}: no such file or folder{f'; did you mean {near}?' if near else ''}")


def _open(arguments: ShowArguments) -> tuple[Path, SampleDataset]:
    """Where the data lies, and the split of it; or of a generated data set of the catalog."""
    from visus.data.datasets import DATASETS
    from visus.data.recognise import find_dataset
    from visus.names import find

    root, name = Path(arguments.data).expanduser(), arguments.dataset
    if name is None and not root.exists():
        name = arguments.data
        if name not in DATASETS or DATASETS[name].write_fake is not None:
            raise DatasetNotFoundError(f"{root}: no such folder, and no generated data set has this name")
    if name is None:
        name, root = find_dataset(root)
    if arguments.keypoints and name == "coco":
        name = "coco_keypoints"
    entry = find(DATASETS, name, "data set").with_void(arguments.void)
    return root, entry.open(root, arguments.split, for_training=False)


def _print_report(report: CheckReport, console: Console, data: Path, *, everything: bool) -> None:
    """A table of the kinds of problem, the most frequent first, with examples of each."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    table = Table("", "problem", "times", "where, and what", box=box.SIMPLE_HEAD, pad_edge=False)
    table.columns[2].justify = "right"
    table.columns[3].overflow = "fold"  # a name of a file is never cut
    counts = report.counts
    ordered = sorted(report.problems, key=lambda p: (p.severity != "error", -counts[p.kind], p.kind))
    for (severity, kind), group in groupby(ordered, key=lambda problem: (problem.severity, problem.kind)):
        problems = list(group)
        shown = problems if everything else problems[:_EXAMPLES]
        lines = [_line(problem, data) for problem in shown]
        if len(shown) < len(problems):
            lines.append(f"... and {len(problems) - len(shown)} more (--all lists them)")
        colour = "red" if severity == "error" else "yellow"
        table.add_row(Text(severity, colour), kind, str(len(problems)), "\n".join(lines))
    if report.problems:
        console.print(table)
    warnings = len(report.problems) - report.errors
    seen = f"{counted(report.images, 'images')}, {counted(report.objects, report.unit)}: "
    if report.problems:
        console.print(f"{seen}{counted(report.errors, 'errors')}, {counted(warnings, 'warnings')}")
    else:
        console.print(Text.assemble(seen, ("no problems", "green")))
    for note in report.notes:
        console.print(note, soft_wrap=True)


def _line(problem: Problem, data: Path) -> str:
    """Where something is wrong, below the folder that is checked, and what."""
    about = "" if problem.annotation_id is None else f" annotation {problem.annotation_id}"
    file = problem.file.removeprefix(f"{data}/")
    place = f"{file}{about}: " if file != str(data) or about else ""
    return f"{place}{problem.message.replace(f'{data}/', '')}"
