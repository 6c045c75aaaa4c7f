"""Runs on the Hugging Face Hub, as a folder on this machine: ``hf://user/name`` or ``hf://user/name@revision``.

`huggingface_hub` (extra ``hub``) fetches and caches them, with the token of its own login or of ``HF_TOKEN``. Only the
files that a run consists of are fetched, none of which can hold code, and each must have the SHA-256 that the
repository's ``visus.json`` gives. What is in the cache is used where there is no network.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, Final, TypeVar

from visus.errors import VisusError
from visus.predict.model_words import HUB, WEIGHTS_FILE
from visus.predict.renamed import TAUGHT

MANIFEST: Final = "visus.json"
"""The file of a repository that says which version of visus wrote it, and the SHA-256 of each file of the run."""
RUN_FILES: Final = (
    WEIGHTS_FILE,
    "recipe.json",
    "schema.json",
    "metrics*.json",
    "metrics.csv",
    f"{TAUGHT}/{WEIGHTS_FILE}",
)
"""What a run on the Hub consists of."""
_ADDRESS = re.compile(r"([\w.-]+/[\w.-]+)(?:@([\w./-]+))?")
_LOGIN = "hf auth login, or HF_TOKEN"
_Answer = TypeVar("_Answer")


class HubError(VisusError):
    """The Hub does not give or take a run; the message says why in one line."""


class HubUnreachableError(HubError):
    """The Hub gives no answer that says anything about the run."""


def hub_package() -> Any:
    """The package `huggingface_hub`.

    Raises:
        HubError: it is not installed.
    """
    try:
        import huggingface_hub
    except ModuleNotFoundError as error:
        raise HubError("runs on the Hugging Face Hub need the package: pip install huggingface_hub") from error
    return huggingface_hub


def local_run(name_or_run: str | Path) -> str | Path:
    """The folder of a run on the Hub, fetched where need be; whatever names no such run is given back as it is.

    Raises:
        HubError: it cannot be fetched, or is not what was pushed.
    """
    text = str(name_or_run)
    return pulled(text) if text.startswith(HUB) else name_or_run


def pulled(address: str) -> Path:
    """The folder in the cache of a run on the Hub.

    Args:
        address: ``hf://user/name``, or with a branch, a tag or a commit, ``hf://user/name@revision``.

    Raises:
        HubError: it cannot be fetched, or is not what was pushed.
    """
    found = _ADDRESS.fullmatch(address.removeprefix(HUB))
    if found is None:
        raise HubError(f"{address}: an address on the Hub is {HUB}user/name or {HUB}user/name@revision")
    repository, revision = found.groups()
    hub = hub_package()
    fetch = partial(
        hub.snapshot_download,
        repository,
        revision=revision,
        allow_patterns=[MANIFEST, *RUN_FILES],
        library_name="visus",
    )
    try:
        folder = asked(address, fetch)
    except HubUnreachableError:
        try:
            folder = fetch(local_files_only=True)
        except hub.errors.LocalEntryNotFoundError:
            folder = None
        if folder is None:
            raise
    check_files(address, Path(folder))
    return Path(folder)


def asked(address: str, ask: Callable[[], _Answer]) -> _Answer:
    """What the Hub answers.

    Args:
        address: what it is about, for messages.
        ask: asks it.

    Raises:
        HubError: it refuses, does not know it, or cannot be reached.
    """
    hub_package()
    from huggingface_hub import errors

    try:
        return ask()
    except errors.GatedRepoError as error:
        raise HubError(f"{address}: its owner gives access on request; ask for it on its page") from error
    except errors.RevisionNotFoundError as error:
        raise HubError(f"{address}: the repository has no such revision") from error
    except errors.RepositoryNotFoundError as error:
        raise HubError(
            f"{address}: no such repository, or a private one and no token that may read it ({_LOGIN})"
        ) from error
    except errors.LocalEntryNotFoundError as error:
        cause = _line(error.__cause__ or error)
        raise HubError(
            f"{address}: not in the cache of this machine, and the Hub cannot be reached ({cause})"
        ) from error
    except errors.HfHubHTTPError as error:
        code = error.response.status_code if error.response is not None else None
        if code in (401, 403):
            raise HubError(
                f"{address}: the Hub takes no token of yours for this, it answers {code} ({_LOGIN})"
            ) from error
        kind = HubUnreachableError if code is None or code >= 500 else HubError
        raise kind(f"{address}: the Hub answers {code or 'nothing'} ({_line(error)})") from error
    except errors.LocalTokenNotFoundError as error:
        raise HubError(f"{address}: the Hub wants a token ({_LOGIN})") from error
    except (_network_error(errors), OSError) as error:
        raise HubUnreachableError(f"{address}: the Hub cannot be reached ({_line(error)})") from error
    except errors.HFValidationError as error:
        raise HubError(f"{address}: {_line(error)}") from error


def _network_error(errors: Any) -> type[Exception]:
    """What the client raises without an answer: that of the package that it stands on, by whatever name."""
    base: type[Exception] = errors.HTTPError
    return base


def _line(error: BaseException) -> str:
    return " ".join(str(error).split())[:200] or type(error).__name__


def check_files(address: str, folder: Path) -> None:
    """Looks whether every file of a run is there, and is the one that was pushed.

    Raises:
        HubError: one is not.
    """
    place = folder / MANIFEST
    if not place.is_file():
        raise HubError(f"{address}: no run of visus: the repository has no {MANIFEST}")
    try:
        files = json.loads(place.read_text(encoding="utf-8"))["files"]
        wanted = {str(name): str(digest) for name, digest in files.items()}
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise HubError(f"{place}: does not list the files of a run ({_line(error)})") from error
    for name, digest in wanted.items():
        file = folder / name
        if ".." in Path(name).parts or not file.is_file():
            raise HubError(f"{address}: the repository has no {name}, which its {MANIFEST} lists")
        if sha256_of(file) != digest:
            raise HubError(f"{file}: has another SHA-256 than {MANIFEST} says: remove it, and it is fetched anew")
    if WEIGHTS_FILE not in wanted:
        raise HubError(f"{address}: its {MANIFEST} lists no {WEIGHTS_FILE}")


def sha256_of(path: Path) -> str:
    """The SHA-256 of a file, in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
