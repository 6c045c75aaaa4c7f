"""``visus train`` and ``visus evaluate``: train a recipe into a run folder, measure a run."""

from __future__ import annotations

import shutil
import sys
import textwrap
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

import tyro

from visus.cli.learned_optimizer import NAME as LEARNED_OPTIMIZER
from visus.cli.learned_optimizer import main as learned_optimizer
from visus.data.entry import Void
from visus.training.recipe import Recipe
from visus.training.run import RunFolder

_USAGE = """usage: visus train RECIPE [--run runs/NAME] [overrides]
       visus train RUN --resume [overrides]

RECIPE is a folder of data, whose annotations choose a
recipe, a run or its recipe.json, or one of
{recipes}

--init RUN|NAME starts from the weights of a run or from
published ones (visus list weights).

--own.loss FILE.py:NAME trains with a loss of your own; so
do --own.augment, --own.backbone, --own.data and --own.val
with these.

`visus train learned-optimizer` trains an optimiser for
other trainings.

`visus train RECIPE --help` lists all that can be set, such
as --optim.lr 0.01 --data.root ./coco --fit.epochs 20"""


@dataclass(frozen=True)
class TrainArguments:
    """Train a recipe, measure its best weights, write a report.

    Args:
        recipe: what is learned, from what, and how.
        run: folder of the run; runs/ and the name of the recipe by default, numbered where that exists.
        resume: go on from the last checkpoint in the folder of the run, with its recipe.
    """

    recipe: Annotated[Recipe, tyro.conf.arg(name="")]
    run: Path | None = None
    resume: bool = False


@dataclass(frozen=True)
class OtherData:
    """Data other than the run's own.

    Args:
        root: another folder in the layout of the run's own data.
    """

    root: Path | None = None


@dataclass(frozen=True)
class Processes:
    """Processes that share the images.

    Args:
        devices: processes on this machine, one a device.
        nodes: machines; torchrun starts the command on each.
    """

    devices: int = 1
    nodes: int = 1


@dataclass(frozen=True)
class OwnMeasured:
    """Parts of your own, FILE.py:NAME or MODULE:NAME, as in training.

    Args:
        data: what is measured on.
        backbone: that the run was trained with.
    """

    data: str = ""
    backbone: str = ""


@dataclass(frozen=True)
class EvaluateArguments:
    """Measure the best weights of a run.

    Args:
        run: folder of the run.
        split: another split than the run's validation split.
        device: such as cpu or cuda:1; a GPU where there is one by default.
        batch_size: images at a time; the recipe's by default.
        metric: another metric of the problem, such as voc for a detector; its numbers get a file of their own.
        precision: auto takes the fastest form of the network that gives the same here; int8 is calibrated with 100
            training images, and what it loses is printed.
        force: take int8 that loses more than half a point, too.
        data: other data.
        fit: how many devices share the work.
        own: parts of your own, each FILE.py:NAME or MODULE:NAME.
    """

    run: Annotated[Path, tyro.conf.Positional]
    split: str | None = None
    device: str | None = None
    batch_size: int | None = None
    metric: str | None = None
    precision: Literal["auto", "plain", "fp32", "bf16", "int8"] = "auto"
    force: bool = False
    data: OtherData = field(default_factory=OtherData)
    fit: Processes = field(default_factory=Processes)
    own: OwnMeasured = field(default_factory=OwnMeasured)


def main(argv: list[str]) -> int:
    """Runs ``visus train``."""
    if not argv or argv[0] in ("-h", "--help"):
        print(_USAGE.format(recipes=_recipe_list()))
        return 0 if argv else 2
    if argv[0].startswith("-"):
        print(
            f"visus train: the recipe comes first, before {argv[0]}.\n{_USAGE.format(recipes=_recipe_list())}",
            file=sys.stderr,
        )
        return 2
    name, words = argv[0], argv[1:]
    if name == LEARNED_OPTIMIZER:  # no recipe: it learns from functions, not from images
        return learned_optimizer(words)
    default = TrainArguments(recipe=_recipe(name, words))
    arguments = tyro.cli(TrainArguments, args=words, default=default, prog=f"visus train {name}")
    from visus.runs.own_words import typed_parts
    from visus.runs.resume import run_to_resume
    from visus.runs.train import train

    run = run_to_resume(name, arguments.run).path if arguments.resume else arguments.run
    recorded = default.recipe.own
    parts = typed_parts(arguments.recipe.own, recorded)
    train(replace(arguments.recipe, own=recorded), run=run, resume=arguments.resume, **parts)
    return 0


