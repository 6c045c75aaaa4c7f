"""Files in YAML, of which no value is taken for anything but the text that it is written with."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml  # type: ignore[import-untyped]

from visus.data.errors import AnnotationError
from visus.data.files.content import read_content
from visus.data.files.half_characters import refuse_half_characters


class _Text(yaml.BaseLoader):
    """Reads all values as the text that they are written with: a class may be called "no", "1e3" or "2024-01-01"."""

    def compose_node(self, parent: Any, index: Any) -> Any:
        """A part of the file; none may be an alias, of which a few lines make gigabytes."""
        if self.check_event(yaml.AliasEvent):
            mark = self.peek_event().start_mark
            raise yaml.composer.ComposerError(None, None, "aliases (*name) are not read", mark)
        return super().compose_node(parent, index)


def read_yaml_file(path: Path) -> Any:
    """The content of a file in UTF-8 or UTF-16: texts, in lists and in dicts.

    Raises:
        AnnotationError: missing, no regular file, unreadable, not YAML, with aliases, nested too deeply, or with half a
            character in a text.
    """
    data = read_content(path, AnnotationError)
    try:
        content = yaml.load(data, Loader=_Text)
    except RecursionError as error:
        raise AnnotationError(f"{path}: not valid YAML (lists are nested too deeply)") from error
    except (yaml.YAMLError, ValueError, TypeError) as error:  # a list as the key of a dict is a TypeError
        raise AnnotationError(f"{path}: not valid YAML ({' '.join(str(error).split())})") from error
    refuse_half_characters(content, path)
    return content
