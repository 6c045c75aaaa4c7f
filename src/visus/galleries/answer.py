"""What a gallery answers: entries with scores, and whether they mean anything."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from PIL import Image

from visus.draw.sheet import contact_sheet
from visus.galleries.calibration import CHANCE
from visus.galleries.entry import Entry
from visus.galleries.store import Store


@dataclass(frozen=True)
class Match:
    """An entry that was found.

    Args:
        entry: what is known of it.
        score: a cosine (larger is nearer) or a Euclidean distance (smaller is nearer).
        chance: the share of queries with nothing alike whose best match would score as high; None where the gallery is
            too small to tell.
        reason: why it is recommended; empty for a search.
        reranked: the distance by which it was re-ranked; None where it was not.
    """

    entry: Entry
    score: float
    chance: float | None = None
    reason: str = ""
    reranked: float | None = None

    @property
    def alike(self) -> bool:
        """Whether the score is more than chance explains."""
        return self.chance is None or self.chance <= CHANCE

    def to_dict(self) -> dict[str, Any]:
        """The match as JSON can hold it."""
        entry = self.entry
        return {
            "id": entry.id,
            "score": round(self.score, 6),
            "chance": None if self.chance is None else float(f"{self.chance:.3g}"),
            "alike": self.alike,
            "paths": list(entry.paths),
            **({"past_paths": list(entry.past_paths)} if entry.past_paths else {}),
            **({"box_xyxy": list(entry.box_xyxy)} if entry.box_xyxy else {}),
            "metadata": dict(entry.metadata),
            **({"reason": self.reason} if self.reason else {}),
            **({} if self.reranked is None else {"reranked": round(self.reranked, 6)}),
        }


@dataclass(frozen=True)
class Verdict:
    """How alike two images are.

    Args:
        score: their cosine or distance.
        chance: the share of pairs of different entries that are as alike; None where the gallery is too small to tell.
    """

    score: float
    chance: float | None

    @property
    def alike(self) -> bool:
        """Whether the score is more than chance explains."""
        return self.chance is None or self.chance <= CHANCE


@dataclass(frozen=True)
class Answer:
    """What was found for a query, the nearest first.

    Args:
        matches: the entries.
        closeness: what their scores are.
        asked: a small picture of each image of the query.
        names: of these.
    """

    matches: tuple[Match, ...]
    closeness: str
    asked: tuple[Image.Image, ...] = ()
    names: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.matches)

    @property
    def nothing_alike(self) -> bool:
        """Whether no match is more than chance explains."""
        return not any(match.alike for match in self.matches)

    def to_dict(self) -> dict[str, Any]:
        """The answer as JSON can hold it."""
        matches = [match.to_dict() for match in self.matches]
        return {"closeness": self.closeness, "nothing_alike": self.nothing_alike, "matches": matches}

    def sheet(self, *, columns: int = 0) -> Image.Image:
        """The query and what was found on one picture, with scores.

        Raises:
            ValueError: there is neither.
        """
        pictures = [*self.asked, *(picture_of(match.entry) for match in self.matches)]
        captions = [f"query · {name}" for name in self.names] or ["query" for _ in self.asked]
        captions += [self.caption(match) for match in self.matches]
        return contact_sheet(pictures, captions=captions, columns=columns, cell=200)

    def caption(self, match: Match) -> str:
        """A score and a name, as they fit below a picture."""
        doubt = "" if match.alike else "? "
        return f"{doubt}{match.score:.3f} · {short_name(match.entry)}"


def short_name(entry: Entry) -> str:
    """The last part of the path of an entry."""
    return entry.name.replace("\\", "/").rstrip("/").rpartition("/")[2] or entry.name


def picture_of(entry: Entry) -> Image.Image:
    """The thumbnail of an entry."""
    return as_picture(entry.thumbnail)


def as_picture(content: bytes) -> Image.Image:
    """The picture in a JPEG of ours."""
    return Image.open(io.BytesIO(content)).convert("RGB")


@dataclass(frozen=True)
class Group:
    """Entries that belong together, the best first.

    Args:
        entries: of the group.
    """

    entries: tuple[Entry, ...]

    @property
    def best(self) -> Entry:
        """The one to keep: most pixels; of several the one that came first."""
        return self.entries[0]

    def to_dict(self) -> dict[str, Any]:
        """The group as JSON can hold it."""
        return {"best": described(self.best), "others": [described(entry) for entry in self.entries[1:]]}


def described(entry: Entry) -> Mapping[str, Any]:
    """An entry as JSON can hold it."""
    height, width = entry.size
    return {"id": entry.id, "paths": list(entry.paths), "size": [width, height], "metadata": dict(entry.metadata)}


def matches_of(
    store: Store,
    ids: Sequence[int],
    scores: Sequence[float],
    *,
    chances: Sequence[float] | None = None,
    reasons: Sequence[str] | None = None,
    reranked: Sequence[float] | None = None,
) -> tuple[Match, ...]:
    """Entries with what was found out about them; one that was removed in between is left out."""
    entries = {entry.id: entry for entry in store.entries(ids)}
    unknown: list[float | None] = [None] * len(ids)
    told = zip(ids, scores, chances or unknown, reasons or [""] * len(ids), reranked or unknown, strict=True)
    return tuple(
        Match(entries[one], score, chance, why, again) for one, score, chance, why, again in told if one in entries
    )


def groups_of(store: Store, groups: Sequence[Sequence[int]]) -> list[Group]:
    """Groups of entries, of each the one with most pixels first."""
    found = [sorted(store.entries(ids), key=lambda entry: (-entry.size[0] * entry.size[1], entry.id)) for ids in groups]
    return [Group(tuple(entries)) for entries in found if entries]
