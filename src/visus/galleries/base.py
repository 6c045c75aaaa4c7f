"""What a gallery keeps: it is made, opened, filled, follows a folder, and is emptied."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Self

import torch

from visus.data.files.walk import files_below
from visus.galleries.adding import Adder, Boxes, Report, Watch, file_of, path_in
from visus.galleries.contents import Contents
from visus.galleries.describer import DEFAULT, Describer, Exact, describer, usual_closeness
from visus.galleries.entry import Metadata
from visus.galleries.errors import GalleryError, OtherModelError
from visus.galleries.filters import Condition
from visus.galleries.screens import MOST_DIMENSIONS, Closeness
from visus.galleries.store import Store
from visus.galleries.stores import create_store, open_store
from visus.predict.items import Item, Pictures, Reading, items_of


class GalleryBase:
    """Entries in a store, what is derived from them for searching, and the network that describes images.

    Args:
        folder: of the gallery.
        store: its entries.
        describer: makes vectors; None loads the gallery's own where it is needed first.
        device: where that runs.
        precision: its form, as for `visus.galleries.describer.NetworkDescriber`.
    """

    def __init__(
        self,
        folder: Path,
        store: Store,
        *,
        describer: Describer | None = None,
        device: str | None = None,
        precision: Exact = "plain",
    ) -> None:
        self.folder, self.store = folder, store
        self.settings: Mapping[str, str] = store.settings()
        self.closeness: Closeness = "euclidean" if self.settings["closeness"] == "euclidean" else "cosine"
        self._describer, self._device, self.precision = describer, device, precision
        self._contents = Contents(folder, store, int(self.settings["dimensions"]), self.closeness)
        if describer is not None:
            self._check(describer)

    @classmethod
    def create(
        cls,
        folder: str | Path,
        *,
        model: str | Path | Describer = DEFAULT,
        root: str | Path | None = None,
        closeness: Closeness | None = None,
        server: str | None = None,
        device: str | None = None,
    ) -> Self:
        """Makes an empty gallery.

        Args:
            folder: where; new or empty.
            model: what describes images: a run of a descriptor, a file of weights, a `Describer`, ``faces``, or
                `DEFAULT`, which needs no training.
            root: the folder that the gallery is about: paths are kept relative to it, and files elsewhere are refused.
            closeness: what is near: the angle between vectors, or their Euclidean distance; None for what the model was
                trained for.
            server: the address of a PostgreSQL database with pgvector that is to hold the entries
                (``postgresql://user@host/name``); None keeps them in the folder.
            device: where the network runs.

        Raises:
            FolderTakenError: the folder holds something.
            VisusError: the model gives no vectors, or the root is no folder.
        """
        place = Path(folder).expanduser()
        top = None if root is None else Path(root).expanduser()
        if top is not None and not top.is_dir():
            raise GalleryError(f"{root}: no such folder, which the gallery should be about")
        network = describer(model, device=device) if isinstance(model, str | Path) else model
        width = network.describe([torch.zeros(3, 64, 64, dtype=torch.uint8)]).shape[1]
        if width > MOST_DIMENSIONS:
            raise GalleryError(f"{network.name}: vectors of {width} dimensions; at most {MOST_DIMENSIONS} are searched")
        settings = {
            "version": "1",
            "model": network.name,
            "fingerprint": network.fingerprint,
            "dimensions": str(width),
            "closeness": closeness or usual_closeness(network.name),
            "root": "" if top is None else str(top.resolve()),
        }
        return cls(place, create_store(place, settings, server), describer=network, device=device)

    @classmethod
    def open(
        cls,
        folder: str | Path,
        *,
        model: str | Path | Describer | None = None,
        device: str | None = None,
        precision: Exact = "plain",
    ) -> Self:
        """Opens a gallery.

        Args:
            folder: of the gallery.
            model: what describes images; None for that of the gallery. Another one is refused.
            device: where the network runs.
            precision: its form for many images: ``auto`` and ``fp32`` fuse layers, ``plain`` leaves them.

        Raises:
            GalleryNotFoundError: there is none.
            OtherModelError: the model is not that of the gallery, or has other weights.
        """
        place = Path(folder).expanduser()
        network = describer(model, device=device, precision=precision) if isinstance(model, str | Path) else model
        return cls(place, open_store(place), describer=network, device=device, precision=precision)

    @property
    def root(self) -> Path | None:
        """The folder that the gallery is about; None for any."""
        return Path(self.settings["root"]) if self.settings["root"] else None

    @property
    def describer(self) -> Describer:
        """What makes the vectors of this gallery.

        Raises:
            OtherModelError: its weights are not those that the gallery was made with.
        """
        if self._describer is None:
            found = describer(self.settings["model"], device=self._device, precision=self.precision)
            self._check(found)
            self._describer = found
        return self._describer

    def add(
        self,
        images: Pictures | Iterable[Item],
        *,
        metadata: Metadata | Callable[[Item], Metadata] | None = None,
        boxes: Boxes | None = None,
        watch: Watch = lambda report: None,
    ) -> Report:
        """Adds images that are not there yet; those that are get the metadata.

        Args:
            images: whatever `visus.predict` takes.
            metadata: fields and values of the entries, or what gives them by the item.
            boxes: gives the parts of an image that become entries; None for the whole image.
            watch: called with the report so far after each batch that is on the disk.

        Raises:
            OutsideRootError: a file outside of the gallery's root; what came before it is added.
            DiskFullError: there is no room; what was reported is there.
        """
        said = metadata if callable(metadata) else (lambda item: metadata or {})
        report, _ = self._adder(said, boxes, watch).add(items_of(images, Reading()))
        return report

    def sync(
        self,
        folder: str | Path,
        *,
        metadata: Callable[[Item], Metadata] = lambda item: {},
        watch: Watch = lambda report: None,
    ) -> Report:
        """Makes the gallery agree with a folder: adds what is new, follows what moved, marks what is missing as gone.

        Args:
            folder: below the gallery's root where it has one.
            metadata: as for `add`.
            watch: as for `add`.

        Raises:
            GalleryError: there is no such folder.
            OutsideRootError: it is not below the root.
        """
        place = Path(folder).expanduser()
        if not place.is_dir():
            raise GalleryError(f"{folder}: no such folder")
        top = path_in(place, self.root)
        below = "" if top == "." else top.rstrip("/") + "/"
        before = {path: file for path, file in self.store.files().items() if path.startswith(below)}
        report, read = self._adder(metadata, None, watch).add(items_of(files_below(place), Reading()))
        missing = [path for path in before if not file_of(path, self.root).exists()]
        report.moved = len({before[path].pixels for path in missing} & read)
        report.gone = self.store.mark_gone(missing)
        return report

    def stats(self) -> dict[str, Any]:
        """What the gallery holds and what it was made with."""
        state = self.store.state()
        size = sum(file.stat().st_size for file in self.folder.rglob("*") if file.is_file())
        fields = self._contents.columns(self._contents.table()).fields if state.entries else {}
        told = {name: self.settings[name] for name in ("model", "fingerprint", "closeness", "root")}
        numbers = {"entries": state.entries, "gone": state.gone, "dimensions": int(self.settings["dimensions"])}
        return {**numbers, "bytes": size, "fields": fields, **told}

    def remove(self, ids: Iterable[int] = (), *, where: Sequence[str | Condition] = (), gone: bool = False) -> int:
        """Removes entries, so that nothing of them stays on the disk; how many there were.

        Args:
            ids: of the entries.
            where: removes all entries that fulfil these conditions, too.
            gone: removes all whose files are gone, too.
        """
        wanted = set(map(int, ids))
        wanted.update(self._contents.chosen(where, gone=gone) if where or gone else ())
        if not wanted:
            return 0
        with self._contents.without():
            return self.store.remove(sorted(wanted))

    def close(self) -> None:
        """Ends the use of the store."""
        self.store.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def _adder(self, metadata: Callable[[Item], Metadata], boxes: Boxes | None, watch: Watch) -> Adder:
        if boxes is not None and self.describer.parts is not None:
            noun = self.describer.parts.noun
            raise GalleryError(f"{self.folder}: finds the {noun}s of an image itself: leave out boxes (--detector)")
        return Adder(self.store, self.describer, self.root, boxes, metadata, watch)

    def _check(self, found: Describer) -> None:
        if found.fingerprint != self.settings["fingerprint"]:
            raise OtherModelError(
                f"{self.folder}: made with {self.settings['model']} ({self.settings['fingerprint'][:12]}), and "
                f"{found.name} ({found.fingerprint[:12]}) has other weights: their vectors cannot be compared; "
                f"`visus gallery create {self.folder} --rebuild --model {found.name}` describes every image again"
            )
