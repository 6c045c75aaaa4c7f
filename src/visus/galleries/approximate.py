"""An index for galleries of ten million entries and more, where looking at all of them takes too long: HNSW of faiss.

It is derived from the store as the scan is, and made anew where the store has changed. Each time it is made, it is
measured: how many of the ten nearest others of some entries it finds (recall@10), against the exact scan; how far it
searches (``efSearch``) is doubled until that reaches `WANTED`. What it finds is scored exactly.

With filters the exact scan is used: an index that filters what it found finds too little.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final

import torch
from jaxtyping import Float
from torch import Tensor

from visus.errors import VisusError
from visus.galleries.scan import Found, nearest, settled
from visus.galleries.screens import ScanTable, directions, lengths_of
from visus.whole_file import whole_file, write_whole

WANTED: Final = 0.95
_NEIGHBOURS = 32
_EFFORT = 64
_MOST_EFFORT = 1024
_SAMPLE = 200
_AT_ONCE = 100_000
_SPARE = 10


@dataclass(frozen=True)
class IndexFacts:
    """What an index was made of, and how good it is.

    Args:
        rows: entries in it.
        last: the last of them.
        removed: how often the store had removed entries.
        effort: faiss's ``efSearch``.
        recall: of the ten nearest others of a sample, the share that it finds.
    """

    rows: int
    last: int
    removed: int
    effort: int
    recall: float


class ApproximateIndex:
    """The index of one gallery, in two files.

    Args:
        folder: where they are.
        tell: told what was made and measured; None prints it to standard error.
    """

    def __init__(self, folder: Path, tell: Callable[[str], None] | None = None) -> None:
        self.folder, self.tell = folder, tell or partial(print, file=sys.stderr)
        self._index: Any = None
        self._facts: IndexFacts | None = None

    def nearest(self, table: ScanTable, removed: int, queries: Float[Tensor, "q d"], k: int) -> Found:
        """Rows and scores of probably the k nearest entries; exact scores, in order.

        Args:
            table: the entries.
            removed: how often the store has removed some.
            queries: as for `visus.galleries.scan.nearest`.
            k: how many.
        """
        index = self._up_to_date(table, removed)
        found = _asked(index, _prepared(queries, table), min(k + _SPARE, len(table)))
        return settled(table, queries, found, min(k, len(table)))

    @property
    def facts(self) -> IndexFacts | None:
        """Of the index that was used last."""
        return self._facts

    def _up_to_date(self, table: ScanTable, removed: int) -> Any:
        faiss = _faiss()
        wanted = (len(table), int(table.ids[-1]), removed)
        if self._index is not None and self._facts is not None and _state(self._facts) == wanted:
            return self._index
        facts = self._read()
        path = self.folder / "index.faiss"
        if facts is not None and _state(facts) == wanted and path.is_file():
            self._index, self._facts = faiss.read_index(str(path)), facts
            self._index.hnsw.efSearch = facts.effort
            return self._index
        self._index = self._made(faiss, table)
        effort, recall = self._measured(table)
        self._facts = IndexFacts(*wanted, effort, recall)
        (self.folder / "index.json").unlink(missing_ok=True)
        with whole_file(path) as part:
            faiss.write_index(self._index, str(part))
        write_whole(self.folder / "index.json", json.dumps(asdict(self._facts)))
        self.tell(f"index of {len(table):,} entries: recall@10 {recall:.4f} against the exact scan (efSearch {effort})")
        return self._index

    def _made(self, faiss: Any, table: ScanTable) -> Any:
        metric = faiss.METRIC_INNER_PRODUCT if table.closeness == "cosine" else faiss.METRIC_L2
        index = faiss.IndexHNSWFlat(table.vectors.shape[1], _NEIGHBOURS, metric)
        for start in range(0, len(table), _AT_ONCE):
            index.add(_prepared(table.vectors[start : start + _AT_ONCE], table))
        return index

    def _measured(self, table: ScanTable) -> tuple[int, float]:
        """The effort that is wanted, and the recall that it gives."""
        generator = torch.Generator().manual_seed(0)
        rows = torch.randperm(len(table), generator=generator)[:_SAMPLE]
        queries = table.vectors[rows]
        right, _ = nearest(table, queries, 11)
        effort = _EFFORT
        while True:
            self._index.hnsw.efSearch = effort
            found = _asked(self._index, _prepared(queries, table), right.shape[1])
            hits = (right[:, :, None] == found[:, None, :]).any(2) & (right != rows[:, None])
            recall = float(hits.sum() / (right != rows[:, None]).sum().clamp(min=1))
            if recall >= WANTED or effort >= _MOST_EFFORT:
                return effort, recall
            effort *= 2

    def _read(self) -> IndexFacts | None:
        try:
            return IndexFacts(**json.loads((self.folder / "index.json").read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError):
            return None


def _state(facts: IndexFacts) -> tuple[int, int, int]:
    return facts.rows, facts.last, facts.removed


def _prepared(vectors: Tensor, table: ScanTable) -> Any:
    return directions(vectors, lengths_of(vectors), table.closeness).contiguous().numpy()


def _asked(index: Any, queries: Any, k: int) -> Tensor:
    _, found = index.search(queries, k)
    return torch.from_numpy(found)


def _faiss() -> Any:
    try:
        import faiss
    except ImportError as error:
        raise VisusError('an approximate index needs faiss: pip install "visus[index]"') from error
    return faiss
