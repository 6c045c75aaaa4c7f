"""A gallery: descriptors of images and of parts of images, filled once and asked many times."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Final, Literal

import torch
from jaxtyping import Float, Float64, Int64
from torch import Tensor

from visus.galleries.adding import Boxes, cut_out
from visus.galleries.answer import Answer, Group, Verdict, groups_of, matches_of
from visus.galleries.base import GalleryBase
from visus.galleries.decisions import Decision, check_pair, decide_name, decide_pair, pairs_of, undo_decision
from visus.galleries.entry import Box, Value
from visus.galleries.errors import GalleryError
from visus.galleries.filters import Condition
from visus.galleries.groups import means_of, mutual_neighbours, near_duplicates
from visus.galleries.identify import Enrolled, Identification, Identified, choose_threshold, passes
from visus.galleries.queries import Asked, Query, asked_for, combined, named_images
from visus.galleries.recommend import CANDIDATES, Wishes, recommended
from visus.galleries.reid import Protocol, Seen, measured
from visus.galleries.reranked import AMONG, reranked
from visus.galleries.scan import nearest, table_of
from visus.galleries.screens import ScanTable, directions
from visus.ops.groups import linked_groups

LINKED: Final = 0.001
"""The share of pairs of different entries that are as near as a link of a group, by default."""

_USUAL: Final = Wishes()
DUPLICATES: Final = 0.97
"""The cosine from which two images are near-duplicates, by default."""


class Gallery(GalleryBase):
    """Entries that are searched, compared and grouped.

    `Gallery.create` makes one and `Gallery.open` opens one; see `visus.galleries.base.GalleryBase`.
    """

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

    def search(
        self,
        *query: Query,
        k: int = 10,
        box: Box | None = None,
        unlike: Sequence[Query] = (),
        where: Sequence[str | Condition] = (),
        gone: bool = False,
        approximate: bool = False,
        rerank: bool = False,
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
            rerank: order the answer by k-reciprocal neighbours, see `visus.galleries.reranked`.

        Raises:
            EmptyGalleryError: there is nothing to find.
            ImageError: something that is no image.
            GalleryError: no query, an unknown field, or a box without a pixel.
        """
        table = self._contents.filled_table()
        likes, dislikes = self._asked(table, query, box), self._asked(table, unlike)
        vector = combined(likes, dislikes, self.closeness)
        wanted = max(k, AMONG) if rerank and k > 0 else k
        ids, scores = self.nearest(vector[None], wanted, where=where, gone=gone, approximate=approximate)
        distances = None
        if rerank:
            order, distances = reranked(table, vector, torch.searchsorted(table.ids, ids[0]), k)
            ids, scores = ids[:, order], scores[:, order]
        return self._answer(table, vector, (ids[0], scores[0]), likes, distances)

    def identify(
        self,
        *query: Query,
        by: str = "person",
        box: Box | None = None,
        where: Sequence[str | Condition] = (),
        fpir: float = 0.01,
        threshold: float | None = None,
    ) -> Identification:
        """Who, or what, each image shows of the entries that have a name, or nobody of them.

        In a gallery of faces every face of an image is identified.

        Args:
            query: images as for `visus.predict`, or identifiers of entries.
            by: the field that holds the names.
            box: as for `search`.
            where: conditions on the entries that are compared with.
            fpir: see `visus.galleries.identify`.
            threshold: what a cosine has to be above, or a distance below; None chooses one by ``fpir``.

        Raises:
            EmptyGalleryError: there is nobody.
            GalleryError: an unknown field, nobody with it, or not two names to choose a threshold on.
        """
        table = self._contents.filled_table()
        enrolled = self._enrolled(table, by, where)
        asked = self._asked(table, query, box, several=True)
        if not asked:
            raise GalleryError("nothing is asked for: give an image, or the identifier of an entry")
        limit = choose_threshold(table, enrolled, fpir=fpir, score=threshold)
        vectors = torch.stack([one.vector for one in asked]).float()
        rows, scores = nearest(table, vectors, 1, allowed=enrolled.numbers > 0)
        found = []
        for one, row, score in zip(asked, rows[:, 0].tolist(), scores[:, 0].tolist(), strict=True):
            name = enrolled.name_of(row)
            value = name if passes(score, limit, self.closeness) else None
            (match,) = matches_of(self.store, [int(table.ids[row])], [score])
            found.append(Identified(one, value, name, match))
        return Identification(tuple(found), by, self.closeness, limit)

    def reid(
        self,
        *query: Query,
        boxes: Boxes,
        k: int = 5,
        where: Sequence[str | Condition] = (),
        rerank: bool = False,
    ) -> list[Seen]:
        """Of each object in images, the entries that are most like it.

        Args:
            query: images as for `visus.predict`.
            boxes: gives the objects of an image, see `visus.galleries.detected.boxes_by`.
            k: as for `search`.
            where: as for `search`; ``camera!=2`` leaves out what the images' own camera saw.
            rerank: as for `search`.

        Raises:
            EmptyGalleryError: there is nothing to find.
            GalleryError: as for `search`.
        """
        self._contents.filled_table()
        found = []
        for name, pixels in named_images(query):
            for box in boxes(pixels):
                answer = self.search(cut_out(pixels, box), k=k, where=where, rerank=rerank)
                found.append(Seen(name, box, answer))
        return found

    def measure(self, protocol: Protocol) -> dict[str, float]:
        """CMC, mAP, mINP and the number of queries, of entries that say who they show.

        Raises:
            EmptyGalleryError: there is nothing to find.
            GalleryError: an unknown field, nothing to find, or a gallery that compares distances.
        """
        return measured(self._contents, protocol, self.closeness)

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
            liked: images or identifiers of entries: one item, a basket, or a history, the oldest first.
            disliked: as ``liked``.
            seen: identifiers of entries that are not to be shown again.
            where: as for `search`.
            wishes: how many, how varied, and how much what is long ago counts.

        Raises:
            EmptyGalleryError: there is nothing to recommend.
            GalleryError: nothing is liked.
        """
        table = self._contents.filled_table()
        likes, dislikes = self._asked(table, liked), self._asked(table, disliked)
        wanted = combined(likes, dislikes, self.closeness, decay=wishes.decay)
        allowed = self._contents.allowed(table, where)
        allowed = torch.ones(len(table), dtype=torch.bool) if allowed is None else allowed
        shown = [one for one in (*liked, *disliked, *seen) if isinstance(one, int)]
        allowed &= ~torch.isin(table.ids, torch.tensor(shown, dtype=torch.int64))
        rows, _ = nearest(table, wanted[None], CANDIDATES * wishes.k, allowed=allowed)
        known = torch.stack([one.vector for one in (*likes, *dislikes)])
        chosen, scores, alike = recommended(table, rows[0], wanted, known[: len(likes)], known, wishes)
        reasons = [f"resembles {likes[place].name}" for place in alike.tolist()]
        found = matches_of(self.store, table.ids[chosen].tolist(), scores.tolist(), reasons=reasons)
        return Answer(found, "cosine", tuple(one.picture for one in likes), tuple(one.name for one in likes))

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
        """Groups of entries that lie together, as far as `decide` allows.

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
            return self._groups(means_of(directions(table.vectors, table.lengths, self.closeness), count))
        if limit is None:
            calibration = self._contents.calibration(table)
            if calibration is None:
                raise GalleryError(f"{self.folder}: too few entries to tell what is alike; say a limit or a count")
            limit = calibration.limit_of(LINKED)
        never, always = pairs_of(self.store, table.ids)
        return self._groups(mutual_neighbours(table, limit, never=never, always=always))

    def decide(self, kind: Literal["never", "always"], one: int, other: int) -> None:
        """Has two entries never, or always, in one group from now on.

        Raises:
            GalleryError: there is no such entry, or it contradicts what was decided before.
        """
        table = self._contents.filled_table()
        check_pair(self.store, one, other)
        never, always = pairs_of(self.store, table.ids, [(kind, (one, other))])
        try:
            linked_groups(len(table), table.ids[:0], table.ids[:0], never=never, always=always)
        except ValueError as error:
            raise GalleryError(
                f"id:{one} and id:{other}: what was decided before says otherwise; --undo takes back the last"
            ) from error
        decide_pair(self.store, kind, one, other)

    def name_group(self, entry: int, value: Value, *, by: str = "person", limit: float | None = None) -> Group:
        """Gives all entries of the group of an entry a name; the group.

        Args:
            entry: its identifier; by itself where it is in no group.
            value: the name.
            by: the field that holds names.
            limit: as for `cluster`.

        Raises:
            GalleryError: there is no such entry.
        """
        table = self._contents.filled_table()
        self._contents.vector(table, entry)
        groups = self.cluster(limit=limit) if len(table) > 1 else []
        ids = next((ids for group in groups if entry in (ids := [one.id for one in group.entries])), [entry])
        decide_name(self.store, by, value, ids)
        return groups_of(self.store, [ids])[0]

    def undo(self) -> Decision:
        """Takes back what was decided last, and says what that was.

        Raises:
            GalleryError: nothing was.
        """
        return undo_decision(self.store)

    def _asked(
        self, table: ScanTable, queries: Sequence[Query], box: Box | None = None, *, several: bool = False
    ) -> list[Asked]:
        return asked_for(queries, self._contents, table, lambda: self.describer, box, several=several)

    def _answer(
        self,
        table: ScanTable,
        vector: Float[Tensor, " d"],
        found: tuple[Int64[Tensor, " k"], Float64[Tensor, " k"]],
        likes: Sequence[Asked],
        reranked_: Float64[Tensor, " k"] | None,
    ) -> Answer:
        """Identifiers and scores as an answer, with what chance says of them."""
        ids, scores = found
        calibration = self._contents.calibration(table)
        chances = None if calibration is None else calibration.by_chance(vector, scores).tolist()
        distances = None if reranked_ is None else reranked_.tolist()
        matches = matches_of(self.store, ids.tolist(), scores.tolist(), chances=chances, reranked=distances)
        pictures, names = tuple(one.picture for one in likes), tuple(one.name for one in likes)
        return Answer(matches, self.closeness, pictures, names)

    def _enrolled(self, table: ScanTable, by: str, where: Sequence[str | Condition]) -> Enrolled:
        columns = self._contents.columns(table)
        numbers, allowed = columns.numbers(by), self._contents.allowed(table, where)
        if allowed is not None:
            numbers = torch.where(allowed, numbers, 0)
        if not bool(numbers.any()):
            raise GalleryError(f"{self.folder}: nobody with the field {by!r} fulfils {' and '.join(map(str, where))}")
        return Enrolled(numbers, columns.values(by), by)

    def _groups(self, rows: Sequence[Tensor]) -> list[Group]:
        return groups_of(self.store, [self._contents.table().ids[part].tolist() for part in rows])
