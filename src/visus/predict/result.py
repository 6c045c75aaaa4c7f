"""What was found in one image, together with the image and the names: what `visus.predict` gives."""

from __future__ import annotations

import io
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from jaxtyping import UInt8
from PIL import Image
from torch import Tensor

from visus.clouds import PointCloud
from visus.draw.draw import draw
from visus.errors import VisusError
from visus.predict.content import Record, coco_records, content_of, size_record, size_words, words_of
from visus.predict.pictures import require_writable, write_picture
from visus.predict.to_fiftyone import as_fiftyone
from visus.predict.to_supervision import as_supervision
from visus.scenes import SceneGraph
from visus.types import Prediction, Schema

SHOWN_SCORE = 0.5
"""Objects are drawn from this score on where neither the user nor the model's own validation names another."""


@dataclass(frozen=True, repr=False, eq=False)
class Result:
    """What a model found in one image.

    Args:
        image: upright RGB, the pixels that the prediction is about; of a shape the cloud, of a made image its graph.
        prediction: what was found, in these pixels, on the CPU.
        schema: what the labels mean.
        path: the file or the address of the image; empty where it lay in memory.
        name: of the image, that no other of its source has; ``image_000000`` and so on where it lay in memory.
        details: what else is known of the image: ``page``, or ``frame`` and ``seconds`` of a video.
        threshold: objects are drawn from this score on, unless another is asked for.
    """

    image: UInt8[Tensor, "3 h w"] | PointCloud | SceneGraph
    prediction: Prediction
    schema: Schema
    path: str = ""
    name: str = ""
    details: Mapping[str, float] = field(default_factory=dict)
    threshold: float = SHOWN_SCORE

    @property
    def names(self) -> tuple[str, ...]:
        """The name of each label."""
        return self.schema.categories

    def plot(self, *, min_score: float | None = None) -> Image.Image:
        """The image with what was found drawn on it; enlarged by a whole number where it is small.

        Args:
            min_score: the least score of an object that is drawn; `threshold` when None.
        """
        least = self.threshold if min_score is None else min_score
        return draw(self.image, self.prediction, self.schema, min_score=least)

    def show(self, *, min_score: float | None = None) -> None:
        """Opens `plot` in the viewer of the system, or in the notebook."""
        self.plot(min_score=min_score).show(title=self.name)

    def save(self, path: str | Path, *, min_score: float | None = None) -> Path:
        """Writes `plot` to a file, JPEG or PNG by its ending.

        Raises:
            VisusError: that file is the image itself, or cannot be written.
        """
        place = Path(path).expanduser()
        if self.path and place.exists() and os.path.exists(self.path) and os.path.samefile(place, self.path):
            raise VisusError(f"{path}: this is the image itself, which is not written over; name another file")
        picture = self.plot(min_score=min_score)
        require_writable(place)
        place.parent.mkdir(parents=True, exist_ok=True)
        write_picture(picture, place)
        return place

    def to_dict(self) -> Record:
        """What was found as numbers and names that JSON can hold, with the name and the size of the image."""
        about = {"file_name": self.name, "path": self.path, **size_record(self.prediction.size), **self.details}
        return {**about, **content_of(self.prediction, self.schema)}

    def to_coco(self, image_id: int = 1) -> list[Record]:
        """The entries of a COCO results file: of objects, or of the classes of pixels as COCO-Stuff has them.

        Args:
            image_id: of the image in the annotation file.

        Raises:
            VisusError: COCO has no format for such predictions.
        """
        return coco_records(self.prediction, self.schema, image_id)

    def to_supervision(self) -> Any:
        """The record of the package supervision; see `visus.predict.to_supervision.as_supervision`.

        Raises:
            VisusError: supervision is not installed, or has no such record.
        """
        return as_supervision(self.prediction, self.schema)

    def to_fiftyone(self) -> dict[str, Any]:
        """The labels of FiftyOne by field; see `visus.predict.to_fiftyone`, which makes data sets of results, too.

        Raises:
            VisusError: fiftyone is not installed, or has no such label.
        """
        return {f"predictions{ending}": label for ending, label in as_fiftyone(self.prediction, self.schema).items()}

    def __repr__(self) -> str:
        words = words_of(self.prediction, self.schema, self.threshold)
        return f"Result({self.path or self.name}, {size_words(self.prediction.size)}: {words})"

    def _repr_png_(self) -> bytes:
        """`plot`, for notebooks."""
        content = io.BytesIO()
        self.plot().save(content, format="png")
        return content.getvalue()
