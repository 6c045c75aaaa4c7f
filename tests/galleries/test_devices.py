"""Adding by two processes that share the images: what one would add, told by the first one."""

from __future__ import annotations

import json
import os
import socket
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.multiprocessing import start_processes

from galleries.painted import MeanColours, paint, painted
from visus.galleries import Gallery
from visus.galleries.devices import add_on_devices
from visus.galleries.errors import GalleryError
from visus.predict.items import Reading, items_of

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="the processes of these tests are forked")


def _add(rank: int, port: int, folder: Path) -> None:
    """What one of two processes does; the variables are those that torchrun sets."""
    torch.set_num_threads(1)
    os.environ |= {"RANK": str(rank), "LOCAL_RANK": str(rank), "WORLD_SIZE": "2", "LOCAL_WORLD_SIZE": "2"}
    os.environ |= {"GROUP_RANK": "0", "NODE_RANK": "0", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    seen: list[int] = []
    report = add_on_devices(
        folder / "gallery",
        items_of(str(folder / "images"), Reading()),
        accelerator="cpu",
        devices=2,
        nodes=1,
        metadata=lambda item: {"thing": item.name[:3]},
        watch=lambda report: seen.append(report.images),
    )
    told = None if report is None else vars(report)
    (folder / f"told{rank}.json").write_text(json.dumps({"report": told, "seen": seen}))


def added(folder: Path) -> dict[str, Any]:
    """What each of two processes was told; the first one is that of rank 0."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    start_processes(_add, (port, folder), nprocs=2, start_method="fork")
    return {rank: json.loads((folder / f"told{rank}.json").read_text()) for rank in ("0", "1")}


def test_two_processes_add_what_one_does(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("visus.galleries.base.describer", lambda *name, **device: MeanColours())
    monkeypatch.setattr("visus.galleries.devices.BATCH", 4)
    images = painted(tmp_path / "images", 15, 2)
    paint(images / "000_copy.png", 0)
    (images / "broken.png").write_bytes(b"none")
    with Gallery.create(tmp_path / "gallery", model=MeanColours()) as gallery:
        gallery.add(str(images / "000_0.png"))
    told = added(tmp_path)
    assert told["1"]["report"] is None
    report = told["0"]["report"]
    assert (report["images"], report["added"], report["known"], report["unchanged"]) == (32, 29, 1, 1)
    assert [name for name, _ in report["failures"]] == ["broken.png"]
    assert told["0"]["seen"] == sorted(told["0"]["seen"])
    with Gallery.open(tmp_path / "gallery", model=MeanColours()) as gallery:
        assert gallery.stats()["entries"] == 30
        assert gallery.stats()["fields"] == {"thing": 15}
        vectors = torch.cat([torch.from_numpy(rows.copy()) for _, rows in gallery.store.vectors()])
        assert gallery.nearest(vectors, 1)[0][:, 0].tolist() == [one.id for one in gallery.store.descriptions()]
    again = added(tmp_path)["0"]["report"]
    assert (again["images"], again["added"], again["unchanged"]) == (32, 0, 31), "only the damaged one is read again"


def test_several_machines_need_a_server(tmp_path: Path) -> None:
    Gallery.create(tmp_path / "gallery", model=MeanColours()).close()
    with pytest.raises(GalleryError, match=r"filled by one machine; several fill one on a server: .*--server"):
        add_on_devices(tmp_path / "gallery", [], accelerator="cpu", devices=1, nodes=2, metadata=lambda item: {})
