"""``flip_pairs.json`` beside the data: which keypoints change places in a mirror, where names and formats do not tell.

A list of pairs, each of two names or of two positions counted from 0: ``[["eye one", "eye two"], [4, 7]]``. Keypoints
in no pair stay what they are; an empty list says that all do. The file goes before what the data's own format says.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from visus.data.errors import AnnotationError
from visus.data.files.json_file import read_json
from visus.data.formats.coco_values import short
from visus.names import suggestion

FLIP_PAIRS = "flip_pairs.json"
"""The name of the file."""

Pairs = tuple[tuple[int, int], ...]


class FlipPairsError(AnnotationError):
    """A file of pairs that cannot be used, or that exists already; the message names it."""


def flip_pairs_file(root: Path) -> Path:
    """Where the pairs of a data set lie: in its folder, or beside it where it is a file."""
    return (root.parent if root.is_file() else root) / FLIP_PAIRS


def read_flip_pairs(root: Path, names: Sequence[str]) -> Pairs | None:
    """The keypoints that change places by the file beside the data; None where there is none.

    Args:
        root: the folder of the data, or its file.
        names: of the keypoints.

    Raises:
        FlipPairsError: it is no list of pairs, or a pair cannot be used; names the file and the pair.
    """
    file = flip_pairs_file(root)
    if not file.exists():
        return None
    try:
        content = read_json(file)
    except AnnotationError as error:
        raise FlipPairsError(str(error)) from error
    if not isinstance(content, list):
        raise FlipPairsError(f'{file}: holds {short(content)}; a list of pairs is needed: [["left eye", "right eye"]]')
    taken: set[int] = set()
    pairs: list[tuple[int, int]] = []
    for said in content:
        if not isinstance(said, list) or len(said) != 2:
            raise FlipPairsError(f"{file}: {short(said)} is no pair: two names or two numbers are needed")
        one, other = (_place(file, said, end, names) for end in said)
        if one == other or {one, other} & taken:
            twice = one if one == other or one in taken else other
            raise FlipPairsError(f"{file}: the pair {short(said)} has {names[twice]!r} a second time")
        taken |= {one, other}
        pairs.append((one, other))
    return tuple(pairs)


def write_flip_pairs(root: Path, names: Sequence[str], pairs: Pairs) -> Path:
    """Write the file; pairs of names where these tell keypoints apart, else of positions.

    Raises:
        FlipPairsError: it exists already, or cannot be written.
    """
    file = flip_pairs_file(root)
    by_name = len(set(names)) == len(names)
    said = [[names[place] if by_name else place for place in pair] for pair in pairs]
    lines = ",\n".join(f"  {json.dumps(pair, ensure_ascii=False)}" for pair in said)
    try:
        with open(file, "x", encoding="utf-8") as out:
            out.write(f"[\n{lines}\n]\n" if lines else "[]\n")
    except FileExistsError as error:
        raise FlipPairsError(f"{file}: exists already and stays as it is; remove it first") from error
    except OSError as error:
        raise FlipPairsError(f"{file}: cannot be written ({error.strerror})") from error
    return file


def listed_pairs(names: Sequence[str], pairs: Pairs) -> str:
    """Pairs for a message: "left eye/right eye, left ear/right ear"."""
    return ", ".join(f"{names[one]}/{names[other]}" for one, other in pairs) or "none"


def _place(file: Path, pair: Any, end: Any, names: Sequence[str]) -> int:
    """The position of a keypoint that a pair names."""
    if isinstance(end, str):
        if names.count(end) == 1:
            return names.index(end)
        cause = "names several keypoints: say their numbers" if end in names else f"is none{suggestion(end, names)}"
        raise FlipPairsError(f"{file}: the pair {short(pair)} cannot be used: {end!r} {cause}")
    if type(end) is int and 0 <= end < len(names):
        return end
    raise FlipPairsError(
        f"{file}: the pair {short(pair)} cannot be used: {short(end)} is neither a name nor a number from 0 to "
        f"{len(names) - 1}"
    )
