"""``visus data``: check a data set for every problem at once, look at it, or write it in another format."""

from __future__ import annotations

import time
from dataclasses import dataclass
from functools import partial
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import tyro

from visus.data.errors import DatasetNotFoundError
from visus.names import counted

if TYPE_CHECKING:
    from rich.console import Console

    from visus.data.check.report import CheckReport
    from visus.data.feed.loader import SampleDataset

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
        decode: decode every image; --no-decode reads only the heads of the files.
        all: list every problem, not only the first of each kind.
    """

    data: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="FOLDER|JSON")]
    dataset: Annotated[str | None, tyro.conf.arg(metavar="NAME")] = None
    images: Annotated[Path | None, tyro.conf.arg(metavar="FOLDER")] = None
    decode: bool = True
    all: bool = False


@dataclass(frozen=True)
class ShowArguments:
    """Draw boxes, outlines and skeletons on the images of a data set, and a contact sheet of them.

    Args:
        data: a folder in a known layout, or the name of a generated data set such as vignettes.
        out: the folder to write to.
        dataset: what the folder holds, a name of `visus list datasets`; default: recognised by its files.
        split: train, val or test.
        count: how many images, spread evenly over the split.
        keypoints: prefer COCO's annotations with keypoints where there are two files.
        labels: write the names of objects beside them: auto those that hide nothing by it, all, or none.
    """

    data: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="FOLDER|NAME")]
    out: Annotated[Path, tyro.conf.arg(metavar="FOLDER")]
    dataset: Annotated[str | None, tyro.conf.arg(metavar="NAME")] = None
    split: str = "train"
    count: int = 16
    keypoints: bool = False
    labels: Literal["auto", "all", "none"] = "auto"


@dataclass(frozen=True)
class ConvertArguments:
    """Write a data set in another format: COCO, Pascal VOC or YOLO.

    What the other format has no words for is left out and counted. Nothing is overwritten.

    Args:
        source: a folder in one of the three formats.
        target: the folder to write to, new or empty.
        to: the format.
        split: those to convert; default: all that there are.
        link: make hard links to the images where the file system can, instead of copies.
    """

    source: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="SOURCE")]
    target: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="TARGET")]
    to: Literal["coco", "voc", "yolo"]
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
    from rich.console import Console

    from visus.data.check.folder import check_folder
    from visus.data.readers.coco import check_coco

    data = arguments.data.expanduser()
    if data.is_dir() or data.suffix != ".json":
        report = check_folder(data, decode=arguments.decode, dataset=arguments.dataset)
    else:
        report = check_coco(data, arguments.images, decode=arguments.decode)
    _print_report(report, Console(), everything=arguments.all)
    return 1 if report.errors else 0


def _show(arguments: ShowArguments) -> int:
    """Draw the annotations of a data set on its images."""
    from rich.console import Console

    from visus.cli.tables import target_words
    from visus.draw.draw import draw
    from visus.draw.sheet import contact_sheet

    dataset = _open(arguments)
    arguments.out.mkdir(parents=True, exist_ok=True)
    count = min(arguments.count, len(dataset))
    images, captions, failures = [], [], list[str]()
    for turn in range(count):
        index = turn * len(dataset) // count
        try:
            sample = dataset[index]
        except (OSError, ValueError) as error:
            failures.append(str(error))
            continue
        name = Path(sample.path).name or str(index)
        image = draw(
            sample.input,
            sample.target,
            dataset.schema,
            labels=arguments.labels,
            on_error=partial(_undrawn, failures, name),
        )
        image.save(arguments.out / f"{index:06d}{f'_{Path(sample.path).stem}' if sample.path else ''}.png")
        images.append(image)
        captions.append(f"{name}: {target_words(sample.target, dataset.schema)}")
    if images:
        contact_sheet(images, captions=captions).save(arguments.out / "sheet.png")
    console = Console()
    where = f"; all at a glance: {arguments.out / 'sheet.png'}" if images else ""
    console.print(f"{len(images)} of {len(dataset)} images drawn{where}", soft_wrap=True, highlight=False, markup=False)
    for line in failures:
        console.print(line, soft_wrap=True, highlight=False, markup=False)
    return 1 if failures else 0


def _undrawn(failures: list[str], name: str, error: Exception) -> None:
    failures.append(f"{name} is without its drawing: {error}")


def _convert(arguments: ConvertArguments) -> int:
    """Write a data set in another format, with a bar where it takes long."""
    from rich.console import Console
    from rich.progress import Progress

    from visus.data.convert.convert import convert

    console, begin = Console(), time.monotonic()
    with Progress(console=console, transient=True, disable=not console.is_terminal) as progress:
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
    console.print(
        f"{counted(result.images, 'images')}, {counted(result.objects, 'objects')} written to {arguments.target}"
    )
    if result.left_out:
        lost = ", ".join(f"{count} {what}" for what, count in result.left_out.items())
        console.print(f"[yellow]left out, as {arguments.to} cannot say it: {lost}[/]")
    return 0


def _open(arguments: ShowArguments) -> SampleDataset:
    """The split of a folder, or of a generated data set of the catalog."""
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
    return find(DATASETS, name, "data set").open(root, arguments.split, for_training=False)


def _print_report(report: CheckReport, console: Console, *, everything: bool) -> None:
    """A table of the kinds of problem, most frequent first, with examples of each."""
    from rich import box
    from rich.markup import escape
    from rich.table import Table

    table = Table("", "problem", "times", "where, and what", box=box.SIMPLE_HEAD, pad_edge=False)
    table.columns[2].justify = "right"
    counts = report.counts
    ordered = sorted(report.problems, key=lambda p: (p.severity != "error", -counts[p.kind], p.kind))
    for (severity, kind), group in groupby(ordered, key=lambda problem: (problem.severity, problem.kind)):
        problems = list(group)
        shown = problems if everything else problems[:_EXAMPLES]
        lines = [f"{p.file}{_object(p.annotation_id)}: {p.message}" for p in shown]
        if len(shown) < len(problems):
            lines.append(f"... and {len(problems) - len(shown)} more (--all lists them)")
        colour = "red" if severity == "error" else "yellow"
        table.add_row(f"[{colour}]{severity}[/]", kind, str(len(problems)), escape("\n".join(lines)))
    if report.problems:
        console.print(table)
    warnings = len(report.problems) - report.errors
    verdict = (
        "[green]no problems[/]"
        if not report.problems
        else f"{counted(report.errors, 'errors')}, {counted(warnings, 'warnings')}"
    )
    console.print(f"{counted(report.images, 'images')}, {counted(report.objects, report.unit)}: {verdict}")


def _object(annotation_id: int | None) -> str:
    return "" if annotation_id is None else f" annotation {annotation_id}"
