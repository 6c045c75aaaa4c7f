"""Which objects have their names beside them."""

from typing import Literal

Labels = Literal["auto", "all", "none"]
"""Those that hide nothing by it, all, or none."""
