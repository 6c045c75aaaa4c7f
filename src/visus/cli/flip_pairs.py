"""The part of ``visus data show`` about keypoints that change places in a mirror: guess, draw and write their pairs."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from visus.errors import VisusError

if TYPE_CHECKING:
    from visus.data.check.mirror_guess import MirrorGuess
    from visus.data.feed.loader import SampleDataset
    from visus.types import Keypoints, Sample, Schema


@dataclass(frozen=True)
class ShownPairs:
    """The pairs of a data set that is shown.

    Args:
        keypoints: what the data says of them.
        guess: the pairs that their mean positions suggest where the data says none.
    """

    keypoints: Keypoints
    guess: MirrorGuess | None

    def schema(self, schema: Schema) -> Schema:
        """The schema to draw with: the sides that are guessed."""
        if self.guess is None:
            return schema
        return replace(schema, keypoints=replace(self.keypoints, flip_pairs=self.guess.pairs))

    def write(self, root: Path) -> str:
        """Write the pairs into the file beside the data; what was written, in one line.

        Raises:
            VisusError: the file exists, or nothing is known to write.
        """
        from visus.data.formats.flip_pairs import write_flip_pairs
        from visus.names import counted

        known = self.keypoints.flip_pairs
        pairs = self.guess.pairs if known is None and self.guess is not None else known
        if pairs is None:
            raise VisusError(f"{root}: {self._told(root)}")
        file = write_flip_pairs(root, self.keypoints.names, pairs)
        origin = "known from the data" if self.guess is None else "guessed from mean positions: look through them"
        return f"{counted(len(pairs), 'pairs')} written to {file}, {origin}"

    def line(self, root: Path, drawing: Path | None) -> str:
        """What the data does not say, and the pairs that are offered; empty where it says all."""
        if self.keypoints.flip_pairs is not None:
            return ""
        drawn = f" Drawn in {drawing}." if drawing else ""
        return f"Keypoints: {self._told(root)}.{drawn}"

    def draw(self, samples: Iterable[Sample], file: Path) -> Path | None:
        """Draw the guessed pairs on the object with the most keypoints, and of these the largest; None without one."""
        from visus.draw.flip_pairs import draw_flip_pairs

        if self.guess is None:
            return None
        best, largest = None, (0, 0.0)
        for sample in samples:
            for points, area in zip(sample.target.keypoints_xyv, sample.target.areas.tolist(), strict=True):
                if (size := (int((points[:, 2] > 0).sum()), area)) > largest:
                    best, largest = (sample.input, points), size
        if best is None:
            return None
        draw_flip_pairs(*best, self.keypoints.names, self.guess.pairs).save(file)
        return file

    def _told(self, root: Path) -> str:
        from visus.data.augment.mirror import unknown_pairs
        from visus.data.check.mirror_guess import offer

        names = self.keypoints.names
        return f"{unknown_pairs(names)}: images will not be mirrored. {offer(names, self.guess, root)}"


def shown_pairs(dataset: SampleDataset) -> ShownPairs | None:
    """The pairs of a data set; None where it has no keypoints."""
    from visus.data.check.mirror_guess import guess_flip_pairs

    keypoints = dataset.schema.keypoints
    if keypoints is None:
        return None
    return ShownPairs(keypoints, guess_flip_pairs(dataset) if keypoints.flip_pairs is None else None)
