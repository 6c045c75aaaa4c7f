"""Trained models over HTTP, and a page on which people try them: `visus serve` and `visus browse`."""

from __future__ import annotations
