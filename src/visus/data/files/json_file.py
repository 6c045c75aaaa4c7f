"""Files in JSON, whatever editor wrote them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from visus.data.errors import AnnotationError


def read_json(path: Path) -> Any:
    """The content of a file in UTF-8, UTF-16 or UTF-32, with or without a byte order mark.

    Raises:
        AnnotationError: missing, unreadable, empty, or not JSON.
    """
    data = b""
    try:
        data = path.read_bytes()
        return json.loads(data)
    except FileNotFoundError as error:
        raise AnnotationError(f"{path}: no such file") from error
    except OSError as error:
        raise AnnotationError(f"{path}: cannot be read ({error.strerror})") from error
    except (ValueError, RecursionError) as error:
        what = f"not valid JSON ({error})" if data else "the file is empty (0 bytes)"
        raise AnnotationError(f"{path}: {what}") from error
