"""Five points of a face: the outer and inner corner of each eye and the base of the nose.

An ensemble of regression trees (Kazemi and Sullivan 2014, "One millisecond face alignment"): a shape is held in the
frame of the face's box and starts as the mean of all faces; in each of 15 rounds, 500 trees compare pixels at places
that move with the shape, and each adds the shift of the leaf that it ends in. All trees of a round are looked at
together, for all faces of an image. The trees are dlib's (``shape_predictor_5_face_landmarks``).
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Final

import numpy as np
import torch
from jaxtyping import Float, Int64, Shaped
from torch import Tensor, nn
from torch.nn import functional as F

from visus.systems.faces.dlib_file import DlibFile
from visus.systems.faces.packaged import LANDMARKS, model_file

NAMES: Final = ("left eye outer", "left eye inner", "right eye outer", "right eye inner", "nose")
"""Of the points, in the order of the file; left and right are the person's, as in COCO."""


class FaceLandmarks(nn.Module):
    """The trees.

    Args:
        mean: the shape that all faces start with, in shares of their boxes.
        features: of each round and place, the nearest point of the mean shape, and the way from it.
        splits: of each round and node, the two places that it compares.
        thresholds: of each round and node: the first child is taken where the difference is above it.
        leaves: of each round, tree and leaf, what the shape moves by.
    """

    mean: Tensor
    anchors: Tensor
    ways: Tensor
    splits: Tensor
    thresholds: Tensor
    leaves: Tensor

    def __init__(
        self,
        *,
        mean: Float[Tensor, "k 2"],
        features: tuple[Int64[Tensor, "rounds places"], Float[Tensor, "rounds places 2"]],
        splits: Int64[Tensor, "rounds trees nodes 2"],
        thresholds: Float[Tensor, "rounds trees nodes"],
        leaves: Float[Tensor, "rounds trees leaves k 2"],
    ) -> None:
        super().__init__()
        tensors = {"mean": mean, "anchors": features[0], "ways": features[1], "splits": splits}
        for name, tensor in {**tensors, "thresholds": thresholds, "leaves": leaves}.items():
            self.register_buffer(name, tensor, persistent=False)

    @torch.no_grad()
    def forward(self, image: Shaped[Tensor, "3 h w"], boxes: Float[Tensor, "n 4"]) -> Float[Tensor, "n k 2"]:
        """The points of the faces in ``boxes`` (xyxy), x and y in whole pixels of the image (their centres).

        Args:
            image: uint8 in 0..255 or float in 0..1.
            boxes: of the faces.
        """
        corners = boxes[:, None, :2].double()
        sides = boxes[:, None, 2:].double() - corners - 1  # from the first pixel to the last
        shapes = self.mean.expand(len(boxes), -1, -1)
        for anchors, ways, splits, thresholds, leaves in zip(
            self.anchors, self.ways, self.splits, self.thresholds, self.leaves, strict=True
        ):
            places = corners + sides * (_turned(ways, self.mean, shapes) + shapes[:, anchors])  # [n, places, 2]
            pixels = intensities(image, (places + 0.5).floor().long())  # [n, places]
            shapes = _moved(shapes, _leaves(pixels, splits, thresholds), leaves)
        return (corners + sides * shapes + 0.5).floor().float()


def _leaves(pixels: Tensor, splits: Tensor, thresholds: Tensor) -> Int64[Tensor, "n trees"]:
    """The leaf that each tree of a round ends in."""
    trees, nodes = thresholds.shape
    above = pixels[:, splits[..., 0]] - pixels[:, splits[..., 1]] > thresholds  # [n, trees, nodes]
    node = pixels.new_zeros((len(pixels), trees), dtype=torch.int64)
    for _ in range((nodes + 1).bit_length() - 1):
        node = 2 * node + 2 - above.gather(2, node[..., None])[..., 0].long()
    return node - nodes


