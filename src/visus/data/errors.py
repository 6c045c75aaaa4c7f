"""What is wrong with a data set, said so that it can be mended."""

from __future__ import annotations

from visus.errors import VisusError


class AnnotationError(VisusError, ValueError):
    """Annotations that cannot be used; the message names the file, the record and what is wrong."""


class DatasetNotFoundError(VisusError, FileNotFoundError):
    """A folder that holds no data set of a known layout; the message lists what was looked for."""


class ConversionError(VisusError, ValueError):
    """A conversion that would lose or overwrite something."""


class ImageError(VisusError, ValueError):
    """An image that cannot be read; the message names the file and the cause."""


class EpisodeError(VisusError, ValueError):
    """Tasks of few-shot learning that the data cannot give; the message says what it lacks."""


class ShapeError(VisusError, ValueError):
    """A mesh or a point cloud that cannot be read; the message names the file and the cause."""
