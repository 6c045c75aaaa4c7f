"""Faces found by a small convolutional network over a pyramid of the image (max-margin object detection).

The network is dlib's (D. E. King, arXiv 1502.00046; ``mmod_human_face_detector``): three convolutions of 5 x 5 with
stride 2, three without, and one of 9 x 9 that scores a square of 80 pixels around each cell. Larger faces are found in
smaller copies of the image, each 5/6 of the one before. All copies lie in one canvas, in two columns with a margin, so
that one pass looks at all; near their edges they see each other, which the network has learned with. Of boxes that
share more than some part of the box around both, the best stays.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import torch
from jaxtyping import Float, Shaped
from torch import Tensor, nn
from torch.nn import functional as F

from visus.systems.faces.convolutions import load_convolutions, ready
from visus.systems.faces.dlib_file import DlibFileError, read_network
from visus.systems.faces.embedding import MEAN
from visus.systems.faces.packaged import DETECTOR, model_file

RATE: Final = 5 / 6
"""The sides of a copy of the image, as a share of those of the copy before."""

MARGIN, BORDER, LEAST_HEIGHT = 10, 11, 5
"""Pixels between copies, around the canvas, and of the lowest copy."""

STRIDE, FIRST = 8, 14
"""Pixels of the canvas from one cell of the scores to the next, and where the first one lies."""


@dataclass(frozen=True)
class Copy:
    """Where a copy of the image lies in the canvas, in pixels."""

    left: int
    top: int
    width: int
    height: int


class FaceDetector(nn.Module):
    """An image to boxes of faces.

    Args:
        window: pixels of a side of the square that a cell scores.
        overlap: of two boxes whose intersection is more than this share of the box around both, the better one stays.
    """

    mean: Tensor

    def __init__(self, *, window: int = 80, overlap: float = 0.34) -> None:
        super().__init__()
        self.window, self.overlap = window, overlap
        layers: list[nn.Module] = []
        for channels, filters, stride in ((3, 16, 2), (16, 32, 2), (32, 32, 2), (32, 45, 1), (45, 45, 1), (45, 45, 1)):
            padding = 0 if stride > 1 else 2
            layers += [nn.Conv2d(channels, filters, 5, stride=stride, padding=padding), nn.ReLU(inplace=True)]
        self.scores = nn.Sequential(*layers, nn.Conv2d(45, 1, 9, padding=4))
        self.register_buffer("mean", torch.tensor(MEAN).view(3, 1, 1), persistent=False)

    @torch.no_grad()
    def forward(
        self, image: Shaped[Tensor, "3 h w"], threshold: float = 0.0
    ) -> tuple[Float[Tensor, "n 4"], Float[Tensor, " n"]]:
        """The boxes (xyxy, whole pixels) and scores of the faces of an image, best first.

        Args:
            image: uint8 in 0..255 or float in 0..1.
            threshold: faces that score no more are not reported; the network was trained for 0.
        """
        pixels = image.float() if image.dtype == torch.uint8 else image * 255
        canvas, copies = tiled((pixels - self.mean) / 256)
        if min(canvas.shape[1:]) < FIRST * 2 + 1:
            return canvas.new_zeros((0, 4)), canvas.new_zeros(0)
        scores = self.scores(canvas[None].contiguous(memory_format=torch.channels_last))[0, 0]
        rows, columns = (scores > threshold).nonzero(as_tuple=True)
        found = scores[rows, columns]
        order = torch.argsort(found, descending=True, stable=True)
        centres = torch.stack([columns[order], rows[order]], dim=1).double() * STRIDE + FIRST
        boxes = in_image(centres, copies, self.window)
        kept = _apart(boxes, self.overlap)
        return boxes[kept].float(), found[order][kept]


def layout(height: int, width: int) -> tuple[tuple[int, int], list[Copy]]:
    """The (h, w) of the canvas and the places of all copies of an image of this size.

    The first column goes down to where the next copy fits beside the last one; the second comes back up, as far as it
    does not reach the first copy.
    """
    sizes = [(height, width)]
    while math.floor(RATE * sizes[-1][0]) >= LEAST_HEIGHT and math.floor(RATE * sizes[-1][1]) >= 1:
        sizes.append((math.floor(RATE * sizes[-1][0]), math.floor(RATE * sizes[-1][1])))
    total = sum(h + MARGIN for h, _ in sizes) - 2 * MARGIN
    column, before = 0, 0
    for h, w in sizes:
        if w <= width - before - MARGIN and (column - height) * 2 >= total - height:
            break
        column, before = column + h + MARGIN, w
    column -= MARGIN
    copies: list[Copy] = []
    y = BORDER
    while y < column + BORDER and len(copies) < len(sizes):
        h, w = sizes[len(copies)]
        copies.append(Copy(BORDER, y, w, h))
        y += h + MARGIN
    y -= MARGIN
    for h, w in sizes[len(copies) :]:
        place = Copy(BORDER + width - w, y - h, w, h)
        if place.top < BORDER + height:  # it would reach into the first copy
            break
        copies.append(place)
        y -= h + MARGIN
    return (column + 2 * BORDER, width + 2 * BORDER), copies


def tiled(pixels: Float[Tensor, "3 h w"]) -> tuple[Float[Tensor, "3 _ _"], list[Copy]]:
    """All copies of an image in one canvas, zero between them; each is made of the one before."""
    size, copies = layout(*pixels.shape[1:])
    canvas = pixels.new_zeros((3, *size))
    for place in copies:
        wanted = (place.height, place.width)
        if wanted != tuple(pixels.shape[1:]):
            pixels = F.interpolate(pixels[None], size=wanted, mode="bilinear", align_corners=True)[0]
        canvas[:, place.top : place.top + place.height, place.left : place.left + place.width] = pixels
    return canvas, copies


def in_image(centres: Float[Tensor, "n 2"], copies: list[Copy], window: int) -> Float[Tensor, "n 4"]:
    """Squares around places of the canvas, as boxes (xyxy) in whole pixels of the image.

    A place belongs to the copy that it lies in, else to the nearest one.
    """
    corners = centres.new_tensor([[copy.left, copy.top] for copy in copies])  # [copies, 2]
    last = corners + centres.new_tensor([[copy.width - 1, copy.height - 1] for copy in copies])
    whole = (centres + 0.5).floor()[:, None]  # [n, 1, 2]
    distance = (whole - whole.maximum(corners).minimum(last)).norm(dim=2)  # [n, copies]
    level = distance.argmin(dim=1)
    half = (window - 1) / 2
    squares = torch.cat([centres - half, centres + half], dim=1) - corners[level].repeat(1, 2)
    # A step up brings x to x / RATE + .3, so n steps bring it to (x + c) / RATE^n - c with c = .3 / (1 / RATE - 1).
    grown = (1 / RATE) ** level.double()[:, None]
    squares = squares * grown + 0.3 * (grown - 1) / (1 / RATE - 1)
    squares = torch.where(squares < 0, -((-squares + 0.5).floor()), (squares + 0.5).floor())
    return squares + squares.new_tensor([0, 0, 1, 1])  # the last pixel is part of the box


def _apart(boxes: Float[Tensor, "n 4"], overlap: float) -> list[int]:
    """The indices of the boxes that stay, best first, where boxes are given best first."""
    kept: list[int] = []
    for index, box in enumerate(boxes):
        others = boxes[kept]
        low, high = others[:, :2].maximum(box[:2]), others[:, 2:].minimum(box[2:])
        shared = (high - low).clamp_min(0).prod(dim=1)
        around = (others[:, 2:].maximum(box[2:]) - others[:, :2].minimum(box[:2])).prod(dim=1)
        if not bool((shared > overlap * around).any()):
            kept.append(index)
    return kept


def face_detector(path: str | Path | None = None) -> FaceDetector:
    """The network with its weights, in evaluation mode.

    Args:
        path: of the file; None is the one that the extra ``faces`` installs.

    Raises:
        VisusError: the extra is not installed.
        DlibFileError: the file is missing, damaged, or of another network.
    """
    file = read_network(path or model_file(DETECTOR))
    if file.loss != "loss_mmod_" or file.numbers["width"] != file.numbers["height"]:
        raise DlibFileError(f"{file.path}: no detector of squares")
    network = FaceDetector(window=int(file.numbers["width"]), overlap=file.numbers["overlap"])
    load_convolutions(network, file)
    return ready(network)
