"""``visus gallery``: fill a gallery of images once, and ask it many times."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import tyro

from visus.cli.gallery_arguments import (
    AddArguments,
    Arguments,
    ClusterArguments,
    CreateArguments,
    DuplicatesArguments,
    IdentifyArguments,
    RecommendArguments,
    ReidArguments,
    RemoveArguments,
    SearchArguments,
    StatsArguments,
    SyncArguments,
    VerifyArguments,
)
from visus.cli.gallery_filling import add, create, sync
from visus.cli.gallery_identities import identify, reid
from visus.cli.gallery_words import print_json, queries_of
from visus.errors import VisusError
from visus.names import counted
from visus.new_folder import new_folder

if TYPE_CHECKING:
    from visus.galleries.answer import Answer, Group


def main(argv: list[str]) -> int:
    """Runs a verb of ``visus gallery``; 1 where some image could not be read."""
    description = "Fill a gallery of images once, and ask it many times."
    arguments = tyro.cli(Arguments, args=argv, prog="visus gallery", description=description)
    return VERBS[type(arguments)](arguments)


def _search(arguments: SearchArguments) -> int:
    from visus.galleries.gallery import Gallery

    with Gallery.open(arguments.gallery, device=arguments.device) as gallery:
        answer = gallery.search(
            *queries_of(arguments.images),
            k=arguments.k,
            box=arguments.box,
            unlike=queries_of(arguments.unlike),
            where=arguments.where,
            gone=arguments.gone,
            approximate=arguments.approximate,
            rerank=arguments.rerank,
        )
    return _tell_answer(answer, arguments, "Search")


def _recommend(arguments: RecommendArguments) -> int:
    from visus.galleries.gallery import Gallery
    from visus.galleries.recommend import Wishes

    if arguments.k < 1 or not 0 <= arguments.diversity <= 1 or not 0 <= arguments.decay <= 1:
        raise VisusError("--k must be at least 1, --diversity and --decay must lie between 0 and 1")
    with Gallery.open(arguments.gallery, device=arguments.device) as gallery:
        answer = gallery.recommend(
            *queries_of(arguments.images),
            disliked=queries_of(arguments.disliked),
            seen=arguments.seen,
            where=arguments.where,
            wishes=Wishes(k=arguments.k, diversity=arguments.diversity, decay=arguments.decay),
        )
    return _tell_answer(answer, arguments, "Recommendation")


def _verify(arguments: VerifyArguments) -> int:
    from visus.galleries.gallery import Gallery
    from visus.terminal import console

    with Gallery.open(arguments.gallery, device=arguments.device) as gallery:
        verdict = gallery.verify(*queries_of((arguments.one, arguments.other)))
        closeness = gallery.closeness
    if arguments.json:
        print_json({"score": round(verdict.score, 6), "chance": verdict.chance, "alike": verdict.alike})
        return 0
    name = {"cosine": "cosine", "euclidean": "distance"}[closeness]
    line = f"{name} {verdict.score:.4f}"
    if verdict.chance is not None:
        line += f"; as alike are {verdict.chance:.2%} of pairs of different entries: "
        line += "alike" if verdict.alike else "not alike"
    console().print(line, soft_wrap=True)
    return 0


def _duplicates(arguments: DuplicatesArguments) -> int:
    from visus.galleries.gallery import Gallery

    with Gallery.open(arguments.gallery) as gallery:
        groups = gallery.duplicates(limit=arguments.limit)
    return _tell_groups(groups, arguments, "groups of near-duplicates")


def _cluster(arguments: ClusterArguments) -> int:
    from visus.galleries.gallery import Gallery
    from visus.galleries.metadata import value_of
    from visus.terminal import console

    if sum((bool(arguments.never), bool(arguments.always), bool(arguments.name), arguments.undo)) > 1:
        raise VisusError("--never, --always, --name and --undo: one at a time, so that each can be undone")
    out = console(stderr=True)
    with Gallery.open(arguments.gallery) as gallery:
        if arguments.undo:
            out.print(f"taken back: {gallery.undo()}", soft_wrap=True)
        if arguments.never:
            gallery.decide("never", *arguments.never)
        if arguments.always:
            gallery.decide("always", *arguments.always)
        if arguments.name:
            number, name = arguments.name
            named = gallery.name_group(number, value_of(name), by=arguments.by, limit=arguments.limit)
            out.print(f"{arguments.by}={name}: {counted(len(named.entries), 'entries')}", soft_wrap=True)
        groups = gallery.cluster(count=arguments.count, limit=arguments.limit)
    return _tell_groups(groups, arguments, "groups")


def _stats(arguments: StatsArguments) -> int:
    from visus.galleries.gallery import Gallery
    from visus.terminal import console

    with Gallery.open(arguments.gallery) as gallery:
        told = gallery.stats()
    if arguments.json:
        print_json(told)
        return 0
    fields = ", ".join(f"{name} ({counted(count, 'values')})" for name, count in told.pop("fields").items())
    megabytes = f"{told.pop('bytes') / 1e6:.1f} MB"
    shown = {**told, "fields": fields or "none", "root": told["root"] or "any", "size": megabytes}
    for name, value in shown.items():
        console().print(f"{name:<12} {value}", soft_wrap=True)
    return 0


def _remove(arguments: RemoveArguments) -> int:
    from visus.galleries.gallery import Gallery
    from visus.terminal import console

    if not (arguments.ids or arguments.where or arguments.gone):
        raise VisusError("name what to remove: identifiers of entries, --where CONDITION or --gone")
    with Gallery.open(arguments.gallery) as gallery:
        count = gallery.remove(arguments.ids, where=arguments.where, gone=arguments.gone)
    if arguments.json:
        print_json({"removed": count})
    else:
        console().print(f"{counted(count, 'entries') if count != 1 else '1 entry'} removed", soft_wrap=True)
    return 0


VERBS: Final[Mapping[type, Callable[[Any], int]]] = {
    CreateArguments: create,
    AddArguments: add,
    SyncArguments: sync,
    SearchArguments: _search,
    VerifyArguments: _verify,
    IdentifyArguments: identify,
    ReidArguments: reid,
    RecommendArguments: _recommend,
    DuplicatesArguments: _duplicates,
    ClusterArguments: _cluster,
    StatsArguments: _stats,
    RemoveArguments: _remove,
}
"""What carries out each kind of arguments."""


def _tell_answer(answer: Answer, arguments: SearchArguments | RecommendArguments, title: str) -> int:
    """The answer as a table or as JSON, and its pictures in a folder."""
    from visus.cli.gallery_page import answer_table, title_of, write_answer
    from visus.terminal import console

    out, told = console(), console(stderr=True)
    if arguments.json:
        print_json(answer.to_dict())
    elif answer.matches:
        out.print(answer_table(answer))
    else:
        out.print("nothing found")
    if answer.matches and answer.nothing_alike:
        told.print("nothing alike: chance alone explains such scores", soft_wrap=True)
    if arguments.pictures and answer.matches:
        first = Path(arguments.images[0].replace(":", "-").rstrip("/")).stem or "images"
        wanted = arguments.out.expanduser() if arguments.out else Path("runs") / "gallery" / first
        with new_folder(wanted, numbered=arguments.out is None) as folder:
            write_answer(answer, folder, title_of(title, arguments.images))
            told.print(f"pictures in {folder / 'sheet.png'} and {folder / 'answer.html'}", soft_wrap=True)
    return 0


def _tell_groups(groups: Sequence[Group], arguments: DuplicatesArguments | ClusterArguments, what: str) -> int:
    from visus.cli.gallery_page import shown_path, write_groups
    from visus.terminal import console

    out = console()
    if arguments.json:
        print_json([group.to_dict() for group in groups])
    else:
        out.print(f"{len(groups):,} {what if len(groups) != 1 else what.replace('groups', 'group')}")
        for group in groups:
            names = [f"{shown_path(entry.name)} (id:{entry.id})" for entry in group.entries]
            out.print(f"{names[0]}\n" + "\n".join(f"  {name}" for name in names[1:]), soft_wrap=True)
    if arguments.out is not None and groups:
        with new_folder(arguments.out.expanduser()) as folder:
            write_groups(groups, folder, f"{what.capitalize()} in {arguments.gallery}")
            shown = f"pictures in {folder / 'group_000.png'} and following, and {folder / 'answer.html'}"
            console(stderr=True).print(shown, soft_wrap=True)
    return 0
