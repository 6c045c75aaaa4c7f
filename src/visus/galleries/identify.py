"""Who, or what, an image shows of those that are enrolled, or "unknown".

Entries with a field such as ``person`` are enrolled, any number for each name, and each counts for itself: one bad
picture does not move the others. The threshold is chosen on the gallery's own impostors. Each enrolled entry (at most
`SEARCHES` of them) is searched among those of all other names: nobody is right, so the best score is one that a
stranger reaches. The threshold is the loosest that lets at most a share ``fpir`` of these pass, and from the same
searches with the other entries of the own name back in follows how many are found: right name first *and* past the
threshold, TPIR at FPIR (ISO/IEC 19795-1).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import torch
from jaxtyping import Float64, Int32, Int64
from PIL import Image
from torch import Tensor
from torch.nn import functional as F

from visus.draw.sheet import contact_sheet
from visus.galleries.answer import Match, picture_of
from visus.galleries.entry import Value
from visus.galleries.errors import GalleryError
from visus.galleries.queries import Asked
from visus.galleries.screens import Closeness, ScanTable
from visus.metrics.verification import threshold_at

SEARCHES: Final = 1024
"""Enrolled entries that are searched for, to choose a threshold; drawn where there are more."""

UNKNOWN: Final = "unknown"
_BLOCK: Final = 1 << 22


@dataclass(frozen=True)
class OpenSetThreshold:
    """A threshold and what it does to the gallery's own entries.

    Args:
        score: what a cosine has to be above, or a distance below.
        fpir: the share of searches for nobody who is enrolled that pass; None for a threshold that was given where
            there is nothing to measure it on.
        tpir: the share of searches for somebody who is enrolled whose best match is right and passes; None where no
            name has two entries.
        non_mated: how many of the first kind.
        mated: how many of the second kind.
    """

    score: float
    fpir: float | None
    tpir: float | None
    non_mated: int
    mated: int

    def __str__(self) -> str:
        told = f"threshold {self.score:.4f}"
        if self.fpir is not None:
            told += f": FPIR {self.fpir:.4f} of {self.non_mated:,} searches"
        if self.tpir is not None:
            told += f", TPIR {self.tpir:.4f} of {self.mated:,}"
        return told


@dataclass(frozen=True)
class Identified:
    """Who an image, or a face in it, shows.

    Args:
        asked: the image.
        value: the name; None for somebody unknown.
        candidate: the name of the nearest entry, whatever the threshold.
        match: that entry.
    """

    asked: Asked
    value: Value | None
    candidate: Value
    match: Match

    @property
    def name(self) -> str:
        """The name, or "unknown"."""
        return UNKNOWN if self.value is None else str(self.value)


@dataclass(frozen=True)
class Identification:
    """Who some images show.

    Args:
        found: of each image, and of each face in one.
        field: that holds the names.
        closeness: what the scores are.
        threshold: that was used.
    """

    found: tuple[Identified, ...]
    field: str
    closeness: str
    threshold: OpenSetThreshold

    def to_dict(self) -> dict[str, Any]:
        """The same as JSON can hold it."""
        found = [
            {
                "image": one.asked.name,
                **({"box_xyxy": list(one.asked.box_xyxy)} if one.asked.box_xyxy else {}),
                self.field: one.value,
                "known": one.value is not None,
                "candidate": one.candidate,
                "match": one.match.to_dict(),
            }
            for one in self.found
        ]
        return {"closeness": self.closeness, "threshold": vars(self.threshold), "found": found}

    def sheet(self) -> Image.Image:
        """Each image beside the entry that it is nearest to."""
        pictures, captions = [], []
        for one in self.found:
            pictures += [one.asked.picture, picture_of(one.match.entry)]
            captions += [one.name, f"{one.match.score:.3f} · {one.candidate}"]
        return contact_sheet(pictures, captions=captions, columns=2 if len(self.found) < 4 else 6, cell=200)


@dataclass(frozen=True)
class Enrolled:
    """The entries that have a name.

    Args:
        numbers: of each row of the table: 0 for no name, else 1 + its place in ``names``.
        names: all of them.
        field: that holds them.
    """

    numbers: Int32[Tensor, " n"]
    names: Sequence[Value]
    field: str

    def name_of(self, row: int) -> Value:
        """Of a row that has one."""
        return self.names[int(self.numbers[row]) - 1]


def choose_threshold(
    table: ScanTable, enrolled: Enrolled, *, fpir: float, score: float | None = None
) -> OpenSetThreshold:
    """The threshold at which a share of the gallery's own impostors passes, and what it lets pass.

    Args:
        table: the entries.
        enrolled: their names.
        fpir: the wanted share, 0 to 1.
        score: a threshold that was chosen already.

    Raises:
        GalleryError: no threshold is given, and there are not two names to choose one on; or ``fpir`` is no share.
    """
    if not 0 <= fpir <= 1:
        raise GalleryError(f"a false-positive rate lies between 0 and 1; this one is {fpir:g} (--fpir)")
    own, others = _nearest_of_each(table, enrolled.numbers)
    non_mated, mated = others.isfinite(), own.isfinite()
    if score is None and not bool(non_mated.any()):
        raise GalleryError(
            f"all entries with the field {enrolled.field!r} have one value: a threshold is chosen on those of two and "
            "more; give one (--threshold)"
        )
    distance = _distance(score, table.closeness) if score is not None else 0.0
    if score is None:
        distance = threshold_at(others[non_mated], far=fpir).threshold
    passes = float((others[non_mated] < distance).double().mean()) if bool(non_mated.any()) else None
    right = (own < others) & (own < distance)
    found = float(right[mated].double().mean()) if bool(mated.any()) else None
    limit = _distance(distance, table.closeness)  # the way back is the same
    return OpenSetThreshold(limit, passes, found, int(non_mated.sum()), int(mated.sum()))


def passes(score: float, threshold: OpenSetThreshold, closeness: Closeness) -> bool:
    """Whether a score is beyond a threshold."""
    return score < threshold.score if closeness == "euclidean" else score > threshold.score


def _distance(score: float, closeness: Closeness) -> float:
    """A cosine as a distance, 1 less it, and back; a distance is one."""
    return score if closeness == "euclidean" else 1 - score


def _nearest_of_each(
    table: ScanTable, numbers: Int32[Tensor, " n"]
) -> tuple[Float64[Tensor, " m"], Float64[Tensor, " m"]]:
    """The least distance of enrolled entries to others of their name and to those of other names; infinite for none."""
    rows = numbers.nonzero()[:, 0]
    searched = rows
    if len(rows) > SEARCHES:
        drawn = torch.randperm(len(rows), generator=torch.Generator().manual_seed(0))[:SEARCHES]
        searched = rows[drawn.sort().values]
    queries = _points(table, searched)
    least = [torch.full((len(searched),), torch.inf, dtype=torch.float64) for _ in range(2)]
    for part in torch.split(rows, max(1, _BLOCK // max(table.vectors.shape[1], len(searched), 1))):
        distances = _distances(queries, _points(table, part), table.closeness)
        same = numbers[searched, None] == numbers[part]
        itself = searched[:, None] == part
        for place, hidden in enumerate((~same | itself, same)):
            least[place] = torch.minimum(least[place], distances.masked_fill(hidden, torch.inf).amin(1))
    return least[0], least[1]


def _points(table: ScanTable, rows: Int64[Tensor, " m"]) -> Float64[Tensor, "m d"]:
    vectors = table.vectors[rows].double()
    return vectors if table.closeness == "euclidean" else F.normalize(vectors, dim=1, eps=1e-300)


def _distances(queries: Tensor, others: Tensor, closeness: Closeness) -> Float64[Tensor, "q m"]:
    if closeness == "euclidean":
        return torch.cdist(queries, others, compute_mode="donot_use_mm_for_euclid_dist")
    return 1 - queries @ others.T
