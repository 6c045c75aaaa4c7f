"""``visus generate``: images of a scene graph, from a phrase, JSON or another image, and with a word changed."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import tyro

from visus.errors import VisusError
from visus.names import counted
from visus.new_folder import new_folder

if TYPE_CHECKING:
    from PIL import Image
    from rich.console import Console

    from visus.predict.predictor import Predictor
    from visus.predict.result import Result


@dataclass(frozen=True)
class GenerateArguments:
    """Make images of a scene graph: of a phrase ("a red ball on top of a table"), of JSON, or of what is in an image.

    Writes sheet.png (graph, layout and image of each sample), the images by themselves, and their graphs as JSON.

    Args:
        model: the run folder of a model that makes images, or its .safetensors file.
        graph: a phrase in the model's words, or a .json file: a graph with objects and relationships, or several, such
            as the predictions.json of a scene-graph model.
        like: an image, whose scene graph is taken.
        graphs: the run of the scene-graph model that finds it.
        change: a word of the graph and the one that takes its place, "ball=car": the image before and after, all else
            as it was.
        samples: images of each graph.
        seed: of the first sample; the next has the next one.
        out: the folder to write to, new or empty; default: a new one, runs/generate.
        device: such as cpu or cuda:1; default: a GPU where there is one.
    """

    model: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="RUN")]
    graph: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="GRAPH")] = ""
    like: Annotated[str, tyro.conf.arg(metavar="IMAGE")] = ""
    graphs: Annotated[str, tyro.conf.arg(metavar="RUN")] = ""
    change: Annotated[str, tyro.conf.arg(metavar="OLD=NEW")] = ""
    samples: int = 4
    seed: int = 0
    out: Annotated[Path | None, tyro.conf.arg(metavar="FOLDER")] = None
    device: Annotated[str | None, tyro.conf.arg(metavar="DEVICE")] = None


def main(argv: list[str]) -> int:
    """Runs ``visus generate``."""
    arguments = tyro.cli(GenerateArguments, args=argv, prog="visus generate")
    _check(arguments)
    from visus.predict.generate import generate, image_size
    from visus.predict.predictor import load
    from visus.terminal import console

    predictor = load(arguments.model, device=arguments.device)
    image_size(predictor)
    seen = _seen(arguments) if arguments.like else None
    results = generate(predictor, seen or arguments.graph, samples=arguments.samples, seed=arguments.seed)
    after = _changed(predictor, results, arguments.change) if arguments.change else []
    first = [(_given(seen), "given")] if seen else []
    wanted = arguments.out.expanduser() if arguments.out else Path("runs") / "generate"
    with new_folder(wanted, numbered=arguments.out is None) as folder:
        _write(folder, results, after, first, console())
    return 0


def _check(arguments: GenerateArguments) -> None:
    if arguments.samples < 1:
        raise VisusError(f"--samples must be at least 1, not {arguments.samples}")
    if bool(arguments.graph) == bool(arguments.like):
        raise VisusError("visus generate RUN takes a phrase or a .json file, or --like IMAGE --graphs RUN in its place")
    if arguments.like and not arguments.graphs:
        raise VisusError("--like IMAGE needs --graphs RUN, the scene-graph model that looks at the image")
    if arguments.graphs and not arguments.like:
        raise VisusError("--graphs RUN goes with --like IMAGE")
    if arguments.change and not all(arguments.change.partition("=")):
        raise VisusError(f"--change takes OLD=NEW, such as ball=car, not {arguments.change!r}")


def _seen(arguments: GenerateArguments) -> Result:
    """The scene graph of the given image."""
    from visus.predict.ask import vocabulary_of
    from visus.predict.predictor import load

    looking = load(arguments.graphs, device=arguments.device)
    vocabulary_of(looking)
    found = looking.predict(arguments.like)
    if len(found) != 1:
        raise VisusError(f"{arguments.like}: --like takes one image, not {len(found)}")
    return found[0]


def _changed(predictor: Predictor, results: list[Result], change: str) -> list[Result]:
    from visus.predict.generate import changed, made

    old, _, new = change.partition("=")
    return made(predictor, [changed(result, old, new) for result in results])


def _given(seen: Result) -> Image.Image:
    from visus.predict.generate import given_picture

    return given_picture(seen)


def _write(
    folder: Path,
    results: list[Result],
    after: list[Result],
    first: list[tuple[Image.Image, str]],
    console: Console,
) -> None:
    """Writes the sheet, the images and the graphs, and says what they are of."""
    from visus.draw.sheet import contact_sheet
    from visus.predict.generate import graph_words, sheet
    from visus.predict.pictures import write_picture
    from visus.whole_file import write_whole

    rows = [sheet(results, first=first)] if not after else []
    for before, changed in zip(results, after, strict=bool(after)):
        rows += [sheet([before], first=first), sheet([changed], first=first)]
    if len(rows) > 1:
        whole = contact_sheet(
            rows, captions=["before", "after"] * len(results), columns=1, cell=max(row.width for row in rows)
        )
    else:
        whole = rows[0]
    write_picture(whole, folder / "sheet.png")
    for name, some in (("image", results), ("changed", after)):
        for place, result in enumerate(some):
            _write_one(folder, f"{name}-{place + 1}", result)
    graph = results[0].image
    words = ", ".join(graph_words(graph, results[0].schema))  # type: ignore[arg-type]
    console.print(f"{counted(len(results), 'images')} of: {words}", highlight=False, markup=False, soft_wrap=True)
    write_whole(folder / "graphs.json", json.dumps([_record(result) for result in [*results, *after]], indent=1) + "\n")
    console.print(f"results in {folder}: sheet.png first", highlight=False, soft_wrap=True)


def _write_one(folder: Path, name: str, result: Result) -> None:
    from PIL import Image

    from visus.predict.pictures import write_picture

    pixels = result.prediction.pixels  # type: ignore[union-attr]
    write_picture(Image.fromarray(pixels.permute(1, 2, 0).contiguous().numpy()), folder / f"{name}.png")


def _record(result: Result) -> dict[str, object]:
    """The graph with the layout that its image was made of."""
    from dataclasses import replace

    from visus.predict.scene_json import graph_record
    from visus.scenes import SceneGraph

    graph = result.image
    assert isinstance(graph, SceneGraph)
    placed = replace(graph, boxes_xyxy=result.prediction.boxes_xyxy)  # type: ignore[union-attr]
    return graph_record(placed, result.schema)
