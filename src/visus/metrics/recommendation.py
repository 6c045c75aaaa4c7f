"""How good recommendations are: of one item left out of each history, and of whole lists.

Leave-one-out: the last item of each history is hidden, the others are what is known, and a list of K items is made of
them. The hit rate@K is the share of lists that hold the hidden item; nDCG@K gives 1 / log2(1 + its rank), so 1 where it
comes first (He et al., arXiv 1708.05031, section 4.1).
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from jaxtyping import Float, Int64
from torch import Tensor
from torch.nn import functional as F

Lists = Sequence[Sequence[int] | Int64[Tensor, " k"]]


def leave_one_out(histories: Sequence[Sequence[int]]) -> list[tuple[list[int], int]]:
    """Of each history with at least two items, those that are known and the last one, which is hidden."""
    return [(list(history[:-1]), int(history[-1])) for history in histories if len(history) > 1]


def hit_rate(lists: Lists, hidden: Sequence[int], *, k: int) -> float:
    """The share of lists with the hidden item among their first ``k``.

    Raises:
        ValueError: there is no list, not one hidden item for each, or ``k`` is below 1.
    """
    return sum(rank <= k for rank in _ranks(lists, hidden, k)) / len(lists)


def ndcg(lists: Lists, hidden: Sequence[int], *, k: int) -> float:
    """The mean of 1 / log2(1 + rank of the hidden item), 0 behind the first ``k``.

    Raises:
        ValueError: as for `hit_rate`.
    """
    ranks = _ranks(lists, hidden, k)
    return sum(1 / math.log2(1 + rank) if rank <= k else 0.0 for rank in ranks) / len(lists)


def coverage(lists: Lists, items: int, *, k: int) -> float:
    """The share of all items that is among the first ``k`` of some list.

    Raises:
        ValueError: there are no items.
    """
    if items < 1:
        raise ValueError("there are no items to cover")
    return len({int(item) for one in lists for item in list(one)[:k]}) / items


def intra_list_diversity(lists: Lists, items: Float[Tensor, "n d"], *, k: int) -> float:
    """The mean over lists of the mean of 1 - cosine over the pairs of their first ``k`` items.

    Lists with fewer than two items have no pair and do not count.

    Raises:
        ValueError: no list has two items.
    """
    points, found = F.normalize(items.double(), dim=1), []
    for one in lists:
        some = points[[int(item) for item in list(one)[:k]]]
        if len(some) > 1:
            cosines = some @ some.T
            pairs = len(some) * (len(some) - 1)
            found.append(1 - float(cosines.sum() - cosines.diagonal().sum()) / pairs)
    if not found:
        raise ValueError("diversity needs a list of two items")
    return sum(found) / len(found)


def _ranks(lists: Lists, hidden: Sequence[int], k: int) -> list[float]:
    """The rank of each hidden item, from 1; infinite where the list has it not."""
    if not len(lists) or len(lists) != len(hidden) or k < 1:
        raise ValueError(f"{len(lists)} lists, {len(hidden)} hidden items and k = {k}: one item each, and k from 1 on")
    ranks = []
    for one, item in zip(lists, hidden, strict=True):
        places = [int(place) for place in one]
        ranks.append(places.index(int(item)) + 1 if int(item) in places else math.inf)
    return ranks
