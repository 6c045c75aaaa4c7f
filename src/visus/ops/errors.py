"""What operators cannot work with."""

from __future__ import annotations

from visus.errors import VisusError


class PointsError(VisusError, ValueError):
    """A shape that has no points to work with, or too few; the message says which."""
