"""What stops a conversion."""

from __future__ import annotations

from visus.errors import VisusError


class ConversionError(VisusError, ValueError):
    """A conversion that would lose or overwrite something."""
