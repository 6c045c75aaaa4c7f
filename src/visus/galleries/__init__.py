"""Galleries: descriptors of images and of parts of images, filled once and asked many times."""

from __future__ import annotations

from typing import TYPE_CHECKING

from visus.lazy import lazily

if TYPE_CHECKING:
    from visus.galleries.adding import Report
    from visus.galleries.answer import Answer, Group, Match, Verdict
    from visus.galleries.entry import Entry
    from visus.galleries.filters import Condition
    from visus.galleries.gallery import Gallery
    from visus.galleries.identify import Identification
    from visus.galleries.recommend import Wishes
    from visus.galleries.reid import Protocol, Seen

_PUBLIC = {
    "Answer": "visus.galleries.answer",
    "Condition": "visus.galleries.filters",
    "Entry": "visus.galleries.entry",
    "Gallery": "visus.galleries.gallery",
    "Group": "visus.galleries.answer",
    "Identification": "visus.galleries.identify",
    "Match": "visus.galleries.answer",
    "Protocol": "visus.galleries.reid",
    "Report": "visus.galleries.adding",
    "Seen": "visus.galleries.reid",
    "Verdict": "visus.galleries.answer",
    "Wishes": "visus.galleries.recommend",
}

__all__ = [
    "Answer",
    "Condition",
    "Entry",
    "Gallery",
    "Group",
    "Identification",
    "Match",
    "Protocol",
    "Report",
    "Seen",
    "Verdict",
    "Wishes",
]
__getattr__ = lazily(__name__, _PUBLIC)
