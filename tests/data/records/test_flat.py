from __future__ import annotations

import multiprocessing
import pickle
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from visus.data.records.flat import ByteTable


@given(st.lists(st.binary(max_size=30), max_size=40))
def test_every_record_comes_back(records: list[bytes]) -> None:
    table = ByteTable(records)
    assert [table[i] for i in range(len(table))] == records


def test_positions_are_checked() -> None:
    with pytest.raises(IndexError, match="record 2 of 2"):
        ByteTable([b"a", b"b"])[2]
    with pytest.raises(IndexError):
        ByteTable([])[0]


def test_size_is_that_of_the_bytes() -> None:
    records = [bytes(10)] * 10_000
    assert len(pickle.dumps(ByteTable(records))) < 10_000 * (10 + 8) + 2_000


def _private_kilobytes() -> int:
    """Memory that this process does not share."""
    lines = Path("/proc/self/smaps_rollup").read_text().splitlines()
    return sum(int(line.split()[1]) for line in lines if line.startswith(("Private_Clean", "Private_Dirty")))


def _read_all(table: ByteTable, growth: multiprocessing.Queue[int]) -> None:
    before = _private_kilobytes()
    for i in range(len(table)):
        table[i]
    growth.put(_private_kilobytes() - before)


@pytest.mark.skipif(not Path("/proc/self/smaps_rollup").exists(), reason="needs Linux's memory accounts")
def test_a_forked_reader_copies_nothing() -> None:
    table = ByteTable(bytes(200) for _ in range(100_000))  # 20 MB
    context = multiprocessing.get_context("fork")
    growth = context.Queue()
    reader = context.Process(target=_read_all, args=(table, growth))
    reader.start()
    assert growth.get(timeout=60) < 3_000
    reader.join()
