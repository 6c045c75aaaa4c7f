"""Pictures inside of a page."""

from __future__ import annotations

import base64
import io
from html import escape

from PIL import Image

_LONGEST_SIDE = 900


def data_url(picture: Image.Image) -> str:
    """A picture as text, not larger than a screen needs."""
    if max(picture.size) > _LONGEST_SIDE:
        picture = picture.copy()
        picture.thumbnail((_LONGEST_SIDE, _LONGEST_SIDE))
    buffer = io.BytesIO()
    picture.save(buffer, "WEBP", quality=82, method=4)
    return f"data:image/webp;base64,{base64.b64encode(buffer.getvalue()).decode()}"


def zoomed(picture: Image.Image, name: str) -> str:
    """A picture that a click shows in full size."""
    sides = f'width="{picture.width}" height="{picture.height}"'  # the page keeps the place until it is shown
    image = f'<img src="{data_url(picture)}" alt="{escape(name, quote=True)}" {sides} loading="lazy">'
    return f'<button type="button" class="zoom">{image}</button>'
