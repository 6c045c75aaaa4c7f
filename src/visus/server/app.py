"""The application: routes, pages, health and metrics, and one line for every error."""

from __future__ import annotations

import logging
from importlib.resources import files
from typing import Any, Final

from fastapi import APIRouter, FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, PlainTextResponse
from starlette.exceptions import HTTPException

from visus import __version__
from visus.errors import VisusError
from visus.server.browse_routes import browse_routes
from visus.server.browsing import Browser
from visus.server.described import ENTRY, responses
from visus.server.guard import Guard
from visus.server.routes import line_of, model_routes, prediction_routes, question_routes
from visus.server.settings import RequestError
from visus.server.state import State
from visus.whole_file import DiskFullError

PAGES: Final = {"/": "index.html", "/browse": "browse.html", "/docs": "docs.html"}
ASSETS: Final = {
    "page.css": ("visus.server", "text/css"),
    "app.js": ("visus.server", "text/javascript"),
    "drawing.js": ("visus.server", "text/javascript"),
    "graph.js": ("visus.server", "text/javascript"),
    "coco.js": ("visus.server", "text/javascript"),
    "editing.js": ("visus.server", "text/javascript"),
    "sources.js": ("visus.server", "text/javascript"),
    "teaching.js": ("visus.server", "text/javascript"),
    "requests.js": ("visus.server", "text/javascript"),
    "browse.js": ("visus.server", "text/javascript"),
    "browse.css": ("visus.server", "text/css"),
    "docs.js": ("visus.server", "text/javascript"),
    "icon.svg": ("visus.server", "image/svg+xml"),
    "cloud.js": ("visus.report", "text/javascript"),
}
"""The files of the page: the package that each lies in, and its type. There are no others, and none from elsewhere."""

_log = logging.getLogger("visus.server")


def create_app(state: State, browser: Browser | None = None) -> FastAPI:
    """The application over what is loaded, and the run that is browsed, if any; `Guard` stands before it."""
    app = FastAPI(
        title="visus",
        version=__version__,
        description='Trained models over HTTP. Every error is one line: {"error": "..."}.',
        docs_url=None,
        redoc_url=None,
    )
    for routes in (prediction_routes, question_routes, model_routes, health_routes):
        app.include_router(routes(state))
    app.include_router(page_routes())
    if browser is not None:
        app.include_router(browse_routes(browser, state.settings))
    app.add_exception_handler(VisusError, _refused)
    app.add_exception_handler(HTTPException, _of_http)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(Exception, _failed)
    app.add_middleware(Guard, settings=state.settings, counts=state.counts)
    return app


def health_routes(state: State) -> APIRouter:
    """Whether the server lives and is ready, and what it counts."""
    router = APIRouter(tags=["health"])

    @router.get("/health/live", responses=responses(403, answer="live"))
    async def live() -> Any:
        """The process answers."""
        return {"status": "live"}

    @router.get("/health/ready", responses=responses(403, 503, answer="ready"))
    async def ready() -> Any:
        """Models are loaded, and there is room in the queue."""
        if not len(state.models):
            raise RequestError("no model is loaded yet", status=503, retry_after=1)
        if len(state.jobs) >= state.jobs.most:
            raise state.jobs.busy()
        return {"status": "ready", "models": [model.name for model in state.models], "version": __version__}

    @router.get("/metrics", response_class=PlainTextResponse, responses=responses(*ENTRY, kind="text/plain"))
    async def metrics() -> Any:
        """Counts in the text format of Prometheus."""
        return PlainTextResponse(state.counts.text(state.gauges()), media_type="text/plain; version=0.0.4")

    return router


def page_routes() -> APIRouter:
    """The pages and their files."""
    router = APIRouter(include_in_schema=False)

    def page(name: str) -> Response:
        return Response(asset("visus.server", name), media_type="text/html; charset=utf-8")

    for path, file in PAGES.items():
        router.add_api_route(path, _returning(page, file), methods=["GET"])

    @router.get("/page/{name}")
    async def page_file(name: str) -> Response:
        if name not in ASSETS:
            raise RequestError("no such page", status=404)
        package, kind = ASSETS[name]
        return Response(asset(package, name), media_type=kind)

    @router.get("/favicon.ico")
    async def icon() -> Response:
        return Response(asset("visus.server", "icon.svg"), media_type="image/svg+xml")

    return router


def asset(package: str, name: str) -> bytes:
    """A file of a page that comes with the package."""
    return (files(package) / "page" / name).read_bytes()


def _returning(page: Any, file: str) -> Any:
    async def answer() -> Response:
        found: Response = page(file)
        return found

    return answer


def _error(status: int, text: str, retry_after: int | None = None) -> JSONResponse:
    headers = {} if retry_after is None else {"retry-after": str(retry_after)}
    return JSONResponse({"error": text}, status_code=status, headers=headers)


async def _refused(request: Request, error: Any) -> Response:
    if isinstance(error, RequestError):
        return _error(error.status, line_of(error), error.retry_after)
    return _error(507 if isinstance(error, DiskFullError) else 422, line_of(error))


async def _of_http(request: Request, error: Any) -> Response:
    text = {404: "no such page; /docs lists what there is", 405: f"{request.method} is not for this address"}
    answer = _error(error.status_code, text.get(error.status_code, str(error.detail)))
    answer.headers.update(error.headers or {})  # a 405 says what is allowed
    return answer


async def _invalid(request: Request, error: Any) -> Response:
    first = error.errors()[0]
    where = ".".join(str(part) for part in first["loc"] if part not in ("query", "path", "body"))
    return _error(422, f"{where}: {first['msg']}")


async def _failed(request: Request, error: Exception) -> Response:
    _log.error("%s %s failed", request.method, request.url.path, exc_info=error)
    return _error(500, line_of(error))
