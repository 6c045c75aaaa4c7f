"""What a person said of entries, kept in the order in which it was said, so that the last can be taken back.

Two entries are never one person's, or always; and a group has a name, which is a field of its entries. Grouping
follows these decisions each time; removing an entry removes those that speak of it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

import torch
from jaxtyping import Int64
from torch import Tensor

from visus.galleries.entry import Value
from visus.galleries.errors import GalleryError
from visus.galleries.store import Store
from visus.ops.groups import Pair

Kind: TypeAlias = Literal["never", "always", "name"]


@dataclass(frozen=True)
class Decision:
    """One of them.

    Args:
        kind: two entries belong together never or always, or entries have a name.
        entries: identifiers.
        field_name: the field that holds the name.
        value: the name.
        before: what the field held, by identifier as text; entries without it are left out.
    """

    kind: Kind
    entries: tuple[int, ...]
    field_name: str = ""
    value: Value = ""
    before: Mapping[str, Value] = field(default_factory=dict)

    def __str__(self) -> str:
        if self.kind == "name":
            return f"{self.field_name}={self.value} of {len(self.entries)} entries"
        return f"{' and '.join(f'id:{one}' for one in self.entries)} are {self.kind} together"


def decisions(store: Store) -> list[Decision]:
    """All that hold, the oldest first."""
    found = []
    for text in store.decisions():
        told: dict[str, Any] = json.loads(text)
        found.append(Decision(**{**told, "entries": tuple(told["entries"])}))
    return found


def pairs_of(
    store: Store, ids: Int64[Tensor, " n"], new: Sequence[tuple[Kind, Pair]] = ()
) -> tuple[list[Pair], list[Pair]]:
    """The rows of pairs that are never together, and of those that always are.

    Args:
        store: of the gallery.
        ids: of the rows.
        new: pairs that are about to be decided.
    """
    said = [(one.kind, one.entries) for one in decisions(store) if one.kind != "name"] + list(new)
    found: dict[str, list[Pair]] = {"never": [], "always": []}
    for kind, entries in said:
        rows = torch.searchsorted(ids, torch.tensor(entries)).clamp(max=max(len(ids) - 1, 0))
        if len(ids) and ids[rows].tolist() == list(entries):
            found[kind].append((int(rows[0]), int(rows[1])))
    return found["never"], found["always"]


def check_pair(store: Store, one: int, other: int) -> None:
    """Whether something can be decided about two entries.

    Raises:
        GalleryError: it is one entry, or there is no such entry.
    """
    if one == other:
        raise GalleryError(f"id:{one} and id:{other}: a decision is about two entries")
    there = {entry.id for entry in store.entries([one, other])}
    for number in (one, other):
        if number not in there:
            raise GalleryError(f"there is no entry {number}")


def decide_pair(store: Store, kind: Kind, one: int, other: int) -> None:
    """Keeps that two entries are never, or always, together."""
    _keep(store, Decision(kind, (one, other)))


def decide_name(store: Store, field_name: str, value: Value, ids: Sequence[int]) -> None:
    """Gives entries a name, and keeps what they were called before."""
    before = {str(entry.id): entry.metadata[field_name] for entry in store.entries(ids) if field_name in entry.metadata}
    _keep(store, Decision("name", tuple(ids), field_name, value, before))
    store.edit(ids, {field_name: value})


def undo_decision(store: Store) -> Decision:
    """Takes back the last decision.

    Raises:
        GalleryError: there is none.
    """
    known = decisions(store)
    if not known:
        raise GalleryError("no decision to take back")
    last = known[-1]
    if last.kind == "name":
        for number in last.entries:
            store.edit([number], {last.field_name: last.before.get(str(number))})
    store.drop_decision()
    return last


def _keep(store: Store, decision: Decision) -> None:
    store.decide(json.dumps({**vars(decision), "before": dict(decision.before)}), decision.entries)
