"""What the OpenAPI description says of bodies and answers: which statuses a request can have, and what they hold."""

from __future__ import annotations

from typing import Any, Final

Schema = dict[str, Any]
Responses = dict[int | str, Schema]

_MEANINGS: Final = {
    400: "a body that cannot be read",
    401: "a token is needed",
    403: "a page of another site, or another host than this machine",
    404: "no such model, gallery or number",
    408: "the body did not arrive in time",
    409: "no room, or a file of ours that was changed",
    413: "more bytes, files or pixels than are allowed",
    415: "no such kind of body, or of input for this model",
    422: "no image, arguments that are none, or words that cannot be understood",
    503: "busy; Retry-After says when to try again",
    504: "not computed in time",
    507: "the disk of the server is full",
}
ENTRY: Final = (401, 403)
"""What every request to a model may be answered."""
BODY: Final = (*ENTRY, 400, 408, 413, 415, 422, 503)
"""What a request with a file as its body may be answered."""
WORK: Final = (404, 422, 503, 504)
"""What may come of work that waits in the queue, with a model."""


def record(**fields: Schema) -> Schema:
    """A JSON object with these fields, all of them there, and perhaps others."""
    return {"type": "object", "required": list(fields), "properties": fields}


def listed(items: Schema) -> Schema:
    """A JSON list."""
    return {"type": "array", "items": items}


TEXT: Final = {"type": "string"}
NUMBER: Final = {"type": "number"}
COUNT: Final = {"type": "integer", "minimum": 0}
SOME_TEXT: Final = {"type": ["string", "null"]}
_ERROR: Final = record(error=TEXT)
_OBJECT: Final = {"type": "object"}
RESULT: Final = record(file_name=TEXT, model=TEXT, kind=TEXT, threshold=NUMBER, milliseconds=NUMBER)
MODEL: Final = record(
    name=TEXT, model=TEXT, problem=TEXT, takes=TEXT, licence=TEXT, device=TEXT, categories=listed(_OBJECT)
)
LIMITS: Final = record(max_bytes=COUNT, max_pixels=COUNT, images=COUNT)

ANSWERS: Final[dict[str, Schema]] = {
    "predict": RESULT,
    "batch": record(model=TEXT, results=listed({"anyOf": [RESULT, record(file_name=TEXT, error=TEXT)]})),
    "search": record(matches=listed(record(score=NUMBER, thumbnail_jpg=TEXT))),
    "ask": {
        "anyOf": [
            record(
                model=TEXT, question=TEXT, answers=listed(record(file_name=TEXT, answer=TEXT, objects=listed(COUNT)))
            ),
            record(model=TEXT, phrase=TEXT, understood=TEXT, best=listed(record(file_name=TEXT, score=NUMBER))),
        ]
    },
    "generate": record(model=TEXT, phrase=TEXT, images=listed(RESULT)),
    "models": record(models=listed(MODEL), gallery=SOME_TEXT, limits=LIMITS, examples=COUNT),
    "reload": MODEL,
    "teach": record(model=TEXT, run=TEXT, classes=_OBJECT, threshold=NUMBER),
    "corrections": record(file=TEXT, images=COUNT, objects=COUNT, image=TEXT),
    "browse": record(model=TEXT, split=TEXT, total=COUNT, failure=TEXT, images=listed(_OBJECT), noise=listed(_OBJECT)),
    "noise": record(file=TEXT, marked=COUNT),
    "live": record(status=TEXT),
    "ready": record(status=TEXT, models=listed(TEXT), version=TEXT),
}
"""What each request is answered with when all is well."""


def responses(*statuses: int, answer: str = "", kind: str = "application/json") -> Responses:
    """Every status that a request can have, the errors each as ``{"error": "one line"}``.

    Args:
        statuses: those of errors.
        answer: the name of what `ANSWERS` has of it; empty for what is no JSON.
        kind: of the answer where it is none.
    """
    held = {"application/json": {"schema": ANSWERS[answer]}} if answer else {kind: {"schema": {"type": "string"}}}
    found: Responses = {200: {"description": "the answer", "content": held}}
    for status in sorted(set(statuses)):
        found[status] = {"description": _MEANINGS[status], "content": {"application/json": {"schema": _ERROR}}}
    return found


def body(fields: Schema, required: list[str], *, raw: bool = False) -> Schema:
    """A form of files, and with ``raw`` also the bytes of one file, as the body of a request."""
    form = {"type": "object", "properties": fields, "required": required}
    content: Schema = {"multipart/form-data": {"schema": form}}
    if raw:
        content |= {
            kind: {"schema": {"type": "string", "format": "binary"}} for kind in ("image/*", "application/octet-stream")
        }
    return {"requestBody": {"required": True, "content": content}}


FILE: Final = {"type": "string", "format": "binary"}
FILES: Final = {"type": "array", "items": FILE}
