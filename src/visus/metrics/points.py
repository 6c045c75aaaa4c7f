"""Embeddings made ready for the search of neighbours: in a safe range, equal ones merged, with bounds of rounding.

What is near is settled by `Points.exact`, in double precision from the embeddings as they were given: by the angle, the
inner product or the distance. Two similarities count as equal where they differ by no more than double precision rounds
(`Points.slack`). All else are stand-ins, vectors whose inner products order the gallery alike but for rounding, of
which `Points.errors` bounds the size; it is made for matrix products.

Embeddings are multiplied by powers of two, which loses nothing, so that no length is too large or too small. For
distances they are moved to the median of the gallery, as what is far from the origin loses digits; a single point far
away does not move the median.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Float, Int64, Shaped
from torch import Tensor

Similarity = Literal["cosine", "euclidean", "dot"]
SideName = Literal["queries", "gallery"]
Index = slice | Int64[Tensor, " m"]

_ULPS = 4  # of double precision: by so much two ways to compute one similarity may differ
_UNIT = {torch.float32: 2.0**-24, torch.float64: 2.0**-53}
_LEAST = 2.0**-120  # what sums of products below the range of float32 may lose
_AT_ONCE = 4096
_SAFE = 2.0**40  # lengths from the inverse of this to this are left as they are


@dataclass(frozen=True)
class Side:
    """Queries or a gallery, sorted by label, counted from 0: distinct pairs of a vector and a label.

    ``counts`` says how many images each stands for; ``lengths`` are those of the vectors, for distances of the
    moved ones.
    """

    vectors: Float[Tensor, "n d"]
    labels: Int64[Tensor, " n"]
    counts: Int64[Tensor, " n"]
    lengths: Float[Tensor, " n"]

    def __len__(self) -> int:
        return len(self.labels)


@dataclass(frozen=True)
class Points:
    """Who looks for whom, by what similarity.

    ``own`` is the row of the gallery in which a query itself lies, -1 where it does not; an image is not compared with
    itself. ``shared`` says that both sides are the same rows. ``centre`` is what distances are measured from.
    ``places`` has one row of the gallery for each distinct vector, ``place_of`` the number of each row's place.
    """

    queries: Side
    gallery: Side
    similarity: Similarity
    own: Int64[Tensor, " q"]
    shared: bool
    centre: Float[Tensor, " d"]
    places: Int64[Tensor, " p"]
    place_of: Int64[Tensor, " g"]

    @property
    def merged(self) -> bool:
        """Whether some row of the gallery stands for several images."""
        return bool((self.gallery.counts > 1).any()) or len(self.places) < len(self.gallery)

    @property
    def symmetric(self) -> bool:
        """Whether the stand-ins of both sides are the same."""
        return self.shared and self.similarity != "euclidean"

    def exact(self, query: Int64[Tensor, " m"], other: Int64[Tensor, " m"]) -> Float[Tensor, " m"]:
        """The similarity of each query with its counterpart, float64: equal vectors get equal numbers."""
        one, two = self.queries.vectors[query].double(), self.gallery.vectors[other].double()
        if self.similarity == "euclidean":
            return -0.5 * (one - two).square_().sum(1)
        products = (one * two).sum(1)
        if self.similarity == "dot":
            return products
        lengths = self.queries.lengths[query] * self.gallery.lengths[other]
        return torch.where(lengths > 0, products / lengths, 0.0)

    def slack(self, similarity: Float[Tensor, "*m"]) -> Float[Tensor, "*m"]:
        """How far apart two similarities may be that count as equal."""
        if self.similarity == "dot":
            return torch.zeros_like(similarity)
        scale = torch.ones_like(similarity) if self.similarity == "cosine" else similarity.abs()
        return torch.where(similarity.isfinite(), scale, 0.0) * (_ULPS * _UNIT[torch.float64])

    def stand_ins(self, side: SideName, index: Index, dtype: torch.dtype) -> Float[Tensor, "m e"]:
        """Vectors whose inner products with those of the other side order it as the similarity does."""
        asks = side == "queries"
        side_ = self.queries if asks else self.gallery
        vectors = side_.vectors[index].double()
        if self.similarity == "dot":
            return vectors.to(dtype)
        if self.similarity == "cosine":
            lengths = side_.lengths[index, None]
            return torch.where(lengths > 0, vectors / lengths, 0.0).to(dtype)
        vectors = vectors - self.centre
        half, one = -0.5 * vectors.square().sum(1, keepdim=True), vectors.new_ones(len(vectors), 1)
        extra = (half, one) if asks else (one, half)
        return torch.cat((vectors, *extra), dim=1).to(dtype)  # of two: -(distance ** 2) / 2

    def all_stand_ins(self, side: SideName, dtype: torch.dtype) -> Float[Tensor, "n e"]:
        """`stand_ins` of a whole side, in little more memory than they take."""
        vectors = (self.queries if side == "queries" else self.gallery).vectors
        parts = [slice(start, start + _AT_ONCE) for start in range(0, len(vectors), _AT_ONCE)]
        width = vectors.shape[1] + 2 * (self.similarity == "euclidean")
        out = vectors.new_empty((len(vectors), width), dtype=dtype)
        for part in parts:
            out[part] = self.stand_ins(side, part, dtype)
        return out

    def errors(self, index: Index, similarity: Float[Tensor, " m"], dtype: torch.dtype) -> Float[Tensor, " m"]:
        """By how much the product of two stand-ins may be off, for whatever matters to a query.

        A sum of n products, each rounded, is off by n units of the product of the lengths, whatever the order. For
        distances that is a bound for gallery vectors about as near as ``similarity`` says, as a computed one or the
        exact one; what lies beyond is farther by more than it is off.

        Args:
            index: the queries.
            similarity: of the nearest positive.
            dtype: of the stand-ins and their products.
        """
        unit = (self.queries.vectors.shape[1] + 10) * _UNIT[dtype]
        lengths = self.queries.lengths[index]
        if self.similarity == "cosine":
            return torch.full_like(lengths, 2 * unit)
        if self.similarity == "dot":
            return 2 * unit * lengths * self.gallery.lengths.max() + _LEAST
        squared = torch.where(similarity.isfinite(), similarity, 0.0).double().neg().clamp(min=0) * 2.2
        reach = (squared + 32 * unit * lengths.square()).sqrt()
        return 4 * unit * (2 * lengths + reach).square() + _LEAST


def points_for(
    embeddings: Shaped[Tensor, " ..."],
    labels: Int64[Tensor, " q"],
    gallery: tuple[Shaped[Tensor, " ..."], Int64[Tensor, " g"]] | None,
    similarity: Similarity,
    *,
    includes_queries: bool = False,
    merge: bool = True,
) -> tuple[Points, Int64[Tensor, " q"]]:
    """The points, and the row of the queries' side in which each embedding lies.

    Args:
        embeddings: of the queries, of any floating type.
        labels: of the queries.
        gallery: what is searched; None for the queries themselves.
        similarity: what is near.
        includes_queries: the gallery begins with the queries, in their order.
        merge: equal rows of one label are one; otherwise every image has a row.

    Raises:
        ValueError: embeddings that are not finite, that do not fit their labels or the gallery, or none at all.
    """
    sides = {"embeddings": (embeddings, labels)} | ({} if gallery is None else {"gallery": gallery})
    _check(sides, includes_queries)
    if similarity not in ("cosine", "euclidean", "dot"):
        raise ValueError(f"similarity must be cosine, euclidean or dot, not {similarity!r}")
    vectors = _in_range([one for one, _ in sides.values()], similarity)
    codes = [_codes(one) for one in vectors] if merge else [torch.arange(len(one)) for one in vectors]
    codes = [code.to(one.device) for code, one in zip(codes, vectors, strict=True)]
    if merge and not all(_honest(one, code) for one, code in zip(vectors, codes, strict=True)):
        _, whole = torch.unique(torch.cat(vectors), dim=0, return_inverse=True)  # two vectors of one code: never yet
        codes = list(whole.split([len(one) for one in vectors]))
    others, other_codes = vectors[-1], codes[-1]
    named = [one.to(labels.device) for _, one in sides.values()]
    _, whole = torch.unique(torch.cat(named), return_inverse=True)  # any numbers may name classes
    labels, other_labels = whole[: len(labels)], whole[-len(others) :]
    centre = others.new_zeros(others.shape[1], dtype=torch.float64)
    if similarity == "euclidean":
        centre = others[:: max(1, len(others) // _AT_ONCE)].double().median(0).values
    theirs, their_row, their_codes = _side(others, other_labels, other_codes, centre, similarity)
    ours, row = theirs, their_row
    if gallery is not None:
        ours, row, _ = _side(vectors[0], labels, codes[0], centre, similarity)
    own = torch.full((len(ours),), -1, device=labels.device)
    if gallery is None:
        own = torch.arange(len(ours), device=labels.device)
    elif includes_queries:
        own[row] = their_row[: len(labels)]
    _, place_of = torch.unique(their_codes, return_inverse=True)
    places = place_of.new_empty(int(place_of.max()) + 1)
    places[place_of] = torch.arange(len(place_of), device=places.device)
    return Points(ours, theirs, similarity, own, gallery is None, centre, places, place_of), row


def _check(sides: dict[str, tuple[Tensor, Tensor]], includes_queries: bool) -> None:
    for name, (vectors, named) in sides.items():
        if vectors.ndim != 2 or len(vectors) != len(named) or not len(vectors):
            raise ValueError(f"{name} of shape {list(vectors.shape)} with {len(named)} labels: need [n, d] with n > 0")
        if not vectors.is_floating_point():
            raise ValueError(f"{name} must be floating-point numbers, not {vectors.dtype}")
        if not bool(vectors.isfinite().all()):
            bad = int((~vectors.isfinite().all(1)).nonzero()[0, 0])
            raise ValueError(f"{name} must be finite: number {bad} holds NaN or infinity; did the training diverge?")
    (queries, labels), (others, other_labels) = sides["embeddings"], sides.get("gallery", sides["embeddings"])
    if queries.shape[1] != others.shape[1]:
        raise ValueError(f"embeddings of {queries.shape[1]} dimensions in a gallery of {others.shape[1]}")
    if not includes_queries:
        return
    if "gallery" not in sides:
        raise ValueError("ref_includes_query needs a gallery; without one the queries search each other already")
    first = slice(0, len(labels))
    if not torch.equal(others[first].double(), queries.double()) or not torch.equal(other_labels[first], labels):
        raise ValueError("ref_includes_query: the gallery must begin with the queries and their labels, in their order")


def _in_range(vectors: Sequence[Tensor], similarity: Similarity) -> list[Tensor]:
    """At least float32, multiplied by powers of two: each row for angles, all alike for products and distances."""
    wide = [one if one.dtype in (torch.float32, torch.float64) else one.float() for one in vectors]
    if len({one.dtype for one in wide}) > 1:
        wide = [one.double() for one in wide]
    wide = [one + 0.0 for one in wide]  # -0 becomes 0
    largest = [one.abs().amax(1) for one in wide]
    most, least = (max(float(one.max()) for one in largest), min(float(one.min()) for one in largest))
    if most == 0 or (most < _SAFE and (least > 1 / _SAFE or (similarity != "cosine" and most > 1 / _SAFE))):
        return wide
    if similarity == "cosine":
        powers = [-torch.frexp(one.double()).exponent[:, None] for one in largest]
        return [torch.ldexp(one.double(), power).to(one.dtype) for one, power in zip(wide, powers, strict=True)]
    power = -torch.frexp(torch.tensor(most, dtype=torch.float64)).exponent
    return [torch.ldexp(one.double(), power.to(one.device)) for one in wide]


def _codes(vectors: Tensor) -> Int64[Tensor, " n"]:
    """A number for each row, equal for equal rows, and else almost surely another."""
    kind = torch.int32 if vectors.dtype == torch.float32 else torch.int64
    generator = torch.Generator().manual_seed(0)
    odd = torch.randint(-(2**62), 2**62, (vectors.shape[1],), generator=generator).to(vectors.device) * 2 + 1
    parts = [(part.view(kind).long() * odd) for part in torch.split(vectors.contiguous(), _AT_ONCE)]
    return torch.cat([(part ^ (part >> 32)).mul(odd).sum(1) for part in parts])


def _honest(vectors: Tensor, codes: Tensor) -> bool:
    """Whether rows of one code are equal."""
    order = codes.argsort()
    same = (codes[order][1:] == codes[order][:-1]).nonzero()[:, 0]
    return all(
        torch.equal(vectors[order[part]], vectors[order[part + 1]]) for part in torch.split(same, _AT_ONCE) if len(part)
    )


def _side(
    vectors: Tensor, labels: Tensor, codes: Tensor, centre: Tensor, similarity: Similarity
) -> tuple[Side, Tensor, Tensor]:
    """The distinct rows by label, the row of each vector, and the code of each row."""
    order = codes.argsort(stable=True)
    order = order[labels[order].argsort(stable=True)]
    sorted_labels, sorted_codes = labels[order], codes[order]
    new = torch.ones_like(order, dtype=torch.bool)
    new[1:] = (sorted_labels[1:] != sorted_labels[:-1]) | (sorted_codes[1:] != sorted_codes[:-1])
    number = new.long().cumsum(0) - 1
    row = torch.empty_like(number)
    row[order] = number
    kept = order[new]
    rows = vectors[kept].contiguous()
    moved = [
        part.double() - centre if similarity == "euclidean" else part.double() for part in torch.split(rows, _AT_ONCE)
    ]
    lengths = torch.cat([part.norm(dim=1) for part in moved])
    return Side(rows, labels[kept], torch.bincount(number), lengths), row, codes[kept]