def evaluate(argv: list[str]) -> int:
    """Runs ``visus evaluate``."""
    arguments = tyro.cli(EvaluateArguments, args=argv, prog="visus evaluate")
    RunFolder(arguments.run).recipe()  # what is no run is refused before anything heavy is imported
    from visus.runs.own_words import part_of
    from visus.runs.train import evaluate as evaluate_run

    own = {name: part_of(word, name) for name, word in asdict(arguments.own).items() if word}

    evaluate_run(
        arguments.run,
        root=arguments.data.root,
        split=arguments.split,
        device=arguments.device,
        batch_size=arguments.batch_size,
        metric=arguments.metric,
        precision=arguments.precision,
        force=arguments.force,
        devices=arguments.fit.devices,
        nodes=arguments.fit.nodes,
        **own,
    )
    return 0


def _recipe(name: str, words: list[str]) -> Recipe:
    """The recipe that the command line changes: the run's own when it is resumed, else the named one."""
    from visus.recipes.find import find_recipe

    if "--resume" in words:
        from visus.runs.resume import resumed_recipe, run_to_resume

        return resumed_recipe(name, run_to_resume(name, _following(words, "--run") or None))
    # How a folder is read decides which recipe suits it; both are words of the recipe, and checked as such later.
    void: Any = _following(words, "--data.void")
    known: Void = void if void in get_args(Void) else "auto"
    return find_recipe(name, dataset=_following(words, "--data.dataset"), void=known)


def _following(words: list[str], option: str) -> str:
    """The word that follows an option, or stands behind its equals sign; empty where there is none."""
    for word, following in zip(words, [*words[1:], ""], strict=False):  # no words at all have nothing behind them
        if word == option:
            return following
        if word.startswith(f"{option}="):
            return word.removeprefix(f"{option}=")
    return ""


def _recipe_list() -> str:
    """The recipes by problem, a line each; one line for those that differ in nothing but the data set."""
    from visus.cli.listing import summary
    from visus.recipes import BY_PROBLEM

    blocks = []
    for problem, recipes in BY_PROBLEM.items():
        rows = _together({name: summary(recipe).partition(": `visus")[0] for name, recipe in recipes.items()})
        blocks.append(f"  {problem}\n" + "\n".join(_row(name, text) for name, text in rows.items()))
    return "\n".join(blocks)


def _together(summaries: Mapping[str, str]) -> dict[str, str]:
    """``abe2_{cub200,cars196,sop}`` for the three recipes of a method, whose texts differ in the data set's name."""
    methods: dict[tuple[str, str], list[str]] = {}
    for name, text in summaries.items():
        method, _, dataset = name.rpartition("_")
        methods.setdefault((method, text.partition(": ")[2]), []).append(dataset)
    rows = {}
    for name, text in summaries.items():
        method, _, dataset = name.rpartition("_")
        rest = text.partition(": ")[2]
        several = methods[method, rest] if rest else [dataset]
        if len(several) == 1:
            rows[name] = text
        else:
            rows.setdefault(f"{method}_{{{','.join(several)}}}", rest)
    return rows


def _row(name: str, text: str) -> str:
    """A name and what it is, folded at the width of a terminal; on one line for a file or another program."""
    if not sys.stdout.isatty():
        return f"    {name:38} {text}"
    width = max(60, shutil.get_terminal_size().columns)
    lines = textwrap.wrap(text, width - 43, max_lines=2, placeholder=" ...")
    return f"    {name:38} " + ("\n" + 43 * " ").join(lines)
