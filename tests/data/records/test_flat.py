from __future__ import annotations

import pickle
import subprocess
import sys
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


GROWTH = """
import gc, multiprocessing, pathlib, sys
from visus.data.records.flat import ByteTable

def private():
    lines = pathlib.Path("/proc/self/smaps_rollup").read_text().splitlines()
    return sum(int(line.split()[1]) for line in lines if line.startswith(("Private_Clean", "Private_Dirty")))

def read_all(records, growth):
    gc.disable()  # a collection writes into every object of the parent, and so copies its pages
    before = private()
    for i in range(len(records)):
        records[i]
    growth.put(private() - before)

def growth_of_reader(records):
    context = multiprocessing.get_context("fork")
    growth = context.Queue()
    reader = context.Process(target=read_all, args=(records, growth))
    reader.start()
    kilobytes = growth.get(timeout=60)
    reader.join()
    return kilobytes

records = [i.to_bytes(4, "little") * 50 for i in range(100_000)]  # 20 MB
print(growth_of_reader(records), growth_of_reader(ByteTable(records)))
"""


@pytest.mark.skipif(not Path("/proc/self/smaps_rollup").exists(), reason="needs Linux's memory accounts")
def test_a_forked_reader_copies_nothing() -> None:
    """Against a list, whose objects' reference counts copy their pages. In a process of its own: what the parent
    writes meanwhile counts as private to the reader, too, and a process with thousands of tests behind it writes."""
    done = subprocess.run([sys.executable, "-c", GROWTH], capture_output=True, text=True, check=True, timeout=120)
    of_list, of_table = map(int, done.stdout.split())
    assert of_list > 15_000
    assert of_table < 3_000
