"""Checks the shapes and types in signatures while tests run; pyproject.toml names it in ``--jaxtyping-packages``."""

from __future__ import annotations

from beartype import BeartypeConf, beartype

checked = beartype(conf=BeartypeConf(is_pep484_tower=True))
"""beartype as type checkers see numbers: an int is a float, too."""
