"""A gallery: descriptors of images and of parts of images, filled once and asked many times."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final, Self

import torch
from jaxtyping import Float, Float64, Int64
from torch import Tensor

from visus.data.files.walk import files_below
from visus.galleries.adding import Adder, Boxes, Report, Watch, file_of, path_in
from visus.galleries.answer import Answer, Group, Verdict, groups_of, matches_of
from visus.galleries.contents import Contents
from visus.galleries.describer import DEFAULT, Describer, describer
from visus.galleries.entry import Box, Metadata
from visus.galleries.errors import GalleryError, OtherModelError
from visus.galleries.filters import Condition
from visus.galleries.groups import mutual_neighbours, near_duplicates
from visus.galleries.queries import Asked, Query, asked_for, combined
from visus.galleries.recommend import CANDIDATES, Wishes, recommended
from visus.galleries.scan import nearest, table_of
from visus.galleries.screens import MOST_DIMENSIONS, Closeness, ScanTable, directions
from visus.galleries.store import Store
from visus.galleries.stores import create_store, open_store
from visus.metrics.clustering import k_means
from visus.predict.items import Item, Pictures, Reading, items_of

LINKED: Final = 0.001
"""The share of pairs of different entries that are as near as a link of a group, by default."""

_USUAL: Final = Wishes()
DUPLICATES: Final = 0.97
"""The cosine from which two images are near-duplicates, by default."""


class Gallery:
    """Entries in a store, what is derived from them for searching, and the network that describes images.

    `Gallery.create` makes one and `Gallery.open` opens one.

    Args:
        folder: of the gallery.
        store: its entries.
        describer: makes vectors; None loads the gallery's own where it is needed first.
        device: where that runs.
    """

    def __init__(
        self, folder: Path, store: Store, *, describer: Describer | None = None, device: str | None = None
    ) -> None:
        self.folder, self.store = folder, store
        self.settings: Mapping[str, str] = store.settings()
        self.closeness: Closeness = "euclidean" if self.settings["closeness"] == "euclidean" else "cosine"
        self._describer, self._device = describer, device
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
        closeness: Closeness = "cosine",
        server: str | None = None,
        device: str | None = None,
    ) -> Self:
        """Makes an empty gallery.

        Args:
            folder: where; new or empty.
            model: what describes images: a run of a descriptor, a file of weights, a `Describer`, or `DEFAULT`, which
                needs no training.
            root: the folder that the gallery is about: paths are kept relative to it, and files elsewhere are refused.
            closeness: what is near: the angle between vectors, or their Euclidean distance.
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
            "closeness": closeness,
            "root": "" if top is None else str(top.resolve()),
        }
        return cls(place, create_store(place, settings, server), describer=network, device=device)

    @classmethod
    def open(
        cls, folder: str | Path, *, model: str | Path | Describer | None = None, device: str | None = None
    ) -> Self:
        """Opens a gallery.

        Args:
            folder: of the gallery.
            model: what describes images; None for that of the gallery. Another one is refused.
            device: where the network runs.

        Raises:
            GalleryNotFoundError: there is none.
            OtherModelError: the model is not that of the gallery, or has other weights.
        """
        place = Path(folder).expanduser()
        network = describer(model, device=device) if isinstance(model, str | Path) else model
        return cls(place, open_store(place), describer=network, device=device)

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
            found = describer(self.settings["model"], device=self._device)
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

    def search(
        self,
        *query: Query,
        k: int = 10,
        box: Box | None = None,
        unlike: Sequence[Query] = (),
        where: Sequence[str | Condition] = (),
        gone: bool = False,
        approximate: bool = False,
    ) -> Answer:
        """The entries that are most like an image, or like several together.

        Args:
            query: images as for `visus.predict`, or identifiers of entries; of several, the mean of their directions.
            k: how many are found.
            box: the part of the one image that is meant.
            unlike: images or entries that the answer should not be like.
            where: conditions on the metadata, such as ``"camera=2"``; all hold.
            gone: whether entries whose files are gone are found, too.
            approximate: as for `nearest`.

        Raises:
            EmptyGalleryError: there is nothing to find.
            ImageError: something that is no image.
            GalleryError: no query, an unknown field, or a box without a pixel.
        """
        table = self._contents.filled_table()
        likes, dislikes = self._asked(table, query, box), self._asked(table, unlike)
        vector = combined(likes, dislikes, self.closeness)
        ids, scores = self.nearest(vector[None], k, where=where, gone=gone, approximate=approximate)
        calibration = self._contents.calibration(table)
        chances = None if calibration is None else calibration.by_chance(vector, scores[0]).tolist()
        found = matches_of(self.store, ids[0].tolist(), scores[0].tolist(), chances=chances)
        return Answer(found, self.closeness, tuple(one.picture for one in likes))

    def verify(self, one: Query, other: Query) -> Verdict:
        """How alike two images or entries are.

        Raises:
            GalleryError: something that is not one image.
        """
        table = self._contents.table()
        asked = self._asked(table, (one, other))
        if len(asked) != 2:
            raise GalleryError(f"{len(asked)} images: verify compares one with one other")
        ours, theirs = (side.vector[None] for side in asked)
        _, scores = nearest(table_of(theirs, self.closeness), ours, 1)
        calibration = self._contents.calibration(table)
        if calibration is None:
            return Verdict(float(scores[0, 0]), None)
        by_chance = replace(calibration, entries=1).by_chance
        return Verdict(float(scores[0, 0]), max(float(by_chance(side[0], scores[0])) for side in (ours, theirs)))

    def recommend(
        self,
        *liked: Query,
        disliked: Sequence[Query] = (),
        seen: Sequence[int] = (),
        where: Sequence[str | Condition] = (),
        wishes: Wishes = _USUAL,
    ) -> Answer:
        """Entries for somebody who likes some and dislikes others; never those themselves or what was seen.

        Args:
            liked: images or identifiers of entries.
            disliked: as ``liked``.
            seen: identifiers of entries that are not to be shown again.
            where: as for `search`.
            wishes: how many, and how varied.

        Raises:
            EmptyGalleryError: there is nothing to recommend.
            GalleryError: nothing is liked.
        """
        table = self._contents.filled_table()
        likes, dislikes = self._asked(table, liked), self._asked(table, disliked)
        wanted = combined(likes, dislikes, self.closeness)
        allowed = self._contents.allowed(table, where)
        allowed = torch.ones(len(table), dtype=torch.bool) if allowed is None else allowed
        shown = [one for one in (*liked, *disliked, *seen) if isinstance(one, int)]
        allowed &= ~torch.isin(table.ids, torch.tensor(shown, dtype=torch.int64))
        rows, _ = nearest(table, wanted[None], CANDIDATES * wishes.k, allowed=allowed)
        known = torch.stack([one.vector for one in (*likes, *dislikes)])
        chosen, scores, alike = recommended(table, rows[0], wanted, known[: len(likes)], known, wishes)
        reasons = [f"resembles {likes[place].name}" for place in alike.tolist()]
        found = matches_of(self.store, table.ids[chosen].tolist(), scores.tolist(), reasons=reasons)
        return Answer(found, "cosine", tuple(one.picture for one in likes))

    def duplicates(self, *, limit: float | None = None) -> list[Group]:
        """Groups of near-duplicates, the best of each first.

        Args:
            limit: the least cosine, or the largest distance, of two that are; None for `DUPLICATES`, by cosine alone.

        Raises:
            GalleryError: no limit, where distances are compared.
        """
        if limit is None and self.closeness == "euclidean":
            raise GalleryError(f"{self.folder}: this gallery compares distances; say from which on (limit, --limit)")
        return self._groups(near_duplicates(self._contents.table(), DUPLICATES if limit is None else limit))

    def cluster(self, *, count: int | None = None, limit: float | None = None) -> list[Group]:
        """Groups of entries that lie together.

        Args:
            count: k-means with so many; None links entries that are mutually among the nearest, as far as ``limit``.
            limit: the least cosine, or the largest distance, of a link; None for what only a share `LINKED` of
                different pairs reaches, see `visus.galleries.calibration`.

        Raises:
            EmptyGalleryError: there is nothing to group.
            GalleryError: too few entries to know what is chance, and no limit.
        """
        table = self._contents.filled_table()
        if count is not None:
            if count < 1:
                raise GalleryError(f"count must be at least 1, not {count}")
            found = k_means(directions(table.vectors, table.lengths, self.closeness), count)
            rows = [(found == number).nonzero()[:, 0] for number in range(count)]
            return self._groups(sorted((one for one in rows if len(one)), key=len, reverse=True))
        if limit is None:
            calibration = self._contents.calibration(table)
            if calibration is None:
                raise GalleryError(f"{self.folder}: too few entries to tell what is alike; say a limit or a count")
            limit = calibration.limit_of(LINKED)
        return self._groups(mutual_neighbours(table, limit))

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

    def nearest(
        self,
        vectors: Float[Tensor, "q d"],
        k: int = 10,
        *,
        where: Sequence[str | Condition] = (),
        gone: bool = False,
        approximate: bool = False,
    ) -> tuple[Int64[Tensor, "q k"], Float64[Tensor, "q k"]]:
        """Identifiers and scores of the k nearest entries of many vectors at once.

        Args:
            vectors: of the gallery's descriptor.
            k: how many; of fewer entries all.
            where: as for `search`.
            gone: as for `search`.
            approximate: ask an index of faiss, which may miss some and is made anew where it is stale; with filters the
                scan is exact all the same.

        Raises:
            EmptyGalleryError: there is nothing to find.
            GalleryError: vectors of other dimensions, or not finite.
        """
        return self._contents.nearest(vectors, k, where=where, gone=gone, approximate=approximate)

    def _adder(self, metadata: Callable[[Item], Metadata], boxes: Boxes | None, watch: Watch) -> Adder:
        return Adder(self.store, self.describer, self.root, boxes, metadata, watch)

    def _asked(self, table: ScanTable, queries: Sequence[Query], box: Box | None = None) -> list[Asked]:
        return asked_for(queries, self._contents, table, lambda: self.describer, box)

    def _groups(self, rows: Sequence[Tensor]) -> list[Group]:
        return groups_of(self.store, [self._contents.table().ids[part].tolist() for part in rows])

    def _check(self, found: Describer) -> None:
        if found.fingerprint != self.settings["fingerprint"]:
            raise OtherModelError(
                f"{self.folder}: made with {self.settings['model']} ({self.settings['fingerprint'][:12]}), and "
                f"{found.name} ({found.fingerprint[:12]}) has other weights: their vectors cannot be compared; "
                "`visus gallery create FOLDER --rebuild` describes every image again"
            )
