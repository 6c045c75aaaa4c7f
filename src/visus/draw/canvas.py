"""What drawings share. Small pictures are enlarged so that names can be read; lines grow with large ones."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

from jaxtyping import UInt8
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from visus.draw.labels import Labels
from visus.draw.palette import Colour

_READABLE_SIDE = 480  # shorter pictures are enlarged by a whole number until their long side reaches this
_MOST_ENLARGED = 4
STRIP: Final[Colour] = (246, 247, 249)
"""What legends are written on."""

_STRIP_INK, _FAINT, _TRACK = (38, 44, 54), (122, 131, 145), (226, 230, 236)
_GLASS, _GLASS_INK, _GLASS_FAINT = (15, 18, 25, 190), (244, 246, 249), (186, 194, 206)


@dataclass(frozen=True)
class Style:
    """How something is drawn.

    Args:
        scale: how many times the picture is larger than the image.
        min_score: the least score of a predicted object that is drawn.
        text_scale: larger letters where the drawing will be shown smaller than it is.
        legend: below the picture or inside of it.
        labels: which objects have their names beside them.
    """

    scale: int = 1
    min_score: float = 0.3
    text_scale: float = 1.0
    legend: Literal["below", "inside"] = "below"
    labels: Labels = "auto"


def enlargement(size: tuple[int, int]) -> int:
    """How many times a picture of ``size`` (h, w) is enlarged before names are written on it."""
    return min(_MOST_ENLARGED, max(1, math.ceil(_READABLE_SIDE / max(size))))


def line_unit(size: tuple[int, int]) -> float:
    """The width of a line, in pixels, that looks the same in a picture of any ``size``."""
    return max(1.5, math.sqrt(size[0] * size[1]) / 320)


def letter_size(size: tuple[int, int]) -> float:
    """The height of letters, in pixels, that can be read in a picture of ``size``."""
    return 9 + 3 * line_unit(size)


def enlarged(image: UInt8[Tensor, "3 h w"]) -> tuple[Image.Image, int]:
    """An image as a picture to draw on, and how many times larger it is."""
    scale = enlargement((image.shape[-2], image.shape[-1]))
    picture = Image.merge("RGB", [Image.fromarray(plane) for plane in image.cpu().contiguous().numpy()])
    if scale > 1:
        picture = picture.resize((picture.width * scale, picture.height * scale), Image.Resampling.BICUBIC)
    return picture, scale


@dataclass(frozen=True)
class Entry:
    """One line of a legend.

    Args:
        text: the name.
        value: what is written behind it, in a fainter colour.
        colour: of its mark; None draws a hollow one.
    """

    text: str
    value: str
    colour: Colour | None


def rounded_box(
    pen: ImageDraw.ImageDraw,
    corners: tuple[float, float, float, float],
    *,
    radius: float,
    fill: tuple[int, ...] | None = None,
    outline: tuple[int, ...] | None = None,
    width: int = 1,
) -> None:
    """A rectangle of any size (its left, top, right and bottom pixels); one too small for round corners is square.

    Pillow refuses boxes that are barely as wide as their two corners, so round ones are drawn in whole pixels and with
    room between them.
    """
    x1, y1, x2, y2 = (round(v) for v in corners)
    box, radius = (x1, y1, max(x1, x2), max(y1, y2)), round(radius)
    if radius < 1 or min(box[2] - box[0], box[3] - box[1]) < 2 * radius + 2:
        pen.rectangle(box, fill=fill, outline=outline, width=width)
    else:
        pen.rounded_rectangle(box, radius=radius, fill=fill, outline=outline, width=width)


def with_legend(picture: Image.Image, entries: Sequence[Entry], style: Style) -> Image.Image:
    """The picture with the entries below it or, changed in place, inside of it, as the style says."""
    font_size = letter_size(picture.size) * style.text_scale
    if style.legend == "below":
        return legend_below(picture, entries, font_size=font_size)
    legend_inside(picture, entries, font_size=font_size)
    return picture


def legend_below(picture: Image.Image, entries: Sequence[Entry], *, font_size: float) -> Image.Image:
    """The picture with a strip below it that holds the entries, in columns as wide as the widest of them."""
    if not entries:
        return picture
    font, line = ImageFont.load_default(font_size), round(1.55 * font_size)
    margin = round(0.6 * font_size)
    width = max(_entry_width(entry, font, font_size) for entry in entries) + margin
    columns = max(1, int((picture.width - margin) // width))
    rows = math.ceil(len(entries) / columns)
    sheet = Image.new("RGB", (picture.width, picture.height + rows * line + margin), STRIP)
    sheet.paste(picture, (0, 0))
    pen = ImageDraw.Draw(sheet)
    for place, entry in enumerate(entries):
        row, column = divmod(place, columns)
        left = margin + column * (picture.width - margin) / columns
        middle = picture.height + margin / 2 + (row + 0.5) * line
        _write_entry(pen, entry, (left, middle), font, font_size, inks=(_STRIP_INK, _FAINT))
    return sheet


def legend_inside(picture: Image.Image, entries: Sequence[Entry], *, font_size: float) -> None:
    """Writes the entries on dark glass in the lower left corner, as many as half of the picture has room for."""
    line, margin = round(1.55 * font_size), round(0.6 * font_size)
    shown = entries[: max(1, (picture.height // 2 - 2 * margin) // line)]
    if not shown:
        return
    font = ImageFont.load_default(font_size)
    width = max(_entry_width(entry, font, font_size) for entry in shown) + 2 * margin
    top = picture.height - len(shown) * line - 2 * margin
    pen = ImageDraw.Draw(picture, "RGBA")
    corners = (margin, top, margin + width, picture.height - margin)
    rounded_box(pen, corners, radius=margin, fill=_GLASS)
    for row, entry in enumerate(shown):
        middle = top + margin / 2 + (row + 0.5) * line
        _write_entry(pen, entry, (2 * margin, middle), font, font_size, inks=(_GLASS_INK, _GLASS_FAINT))


def bars_below(picture: Image.Image, rows: Sequence[tuple[Entry, float]], *, font_size: float) -> Image.Image:
    """The picture with a strip below it: a name, a bar as long as its share (0 to 1), and what is written behind it."""
    font, line = ImageFont.load_default(font_size), round(1.6 * font_size)
    margin = round(0.6 * font_size)
    sheet = Image.new("RGB", (picture.width, picture.height + len(rows) * line + margin), STRIP)
    sheet.paste(picture, (0, 0))
    pen = ImageDraw.Draw(sheet)
    numbers = max((font.getlength(entry.value) for entry, _ in rows), default=0)
    names = min(max((font.getlength(entry.text) for entry, _ in rows), default=0), 0.55 * picture.width)
    left, right = 2 * margin + names, picture.width - 2 * margin - numbers
    for row, (entry, share) in enumerate(rows):
        middle = picture.height + margin / 2 + (row + 0.5) * line
        text = shortened(entry.text, font, names)
        pen.text((margin, middle), text, font=font, fill=_STRIP_INK, anchor="lm")
        pen.text((picture.width - margin, middle), entry.value, font=font, fill=_STRIP_INK, anchor="rm")
        for end, colour in ((1.0, _TRACK), (share, entry.colour)):
            if colour is not None and (right - left) * end >= 1:
                corners = (left, middle - 0.32 * font_size, left + (right - left) * end, middle + 0.32 * font_size)
                rounded_box(pen, corners, radius=0.16 * font_size, fill=colour)
    return sheet


Font = ImageFont.FreeTypeFont | ImageFont.ImageFont


def _entry_width(entry: Entry, font: Font, font_size: float) -> float:
    gap = 0.45 * font_size if entry.value else 0
    return 1.25 * font_size + font.getlength(entry.text) + gap + font.getlength(entry.value)


def _write_entry(
    pen: ImageDraw.ImageDraw,
    entry: Entry,
    place: tuple[float, float],
    font: Font,
    font_size: float,
    *,
    inks: tuple[Colour, Colour],
) -> None:
    """A mark, a name and a value; ``place`` is the middle of the left edge."""
    x, y = place
    half = 0.38 * font_size
    square = (x, y - half, x + 2 * half, y + half)
    if entry.colour is None:
        rounded_box(pen, square, radius=0.4 * half, outline=_FAINT, width=max(1, round(font_size / 10)))
    else:
        rounded_box(pen, square, radius=0.4 * half, fill=entry.colour)
    x += 1.25 * font_size
    pen.text((x, y), entry.text, font=font, fill=inks[0], anchor="lm")
    pen.text((x + font.getlength(entry.text) + 0.45 * font_size, y), entry.value, font=font, fill=inks[1], anchor="lm")


def shortened(text: str, font: Font, width: float) -> str:
    """A text cut to ``width`` pixels."""
    return fitted(text, font, width)[0]


def fitted(text: str, font: Font, width: float) -> tuple[str, float]:
    """A text cut to ``width`` pixels, and how wide it is then."""
    length = font.getlength(text)
    if length <= width:
        return text, length
    kept = bisect_left(range(len(text)), True, key=lambda count: font.getlength(text[: count + 1] + "…") > width)
    text = text[:kept] + "…"
    return text, font.getlength(text)
