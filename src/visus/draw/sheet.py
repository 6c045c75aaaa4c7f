"""Contact sheets: many pictures on one, in rows, each with a caption."""

from __future__ import annotations

import math
from collections.abc import Sequence

from PIL import Image, ImageDraw, ImageFont

from visus.draw.canvas import shortened
from visus.draw.palette import drawable

_PAPER = (246, 247, 249)
_INK = (55, 62, 75)


def contact_sheet(
    pictures: Sequence[Image.Image],
    *,
    captions: Sequence[str] = (),
    columns: int = 0,
    cell: int = 360,
) -> Image.Image:
    """Puts pictures beside each other, each fitted into a square cell.

    Args:
        pictures: what to show, in reading order.
        captions: one line under each picture, cut to the width of the cell, or none at all.
        columns: pictures in a row; 0 picks a number that makes the sheet about square.
        cell: side of a cell in pixels.

    Raises:
        ValueError: no picture, or captions that do not match the pictures in number.
    """
    if not pictures:
        raise ValueError("a contact sheet needs at least one picture")
    if captions and len(captions) != len(pictures):
        raise ValueError(f"{len(captions)} captions for {len(pictures)} pictures")
    columns = min(columns or math.ceil(math.sqrt(len(pictures))), len(pictures))
    rows = math.ceil(len(pictures) / columns)
    gap, line = max(8, cell // 30), (max(18, cell // 16) if captions else 0)
    row_heights = [_row_height(pictures[r * columns : (r + 1) * columns], cell) + line for r in range(rows)]
    sheet = Image.new("RGB", (columns * (cell + gap) + gap, sum(row_heights) + gap * (rows + 1)), _PAPER)
    pen, font = ImageDraw.Draw(sheet), ImageFont.load_default(line * 0.62 if line else 12.0)
    for index, picture in enumerate(pictures):
        row, column = divmod(index, columns)
        x, y = gap + column * (cell + gap), gap + sum(row_heights[:row]) + gap * row
        fitted = _fitted(picture, cell)
        free = row_heights[row] - line - fitted.height
        sheet.paste(fitted, (x + (cell - fitted.width) // 2, y + free // 2))
        if captions:
            baseline = y + row_heights[row] - line / 2
            caption = shortened(drawable(captions[index]), font, cell)
            pen.text((x + cell / 2, baseline), caption, fill=_INK, font=font, anchor="mm")
    return sheet


def _row_height(pictures: Sequence[Image.Image], cell: int) -> int:
    """The height of the tallest fitted picture."""
    return max(_fitted_size(picture, cell)[1] for picture in pictures)


def _fitted_size(picture: Image.Image, cell: int) -> tuple[int, int]:
    """The size of a picture whose long side is ``cell``."""
    ratio = cell / max(picture.size)
    return max(1, round(picture.width * ratio)), max(1, round(picture.height * ratio))


def _fitted(picture: Image.Image, cell: int) -> Image.Image:
    return picture.resize(_fitted_size(picture, cell), Image.Resampling.LANCZOS)
