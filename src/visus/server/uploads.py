"""The body of a request, read within its limits: the files of a form, or the bytes of one."""

from __future__ import annotations

import asyncio
from collections.abc import MutableMapping
from typing import Any, Final

from fastapi import Request
from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from visus.server.loaded import Upload
from visus.server.settings import RequestError, Settings, too_large

_NO_FILES: Final = ("application/json", "text/html", "text/plain", "text/xml", "application/xml")
_MOST_FIELDS = 32


async def read_uploads(
    request: Request, settings: Settings, *, most: int = 1, name: str = ""
) -> tuple[list[Upload], dict[str, str]]:
    """The files and the other fields of a request.

    Args:
        request: with a form of the kind multipart/form-data, or the bytes of a file as its body.
        settings: the limits.
        most: files.
        name: of a file whose bytes are the body.

    Raises:
        RequestError: too many bytes or files, nothing at all, or no such kind of body.
    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind in _NO_FILES and not name:
        raise RequestError(
            f"a body of the kind {kind} is no file; send multipart/form-data, or the bytes of the file", status=415
        )
    declared = request.headers.get("content-length", "")
    if declared.isdigit() and int(declared) > settings.max_bytes:
        raise too_large(settings.max_bytes)
    limited = Request(request.scope, _Limited(request, settings.max_bytes).receive)
    try:
        async with asyncio.timeout(settings.seconds):
            uploads, fields = await (_form(limited, most) if kind == "multipart/form-data" else _raw(limited, name))
    except TimeoutError as error:
        raise RequestError(f"the body did not arrive within {settings.seconds:g} seconds", status=408) from error
    except ClientDisconnect as error:
        raise RequestError("the connection was closed before the body ended", status=400) from error
    if not uploads:
        raise RequestError("no file was sent; send multipart/form-data, or the bytes of the file")
    return uploads, fields


async def _form(request: Request, most: int) -> tuple[list[Upload], dict[str, str]]:
    uploads, fields = list[Upload](), dict[str, str]()
    try:
        async with request.form(max_files=most, max_fields=_MOST_FIELDS) as form:
            for name, value in form.multi_items():
                if isinstance(value, str):
                    fields[name] = value
                else:
                    uploads.append(await _upload(name, value))
    except HTTPException as error:
        raise _of_form(error, most) from error
    except KeyError as error:  # a kind without a boundary
        raise RequestError("a form without a boundary cannot be read", status=400) from error
    return uploads, fields


def _of_form(error: Any, most: int) -> RequestError:
    if "Too many files" in str(error.detail):
        return RequestError(f"at most {most} {'file' if most == 1 else 'files'} can be sent at once", status=413)
    return RequestError(f"the form cannot be read ({error.detail})", status=400)


async def _upload(field: str, file: UploadFile) -> Upload:
    return Upload(file.filename or field, await file.read(), field)


async def _raw(request: Request, name: str) -> tuple[list[Upload], dict[str, str]]:
    content = await request.body()
    return ([Upload(name, content)] if content else []), {}


class _Limited:
    """What arrives of a body, until it is too much."""

    def __init__(self, request: Request, most: int) -> None:
        self._receive, self._most, self._bytes = request.receive, most, 0

    async def receive(self) -> MutableMapping[str, Any]:
        """The next part."""
        message = await self._receive()
        self._bytes += len(message.get("body", b""))
        if self._bytes > self._most:
            raise too_large(self._most)
        return message
