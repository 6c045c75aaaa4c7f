"""The endings of image files. Nothing is imported, so that commands which only look for files answer at once."""

from __future__ import annotations

SUFFIXES = (
    *(".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff", ".gif", ".ppm", ".pgm"),
    *(".pbm", ".pnm", ".jfif", ".jpe", ".mpo", ".jp2", ".avif", ".qoi", ".heic", ".heif"),
)
"""In lower case, for every verb. Those of HEIC need the package pillow-heif."""
