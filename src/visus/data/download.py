"""Fetching published data sets and weights once: the data room's door to `visus.download`, which any floor may use."""

from __future__ import annotations

from visus.download import DownloadError, cache_path, fetch

__all__ = ["DownloadError", "cache_path", "fetch"]
