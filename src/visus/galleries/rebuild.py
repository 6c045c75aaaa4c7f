"""A gallery described again, by another model or by new weights."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from visus.galleries.adding import Report, Watch, file_of
from visus.galleries.describer import DEFAULT
from visus.galleries.entry import Entry
from visus.galleries.errors import GalleryError
from visus.galleries.gallery import Gallery
from visus.galleries.stores import FILE
from visus.predict.items import Reading, items_of

_AT_ONCE = 256


def rebuild(
    folder: Path, model: str | Path = DEFAULT, *, device: str | None = None, watch: Watch = lambda report: None
) -> Report:
    """Describes the images of a gallery again; the old one is in its place until the new one is whole.

    Metadata stay. An entry whose file is gone, or that never had one, cannot be described again: then nothing changes.

    Args:
        folder: of the gallery.
        model: describes the images from now on.
        device: where it runs.
        watch: as for `Gallery.add`.

    Raises:
        GalleryError: an image is not there any more, or the gallery lies on a server or has parts of images.
    """
    if not (folder / FILE).is_file():
        raise GalleryError(f"{folder}: only a gallery in a folder is described again; make a new one on the server")
    new_place = folder.with_name(f".{folder.name}.{os.getpid()}.new")
    with Gallery.open(folder) as old:
        entries = list(_entries(old))
        lost = [entry for entry in entries if not entry.paths or not file_of(entry.paths[0], old.root).exists()]
        if lost:
            raise GalleryError(
                f"{folder}: {len(lost)} of {len(entries)} images are not where they were, such as {lost[0].name}: "
                f"`visus gallery sync` finds those that moved, `visus gallery remove {folder} --gone` gives up others"
            )
        if any(entry.box_xyxy for entry in entries):
            raise GalleryError(f"{folder}: holds parts of images, which are to be added anew to a new gallery")
        said = {entry.pixels: entry.metadata for entry in entries}
        root = old.root
        closeness = old.closeness
        files = [file_of(path, root) for entry in entries for path in entry.paths]
    try:
        with Gallery.create(new_place, model=model, root=root, closeness=closeness, device=device) as new:
            report = new.add(items_of(files, Reading()), watch=watch)
            for pixels, ids in new.store.known(list(said)).items():
                if said[pixels]:
                    new.store.edit(ids, said[pixels])
        if report.failures:
            name, cause = report.failures[0]
            raise GalleryError(f"{folder}: {len(report.failures)} images cannot be read, such as {name}: {cause}")
        shutil.rmtree(folder / "cache", ignore_errors=True)
        for ending in ("-wal", "-shm"):
            (folder / f"{FILE}{ending}").unlink(missing_ok=True)
        (new_place / FILE).replace(folder / FILE)
    finally:
        shutil.rmtree(new_place, ignore_errors=True)
    return report


def _entries(gallery: Gallery) -> Iterator[Entry]:
    ids = [one.id for one in gallery.store.descriptions()]
    for start in range(0, len(ids), _AT_ONCE):
        yield from gallery.store.entries(ids[start : start + _AT_ONCE])
