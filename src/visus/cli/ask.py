"""``visus ask``: which images show a phrase, and where; or the answer to a plain question about each."""

from __future__ import annotations

import json
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import tyro

from visus.errors import VisusError
from visus.names import counted
from visus.new_folder import new_folder
from visus.predict.sources import find_sources

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rich.console import Console

    from visus.predict.items import Item
    from visus.predict.predictor import Predictor
    from visus.predict.results import ResultFolder
    from visus.predict.sources import Source


@dataclass(frozen=True)
class AskArguments:
    """Rank images by a phrase ("sleeping cat on top of couch") and draw where it is, or answer a question about each.

    Writes the drawings of the best images and answers.json. Words are those of the model and their synonyms.

    Args:
        model: the run folder of a scene-graph model, or its .safetensors file.
        images: an image, a folder, a quoted glob, or a list file (.txt, one path a line).
        words: a phrase, or a question: "is there a cat on the couch?", "how many dogs are next to the bench?", "what is
            the man sitting on?", "what is the cat doing?".
        top: how many images are drawn, best first.
        out: the folder to write to, new or empty; default: a new one, runs/ask/ and the name of the source.
        device: such as cpu or cuda:1; default: a GPU where there is one.
    """

    model: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="RUN")]
    images: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="IMAGES")]
    words: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="PHRASE")]
    top: int = 5
    out: Annotated[Path | None, tyro.conf.arg(metavar="FOLDER")] = None
    device: Annotated[str | None, tyro.conf.arg(metavar="DEVICE")] = None


def main(argv: list[str]) -> int:
    """Runs ``visus ask``; 1 where some image could not be read."""
    arguments = tyro.cli(AskArguments, args=argv, prog="visus ask")
    if arguments.top < 1:
        raise VisusError(f"--top must be at least 1, not {arguments.top}")
    sources = find_sources((arguments.images,))
    if any(source.video for source in sources):
        raise VisusError(f"{arguments.images}: visus ask looks at images, not at videos")
    from visus.phrases.questions import is_question
    from visus.predict.ask import vocabulary_of
    from visus.predict.predictor import load
    from visus.terminal import console

    predictor = load(arguments.model, device=arguments.device)
    vocabulary_of(predictor)
    wanted = arguments.out.expanduser() if arguments.out else Path("runs") / "ask" / sources[0].stem
    with new_folder(wanted, numbered=arguments.out is None) as folder:
        answering = _answer if is_question(arguments.words) else _rank
        return answering(arguments, predictor, sources, folder, console())


def _rank(arguments: AskArguments, predictor: Predictor, sources: list[Source], folder: Path, console: Console) -> int:
    """Ranks the images and draws the best."""
    from visus.predict.ask import only, rank_images
    from visus.predict.results import ResultFolder

    drawings = ResultFolder(folder, predictor.schema)
    scores: dict[str, float] = {}
    ranking = rank_images(
        predictor,
        _items(sources),
        arguments.words,
        top=arguments.top,
        on_error=drawings.fail,
        on_image=lambda name, found: scores.update({name: found.score}),
    )
    console.print(f"looked for: {ranking.graph.words(predictor.schema)}", highlight=False, markup=False)
    for place, found in enumerate(ranking.best, start=1):
        shown = only(found.result, found.grounding.places, ranking.graph)
        drawings.save_picture(f"{place:02d}-{found.result.name}", shown.plot(min_score=0.0))
        line = f"{place:3d}. {found.grounding.score:.3f}  {found.result.path or found.result.name}"
        console.print(line, highlight=False, markup=False, soft_wrap=True)
    if not ranking.best:
        console.print("no image shows all of it", highlight=False)
    boxes = [
        {
            "file_name": found.result.name,
            "score": round(found.grounding.score, 6),
            "boxes_xyxy": found.result.prediction.boxes_xyxy[list(found.grounding.places)].tolist(),  # type: ignore[union-attr]
        }
        for found in ranking.best
    ]
    return _write(folder, {"phrase": arguments.words, "best": boxes, "scores": scores}, drawings, console)


def _answer(
    arguments: AskArguments, predictor: Predictor, sources: list[Source], folder: Path, console: Console
) -> int:
    """Answers the question about each image, and draws what the first answers are about."""
    from visus.predict.ask import answers, only
    from visus.predict.results import ResultFolder

    drawings, said = ResultFolder(folder, predictor.schema), dict[str, str]()
    for result, found in answers(predictor, _items(sources), arguments.words, on_error=drawings.fail):
        said[result.name] = found.text
        console.print(f"{result.name}: {found.text}", highlight=False, markup=False, soft_wrap=True)
        if found.places and len(said) <= arguments.top:
            drawings.save_picture(result.name, only(result, found.places).plot(min_score=0.0))
    return _write(folder, {"question": arguments.words, "answers": said}, drawings, console)


def _items(sources: list[Source]) -> Iterator[Item]:
    from visus.predict.items import Reading, items_of_source

    return chain.from_iterable(items_of_source(source, Reading()) for source in sources)


def _write(folder: Path, content: dict[str, object], drawings: ResultFolder, console: Console) -> int:
    """Writes answers.json and tells what could not be read."""
    from visus.whole_file import write_whole

    write_whole(folder / "answers.json", json.dumps(content, indent=1))
    console.print(f"results in {folder}", soft_wrap=True, highlight=False)
    for name, cause in drawings.failures:
        console.print(f"  {cause if name in cause else f'{name}: {cause}'}", soft_wrap=True, markup=False)
    if drawings.failures:
        console.print(f"{counted(len(drawings.failures), 'images')} could not be read", style="red")
    return 1 if drawings.failures else 0
