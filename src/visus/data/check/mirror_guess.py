"""Which keypoints probably change places in a mirror, by where they lie on average: offered, and not trained on.

Objects that look alike from both sides have keypoints that, over a whole data set, lie as far to the left of a vertical
line as their counterparts lie to its right, and on that line where they have none.
"""

from __future__ import annotations

import json
import shlex
from contextlib import suppress
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Float64
from torch import Tensor

from visus.data.augment.mirror import mirror_of
from visus.data.feed.loader import SampleDataset
from visus.data.formats.flip_pairs import flip_pairs_file, listed_pairs
from visus.errors import VisusError
from visus.names import counted
from visus.types import Schema

_MOST_IMAGES = 2000  # spread over the data: enough for means
_LEAST_SEEN = 3  # objects that a keypoint must be labelled on
_MIDDLES = np.linspace(0.25, 0.75, 51)  # where the line may stand in the objects' boxes
_WORST = 0.2  # how far reflected means may lie from the means, as a share of the means' own spread


@dataclass(frozen=True)
class MirrorGuess:
    """Pairs that are offered.

    Args:
        pairs: places of keypoints that probably change places.
        objects: how many objects they were guessed from.
    """

    pairs: tuple[tuple[int, int], ...]
    objects: int


def guess_flip_pairs(dataset: SampleDataset) -> MirrorGuess | None:
    """The pairs that the keypoints' mean places suggest; None where these are not symmetrical, or too few are labelled.

    Targets are read without decoding images where the data set can do so; those that cannot be read are left out.
    """
    total = np.zeros((dataset.schema.num_keypoints, 3))  # sums of x, y and 1
    objects = 0
    chosen = np.unique(np.linspace(0, len(dataset) - 1, min(len(dataset), _MOST_IMAGES)).astype(int))
    for index in chosen.tolist():
        with suppress(VisusError):  # told where it is drawn, checked or trained on
            for places in _in_boxes(_target(dataset, index)):
                total += places.double().numpy()
                objects += 1
    counts = total[:, 2:]
    positions = np.where(counts >= _LEAST_SEEN, total[:, :2] / np.maximum(counts, 1), np.nan)
    pairs = symmetrical_pairs(positions)
    return None if pairs is None else MirrorGuess(pairs, objects)


def offered_pairs(dataset: SampleDataset) -> MirrorGuess | None:
    """The guess where nobody knows the pairs of a data set's keypoints; None where somebody does, or it has none."""
    meaning = dataset.schema.keypoints
    return guess_flip_pairs(dataset) if meaning is not None and meaning.flip_pairs is None else None


def not_mirrored(root: Path, schema: Schema, guess: MirrorGuess | None) -> str:
    """One line on why training will not mirror images of some data, and what helps; empty where it will.

    Args:
        root: the folder of the data.
        schema: of the data.
        guess: the pairs of keypoints to offer.
    """
    refusals = mirror_of(schema).refusals
    if not refusals:
        return ""
    reasons, meaning = f"Training will not mirror images: {'; '.join(refusals)}.", schema.keypoints
    if meaning is None or meaning.flip_pairs is not None:
        return reasons
    file = flip_pairs_file(root)
    if guess is None:
        example = json.dumps([[meaning.names[0], meaning.names[-1]]], ensure_ascii=False)
        return f"{reasons} Mean positions do not tell either: write the pairs into {file}, as {example}; [] for none."
    pairs, objects = listed_pairs(meaning.names, guess.pairs), counted(guess.objects, "objects")
    command = f"`visus data show {shlex.quote(str(root))} --write-flip-pairs`"
    return f"{reasons} Guess by mean positions on {objects}: {pairs}. {command} writes it into {file}."


