"""The worst and the best predictions of a run beside the truth, as pieces of HTML with the pictures inside."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from html import escape
from pathlib import Path

from PIL import Image

from visus.draw.canvas import STRIP, enlarged
from visus.draw.draw import draw
from visus.draw.inputs import picture_of
from visus.draw.judged import draw_judged
from visus.report.pictures import zoomed
from visus.report.turntable import beside
from visus.types import Prediction, Sample, Schema

Example = tuple[Sample, Prediction, float]
"""An image with its truth, what was predicted, and how good that is (larger is better)."""

EXAMPLES_OF_EACH = 6
_THUMBNAIL_TEXT = 1.5  # letters that can be read in a picture a quarter of the page wide


OnError = Callable[[str, Exception], None]
"""Told the name of an image and what went wrong with its drawing."""


def worst_and_best(examples: Sequence[Example], schema: Schema, min_score: float, on_error: OnError) -> dict[str, str]:
    """HTML of the worst and of the best examples by heading, none twice; empty where there are none."""
    ranked = sorted(examples, key=lambda example: example[2])
    count = min(EXAMPLES_OF_EACH, len(ranked) // 2)
    chosen = {"Worst predictions": ranked[:count], "Best predictions": ranked[count:][-EXAMPLES_OF_EACH:][::-1]}
    pairs = {
        name: "".join(_pair(example, schema, min_score, on_error) for example in some) for name, some in chosen.items()
    }
    return {name: f'<div class="pairs">{html}</div>' if html else "" for name, html in pairs.items()}


def _pair(example: Example, schema: Schema, min_score: float, on_error: OnError) -> str:
    """Truth and prediction side by side."""
    sample, prediction, quality = example
    name = Path(sample.path).name or f"image {sample.target.image_id}"

    def failed(error: Exception) -> None:
        on_error(name, error)

    truth = draw(sample.input, sample.target, schema, text_scale=_THUMBNAIL_TEXT, on_error=failed)
    found = draw_judged(
        sample.input,
        prediction,
        sample.target,
        schema,
        min_score=min_score,
        text_scale=_THUMBNAIL_TEXT,
        on_error=failed,
    )
    truth, found = (_as_high(picture, max(truth.height, found.height)) for picture in (truth, found))
    # A legend below the picture is shown whole; of others all have one shape, for the order of the page.
    square = " square" if truth.height > 0.85 * truth.width else ""
    shape = " whole" if truth.size != _drawn_size(sample) else square
    pictures = "".join(
        f"<figure>{zoomed(picture, f'{name}: {what}')}<figcaption>{what}</figcaption></figure>"
        for what, picture in (("truth", truth), ("prediction", found))
    )
    caption = f'<span title="{escape(sample.path, quote=True)}">{escape(name)}</span><b>quality {quality:.2f}</b>'
    turning = beside(sample.input, prediction, name, schema)
    return f'<figure class="pair{shape}"><div>{pictures}</div>{turning}<figcaption>{caption}</figcaption></figure>'


def _drawn_size(sample: Sample) -> tuple[int, int]:
    """The size of a drawing that has no legend below it."""
    return enlarged(picture_of(sample.input))[0].size


def _as_high(picture: Image.Image, height: int) -> Image.Image:
    """A drawing with room below it, so that two with different legends show the picture at the same size."""
    if picture.height == height:
        return picture
    sheet = Image.new("RGB", (picture.width, height), STRIP)
    sheet.paste(picture, (0, 0))
    return sheet