def _moved(shapes: Tensor, chosen: Int64[Tensor, "n trees"], leaves: Tensor) -> Float[Tensor, "n k 2"]:
    """The shapes moved by a leaf of each tree.

    The trees were learned one behind the other, and which pixel is read next hangs on the last bit of a shape; so rows
    are added in order, as the bag does, to the shape itself, which is the first.
    """
    trees, each = leaves.shape[:2]
    table = torch.cat([leaves.flatten(2).flatten(0, 1), shapes.flatten(1)])
    first = trees * each + torch.arange(len(shapes), device=shapes.device)
    rows = chosen + each * torch.arange(trees, device=shapes.device)
    return F.embedding_bag(torch.cat([first[:, None], rows], dim=1), table, mode="sum").view_as(shapes)


def intensities(image: Shaped[Tensor, "3 h w"], places: Int64[Tensor, "n places 2"]) -> Float[Tensor, "n places"]:
    """The mean of red, green and blue at x and y, in whole numbers of 0..255; 0 outside of the image."""
    (_, height, width), (x, y) = image.shape, places.unbind(2)
    inside = (x >= 0) & (x < width) & (y >= 0) & (y < height)
    pixels = image[:, y.clamp(0, height - 1), x.clamp(0, width - 1)]  # [3, n, places]
    pixels = pixels if image.dtype == torch.uint8 else (pixels * 255).round()
    return (pixels.int().sum(dim=0) // 3 * inside).float()


def _turned(ways: Tensor, mean: Tensor, shapes: Float[Tensor, "n k 2"]) -> Float[Tensor, "n places 2"]:
    """The ways turned and stretched as the mean shape is to come nearest to each shape."""
    turn = similarity(mean.double().expand_as(shapes), shapes.double())[:, None, :, :2].float()  # [n, 1, 2, 2]
    return turn[..., 0] * ways[:, :1] + turn[..., 1] * ways[:, 1:]  # each product rounded, unlike in a matrix product


def similarity(points: Float[Tensor, "n k 2"], wanted: Float[Tensor, "n k 2"]) -> Float[Tensor, "n 2 3"]:
    """The rotation, scale and shift of each set of points that bring it nearest to the wanted one, least squares.

    In the plane that is a complex factor, with no decomposition: Umeyama 1991 ("Least-squares estimation of
    transformation parameters between two point patterns", equations 40 to 42) without reflections.
    """
    centre, target = points.mean(dim=1, keepdim=True), wanted.mean(dim=1, keepdim=True)
    from_, to = points - centre, wanted - target
    size = from_.square().sum(dim=(1, 2)).clamp_min(torch.finfo(points.dtype).tiny)
    along = (from_ * to).sum(dim=(1, 2)) / size
    across = (from_[..., 0] * to[..., 1] - from_[..., 1] * to[..., 0]).sum(dim=1) / size
    turn = torch.stack([torch.stack([along, -across], dim=1), torch.stack([across, along], dim=1)], dim=1)
    shift = target - centre @ turn.transpose(1, 2)  # [n, 1, 2]
    return torch.cat([turn, shift.transpose(1, 2)], dim=2)


def face_landmarks(path: str | Path | None = None) -> FaceLandmarks:
    """The trees of a file.

    Args:
        path: of the file; None is the one that the extra ``faces`` installs.

    Raises:
        VisusError: the extra is not installed.
        DlibFileError: the file is missing, damaged, or holds something else.
    """
    file = DlibFile(path or model_file(LANDMARKS))
    file.expect(1, "the version of the trees")
    integers, reals = file.rest()
    numbers = _Numbers(file, integers, reals)
    mean = numbers.matrix()
    rounds = numbers.count("rounds")
    parts = [_round(numbers, len(mean)) for _ in range(rounds)]
    anchors = numbers.lists(rounds, lambda count: numbers.take(integers, count))
    ways = numbers.lists(rounds, lambda count: numbers.take(reals, 4 * count)[::2].reshape(count, 2))
    numbers.end()
    splits, thresholds, leaves = (torch.stack(part) for part in zip(*parts, strict=True))
    return FaceLandmarks(
        mean=torch.from_numpy(mean).float().view(-1, 2),
        features=(torch.from_numpy(anchors), torch.from_numpy(ways).float()),
        splits=splits,
        thresholds=thresholds,
        leaves=leaves,
    ).eval()


class _Numbers:
    """All numbers of a file behind its version, as integers and as reals that begin there, read from the front."""

    def __init__(self, file: DlibFile, integers: np.ndarray, reals: np.ndarray) -> None:
        self.file, self.integers, self.reals, self.place = file, integers, reals, 0

    def take(self, numbers: np.ndarray, count: int) -> np.ndarray:
        """The next ``count`` of ``numbers``."""
        if self.place + count > len(numbers):
            raise self.file.wrong("fewer numbers than there should be")
        self.place += count
        return numbers[self.place - count : self.place]

    def count(self, what: str) -> int:
        """The next integer, as the length of a list."""
        (count,) = self.take(self.integers, 1)
        if not 0 < count < 1 << 20:
            raise self.file.wrong(f"{count} {what}")
        return int(count)

    def matrix(self) -> np.ndarray:
        """The next matrix of one column; its sides are written below zero."""
        rows, columns = self.take(self.integers, 2)
        if columns != -1 or not 0 < -rows < 1 << 10:
            raise self.file.wrong(f"a matrix of {-rows} by {-columns}")
        return self.take(self.reals, 2 * -int(rows))[::2]

    def lists(self, wanted: int, read: Callable[[int], np.ndarray]) -> np.ndarray:
        """The next list of ``wanted`` lists, all of one length."""
        if (found := self.count("lists")) != wanted:
            raise self.file.wrong(f"{found} lists, not {wanted}")
        parts = [read(self.count("elements")) for _ in range(wanted)]
        if len({part.shape for part in parts}) != 1:
            raise self.file.wrong("lists that differ in length")
        return np.stack(parts)

    def end(self) -> None:
        """Makes sure that nothing is left."""
        if self.place != len(self.integers):
            raise self.file.wrong("more numbers than there should be")


def _round(numbers: _Numbers, sides: int) -> tuple[Tensor, Tensor, Tensor]:
    """Splits, thresholds and leaves of the trees of one round, which are all of one depth."""
    trees = numbers.count("trees")
    (nodes,) = numbers.integers[numbers.place : numbers.place + 1].tolist() or [0]
    if nodes < 1 or nodes & (nodes + 1):
        raise numbers.file.wrong(f"a tree of {nodes} nodes")
    # a tree: how many nodes, and of each two places and a real; how many leaves, and of each its sides and its reals
    leaves, leaf = nodes + 1, 2 + 2 * sides
    length = 1 + 4 * nodes + 1 + leaves * leaf
    start = numbers.place
    integers = numbers.take(numbers.integers, trees * length).reshape(trees, length)
    reals = numbers.reals[start : numbers.place].reshape(trees, length)
    below = integers[:, 2 + 4 * nodes :].reshape(trees, leaves, leaf)
    right = (integers[:, 0] == nodes) & (integers[:, 1 + 4 * nodes] == leaves)
    if not (right.all() and (below[..., 0] == -sides).all() and (below[..., 1] == -1).all()):
        raise numbers.file.wrong("trees that differ in depth")
    branches = integers[:, 1 : 1 + 4 * nodes].reshape(trees, nodes, 4)
    values = reals[:, 2 + 4 * nodes :].reshape(trees, leaves, leaf)[..., 2::2]
    return (
        torch.from_numpy(branches[..., :2].copy()),
        torch.from_numpy(reals[:, 1 : 1 + 4 * nodes].reshape(trees, nodes, 4)[..., 2].copy()).float(),
        torch.from_numpy(values.copy()).float().view(trees, leaves, -1, 2),
    )