def symmetrical_pairs(positions: Float64[np.ndarray, "k 2"]) -> tuple[tuple[int, int], ...] | None:
    """The pairs of points that lie symmetrically about some vertical line; None where the points do not.

    Args:
        positions: x and y in 0 to 1; NaN for points that are in no pair.
    """
    seen = np.flatnonzero(np.isfinite(positions).all(axis=1))
    points = positions[seen]
    spread = float(np.sqrt(points.var(axis=0).sum())) if len(points) > 1 else 0.0
    if spread == 0:
        return None
    middle = min(_MIDDLES, key=lambda x: float(_distances(points, x).min(axis=1).sum()))
    for _ in range(2):  # the line first as the grid has it, then as the pairs have it
        matched = _matched(_distances(points, middle))
        middle = float((points[:, 0] + points[matched, 0]).mean() / 2)
    residual = _distances(points, middle)[np.arange(len(points)), matched]
    if float(np.sqrt((residual**2).mean())) > _WORST * spread:
        return None
    return tuple((int(seen[one]), int(seen[other])) for one, other in enumerate(matched) if one < other)


def _target(dataset: Any, index: int) -> Any:
    return dataset.target(index) if hasattr(dataset, "target") else dataset[index].target


def _in_boxes(target: Any) -> list[Float[Tensor, "k 3"]]:
    """For each object with keypoints, where they lie in its box, and 1 for those that are labelled; else 0, 0, 0."""
    points: Tensor = target.keypoints_xyv
    corner, sides = target.boxes_xyxy[:, None, :2], (target.boxes_xyxy[:, 2:] - target.boxes_xyxy[:, :2])[:, None]
    known = (points[..., 2:] > 0) & (sides > 0).all(dim=-1, keepdim=True)
    places = torch.cat(((points[..., :2] - corner) / sides.clamp(min=1e-6), torch.ones_like(points[..., 2:])), dim=-1)
    return [one for one in places.where(known, 0) if bool(one[:, 2].any())]


def _distances(points: Float64[np.ndarray, "k 2"], middle: float) -> Float64[np.ndarray, "k k"]:
    """How far each point lies from the reflections of all."""
    reflected = points * (-1, 1) + (2 * middle, 0)
    distances: np.ndarray = np.linalg.norm(points[:, None] - reflected, axis=-1)
    return distances


def _matched(distances: Float64[np.ndarray, "k k"]) -> np.ndarray:
    """The counterpart of each point, which may be itself.

    The nearest ones first; then pairs, and points by themselves, exchange partners as long as that lowers the sum of
    squares. The sum does not mind that an eye as a whole lies a little off the place that the other one reflects to, as
    it does where faces look to one side more often.
    """
    matched = _nearest_first(distances)
    cost = distances**2
    improved = True
    while improved:
        improved = False
        for one, other in combinations(range(len(cost)), 2):
            a, b = int(matched[one]), int(matched[other])
            choices: list[tuple[tuple[int, int], ...]]
            if a == other:  # a pair that may part
                choices = [((one, one), (other, other))]
            elif a == one and b == other:
                choices = [((one, other),)]
            elif a == one or b == other:  # a point by itself may take the place of one of a pair
                alone, first, second = (one, other, b) if a == one else (other, one, a)
                choices = [((alone, first), (second, second)), ((alone, second), (first, first))]
            else:
                choices = [((one, other), (a, b)), ((one, b), (other, a))]
            now = sum(cost[place, matched[place]] for place in {one, other, a, b})
            for choice in choices:
                if sum(cost[i, j] * (1 + (i != j)) for i, j in choice) < now - 1e-12:
                    for i, j in choice:
                        matched[i], matched[j] = j, i
                    improved = True
                    break
    return matched


def _nearest_first(distances: Float64[np.ndarray, "k k"]) -> np.ndarray:
    """The counterpart of each point by the distances alone, the smallest first."""
    count = len(distances)
    matched = np.full(count, -1)
    rows, columns = np.triu_indices(count)
    for at in np.argsort(distances[rows, columns], kind="stable"):
        one, other = rows[at], columns[at]
        if matched[one] < 0 and matched[other] < 0:
            matched[one], matched[other] = other, one
    return matched
