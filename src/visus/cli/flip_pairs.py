"""The part of ``visus data show`` about keypoints that change places in a mirror: their pairs drawn, and written."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from visus.errors import VisusError

if TYPE_CHECKING:
    from visus.data.check.mirror_guess import MirrorGuess
    from visus.types import Sample, Schema


def write_pairs(root: Path, schema: Schema, guess: MirrorGuess | None) -> str:
    """Writes the pairs that are known, or else guessed, into the file beside the data; says so in one line.

    Raises:
        VisusError: the data has no files or no keypoints, nothing is known of these, or the file exists.
    """
    from visus.data.check.mirror_guess import not_mirrored
    from visus.data.formats.flip_pairs import write_flip_pairs
    from visus.names import counted

    meaning = schema.keypoints
    if meaning is None or not root.exists():
        raise VisusError(f"{root}: no files with keypoints, so there are no pairs to write")
    pairs = guess.pairs if guess else meaning.flip_pairs
    if pairs is None:
        raise VisusError(not_mirrored(root, schema, guess))
    file = write_flip_pairs(root, meaning.names, pairs)
    origin = "guessed from mean positions: look through them" if guess else "known from the data"
    return f"{counted(len(pairs), 'pairs')} written to {file}, {origin}"


def draw_pairs(samples: Iterable[Sample], schema: Schema, guess: MirrorGuess, file: Path) -> bool:
    """Draws guessed pairs on the object with the most keypoints, and of these the largest; False where none has any."""
    from visus.draw.flip_pairs import draw_flip_pairs
    from visus.predict.pictures import write_picture

    best, largest = None, (0, 0.0)
    for sample in samples:
        for points, area in zip(sample.target.keypoints_xyv, sample.target.areas.tolist(), strict=True):
            if (size := (int((points[:, 2] > 0).sum()), area)) > largest:
                best, largest = (sample.input, points), size
    if best is None or schema.keypoints is None:
        return False
    write_picture(draw_flip_pairs(*best, schema.keypoints.names, guess.pairs), file)
    return True
