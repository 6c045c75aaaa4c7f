"""Adding images on several devices and machines: each process describes and writes its share of the files.

As with `visus.galleries.processes`, what is reported is on the disk, and the same command goes on. There the processes
share the processors of one machine; here each has a device of its own, or torchrun has started them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import torch

from visus.galleries.adding import BATCH, Adder, Report, Watch
from visus.galleries.describer import Exact
from visus.galleries.errors import GalleryError
from visus.galleries.gallery import Gallery
from visus.galleries.metadata import Say
from visus.galleries.processes import FileToAdd, add_files, files_to_add
from visus.galleries.stores import ADDRESS
from visus.predict.items import Item
from visus.training.shared_work import Sharing, shared_work


def add_on_devices(
    folder: Path,
    items: Iterable[Item],
    *,
    accelerator: str,
    devices: int,
    nodes: int,
    metadata: Say,
    precision: Exact = "plain",
    watch: Watch = lambda report: None,
) -> Report | None:
    """`Gallery.add` of files by processes that share them; None in all processes but the first.

    Args:
        folder: of the gallery.
        items: of image files; the first process decides.
        accelerator: kind of device, as in ``fit.accelerator``.
        devices: processes on each machine.
        nodes: machines.
        metadata: what is said of each image.
        precision: as for `Gallery.open`.
        watch: as for `Gallery.add`; the report counts what all processes have added, and leaves out what they knew.

    Raises:
        GalleryError: several machines and a gallery in a folder, or an image that is no file by itself.
        VisusError: what went wrong in a process; what was reported is there.
        ProcessLostError: a process is gone.
    """
    if nodes > 1 and not (folder / ADDRESS).is_file():
        raise GalleryError(
            f"{folder}: a gallery in a folder is filled by one machine; several fill one on a server: "
            "`visus gallery create FOLDER --server ADDRESS`"
        )
    total = Report()

    def listed() -> list[FileToAdd]:
        with Gallery.open(folder, device="cpu") as gallery:
            adder = Adder(gallery.store, gallery.describer, gallery.root, metadata=metadata)
            return list(files_to_add(adder, items, total))

    def begin(device: torch.device) -> Callable[[Sequence[FileToAdd]], Report]:
        gallery = Gallery.open(folder, device=str(device), precision=precision)
        before, own = gallery.store.state().entries, Report()

        def add(share: Sequence[FileToAdd]) -> Report:
            own.count_in(add_files(gallery, share))
            added = gallery.store.state().entries - before
            watch(Report(images=total.images + added, added=added, unchanged=total.unchanged))
            return own

        return add

    advice = f"What was reported is in {folder}: the same command goes on."
    reports = shared_work(listed, begin, Sharing(accelerator, devices, nodes, BATCH, advice))
    if reports is None:
        return None
    for report in reports:
        total.count_in(report)
    return total
