"""What goes wrong with a gallery, said so that it can be mended."""

from __future__ import annotations

from visus.errors import VisusError


class GalleryError(VisusError, ValueError):
    """Something that a gallery cannot do; the message names the gallery and what to do."""


class GalleryNotFoundError(GalleryError):
    """A folder that holds no gallery."""


class OtherModelError(GalleryError):
    """Vectors of another model, or of other weights: they cannot be compared with those of the gallery."""


class EmptyGalleryError(GalleryError):
    """There is nothing to search in."""


class OutsideRootError(GalleryError):
    """A file that does not lie below the folder that the gallery is about."""


class NoPartError(GalleryError):
    """An image without any face, or whatever else the gallery is of."""


class SeveralPartsError(GalleryError):
    """An image with several faces, where one is asked for."""
