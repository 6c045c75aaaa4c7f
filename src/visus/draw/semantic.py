"""The classes of pixels on a picture: translucent colours, thin lines where classes meet, and which share each has."""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import UInt8
from PIL import Image, ImageFilter
from torch import Tensor
from torch.nn import functional as F

from visus.draw.canvas import Entry, Style, line_unit, with_legend
from visus.draw.palette import INK, PAPER, Colour, schema_colour, schema_name
from visus.types import VOID, Schema, SemanticPrediction, SemanticTarget

_OPACITY, _VOID_OPACITY, _CONTOUR_OPACITY = 0.55, 0.6, 0.7
_BACKGROUNDS = ("background", "_background_")  # what is nothing in particular keeps its own colours


def draw_semantic(
    picture: Image.Image, shown: SemanticPrediction | SemanticTarget, schema: Schema, style: Style
) -> Image.Image:
    """The classes of pixels in their colours, with a legend."""
    painted = paint_classes(picture, shown.labels, schema, scale=style.scale)
    return with_legend(painted, class_legend(shown.labels, schema), style)


def paint_classes(picture: Image.Image, labels: UInt8[Tensor, "h w"], schema: Schema, *, scale: int) -> Image.Image:
    """The picture, ``scale`` times as large as ``labels``, in the colours of its classes; void is darkened."""
    large = _enlarged(labels.cpu(), scale).numpy()
    colours, opacities = _tables(schema)
    opacity = opacities[large][..., None]
    pixels = np.asarray(picture, dtype=np.float32) * (1 - opacity) + colours[large] * opacity
    painted = Image.fromarray(pixels.round().astype(np.uint8))
    painted.paste(PAPER, (0, 0), _contours(large, line_unit(picture.size)))
    return painted


def class_legend(labels: UInt8[Tensor, "h w"], schema: Schema) -> list[Entry]:
    """The classes of a picture with their share of it, the largest first; void comes last."""
    counts = torch.bincount(labels.cpu().flatten().int(), minlength=VOID + 1)
    order = counts[: schema.num_classes].argsort(descending=True, stable=True).tolist()
    entries = [
        Entry(schema_name(schema, label), _percent(int(counts[label]) / labels.numel()), _shown_colour(schema, label))
        for label in order
        if counts[label]
    ]
    if counts[VOID]:
        entries.append(Entry("void", _percent(int(counts[VOID]) / labels.numel()), INK))
    return entries


def _shown_colour(schema: Schema, label: int) -> Colour | None:
    """The colour of a class, None for a background."""
    return None if schema.categories[label].lower() in _BACKGROUNDS else schema_colour(schema, label)


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %" if share >= 0.01 else "< 1 %"


def _tables(schema: Schema) -> tuple[np.ndarray, np.ndarray]:
    """The colour and the opacity of each value of a byte."""
    colours = np.zeros((256, 3), dtype=np.float32)
    opacities = np.zeros(256, dtype=np.float32)
    for label in range(schema.num_classes):
        if (colour := _shown_colour(schema, label)) is not None:
            colours[label], opacities[label] = colour, _OPACITY
    colours[VOID], opacities[VOID] = INK, _VOID_OPACITY
    return colours, opacities


def _enlarged(labels: UInt8[Tensor, "h w"], scale: int) -> UInt8[Tensor, "h2 w2"]:
    """A label map in the pixels of the drawing, its corners rounded."""
    if scale == 1:
        return labels
    present = torch.unique(labels)
    layers = (labels == present[:, None, None]).float()[None]
    smooth = F.interpolate(layers, scale_factor=scale, mode="bilinear", align_corners=False)[0]
    large: Tensor = present[smooth.argmax(dim=0)]
    return large


def _contours(labels: np.ndarray, unit: float) -> Image.Image:
    """How opaque the line is in each pixel, 0 to 255."""
    border = np.zeros(labels.shape, dtype=np.uint8)
    border[:, 1:] |= labels[:, 1:] != labels[:, :-1]
    border[1:] |= labels[1:] != labels[:-1]
    line = Image.fromarray(border * 255)
    if unit >= 3:
        line = line.filter(ImageFilter.MaxFilter(round(unit) // 2 * 2 + 1))
    line = line.filter(ImageFilter.GaussianBlur(0.5))
    return line.point([min(255, round(1.6 * _CONTOUR_OPACITY * value)) for value in range(256)])
