"""Images that were made of scene graphs: the image beside its layout."""

from __future__ import annotations

import torch
from jaxtyping import UInt8
from PIL import Image
from torch import Tensor

from visus.draw.canvas import STRIP, Style
from visus.draw.instances import draw_instance_target
from visus.scenes import SceneGraph
from visus.types import ImagePrediction, ImageTarget, InstanceTarget, Schema

_PAPER = 236  # of 255, what layouts are drawn on


def draw_made(picture: Image.Image, found: ImagePrediction, schema: Schema, style: Style) -> Image.Image:
    """The image and, right of it, the boxes and outlines of its layout."""
    return side_by_side(_enlarged(found.pixels, picture), layout_of(found, picture.size, schema, style))


def draw_real(picture: Image.Image, target: ImageTarget, schema: Schema, style: Style) -> Image.Image:
    """The real image of a graph."""
    return _enlarged(target.pixels, picture)


def layout_of(found: ImagePrediction | ImageTarget, size: tuple[int, int], schema: Schema, style: Style) -> Image.Image:
    """The boxes and the outlines of the objects on paper of ``size`` (width, height), large ones below small ones."""
    boxes = found.boxes_xyxy.cpu()
    objects = InstanceTarget(
        boxes_xyxy=boxes,
        labels=found.labels.cpu(),
        areas=(boxes[:, 2:] - boxes[:, :2]).prod(dim=1),
        is_crowd=torch.zeros(len(boxes), dtype=torch.bool),
        size=found.size,
        masks=None if found.masks is None else found.masks.cpu() >= 0.5,
    )
    paper = Image.new("RGB", size, (_PAPER, _PAPER, _PAPER))
    return draw_instance_target(paper, objects, schema, style)


def side_by_side(*pictures: Image.Image) -> Image.Image:
    """Pictures in a row, a narrow strip between them."""
    gap = max(2, pictures[0].width // 60)
    width = sum(one.width for one in pictures) + gap * (len(pictures) - 1)
    sheet = Image.new("RGB", (width, max(one.height for one in pictures)), STRIP)
    left = 0
    for one in pictures:
        sheet.paste(one, (left, 0))
        left += one.width + gap
    return sheet


def blank(graph: SceneGraph) -> UInt8[Tensor, "3 h w"]:
    """What there is to see of a graph before its image is made: white, of the size of the image."""
    return torch.full((3, *graph.size), 255, dtype=torch.uint8)


def _enlarged(pixels: UInt8[Tensor, "3 _ _"], picture: Image.Image) -> Image.Image:
    """An image in the size of the picture that would be drawn on."""
    own = Image.fromarray(pixels.permute(1, 2, 0).contiguous().cpu().numpy())
    return own if own.size == picture.size else own.resize(picture.size, Image.Resampling.BICUBIC)
