"""What the verbs of ``visus gallery`` read and print alike."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from visus.errors import VisusError

if TYPE_CHECKING:
    from visus.galleries.queries import Query

_ENTRY = "id:"


def queries_of(words: Sequence[str]) -> list[Query]:
    """Images by their words, and entries by their numbers."""
    found: list[Query] = []
    for word in words:
        number = word.removeprefix(_ENTRY)
        if number != word and not number.isdigit():
            raise VisusError(f"{word}: an entry is named by its number, such as id:12")
        found.append(word if number == word else int(number))
    return found


def print_json(content: Any) -> None:
    """Content for other programs."""
    print(json.dumps(content, indent=2, ensure_ascii=False))
