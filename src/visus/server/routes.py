"""The requests that models answer: predict, search, ask, teach, and corrections that are kept."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response

from visus.errors import VisusError
from visus.predict.content import Record
from visus.server.answers import answer_of
from visus.server.corrections import save_correction
from visus.server.described import BODY, ENTRY, FILE, FILES, WORK, body, responses
from visus.server.examples import COUNT, example
from visus.server.settings import RequestError
from visus.server.state import MOST_SAMPLES, State, asked, generated, taught
from visus.server.uploads import read_uploads

ModelName = Annotated[str, Query(alias="model", max_length=200, description="a name of /api/models; else the first")]
FileName = Annotated[str, Query(alias="name", max_length=200, description="of a file whose bytes are the body")]
Drawable = Annotated[bool, Query(description="add what a page draws: labels_png, cloud")]
Words = Annotated[str, Query(min_length=1, max_length=500, description="a phrase, or a question")]
Samples = Annotated[int, Query(ge=1, le=MOST_SAMPLES)]
Seed = Annotated[int, Query(ge=0, lt=2**31, description="of the first image; the next has the next one")]
RunName = Annotated[str, Query(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]{0,60}$", description="of the new model")]
BaseName = Annotated[str, Query(max_length=200, description="a loaded model that sees; ImageNet's features without")]


def prediction_routes(state: State) -> APIRouter:
    """What is found in images and shapes."""
    router = APIRouter(prefix="/api", tags=["predict"])
    one_file = body({"image": FILE}, ["image"], raw=True)

    @router.post("/predict", openapi_extra=one_file, responses=responses(*BODY, *WORK, answer="predict"))
    async def predict(request: Request, model: ModelName = "", name: FileName = "", drawable: Drawable = False) -> Any:
        """What a model finds in one image or shape: the content of `Result.to_dict` in Python."""
        loaded = state.models.get(model)
        uploads, _ = await read_uploads(request, state.settings, name=name)
        [seen] = await state.done(loaded.look, uploads)
        if isinstance(seen, BaseException):
            raise seen
        return await asyncio.to_thread(answer_of, seen, loaded, drawable=drawable)

    several = body({"images": FILES}, ["images"])

    @router.post("/predict/batch", openapi_extra=several, responses=responses(*BODY, *WORK, answer="batch"))
    async def predict_batch(request: Request, model: ModelName = "") -> Any:
        """What a model finds in several images, in their order; of one that cannot be read, the error."""
        loaded = state.models.get(model)
        uploads, _ = await read_uploads(request, state.settings, most=state.most_images)
        found = await state.done(loaded.look, uploads)

        def answers() -> list[Record]:
            return [
                {"file_name": upload.name, "error": line_of(one)}
                if isinstance(one, BaseException)
                else answer_of(one, loaded)
                for upload, one in zip(uploads, found, strict=True)
            ]

        return {"model": loaded.name, "results": await asyncio.to_thread(answers)}

    return router


def question_routes(state: State) -> APIRouter:
    """What is alike in a gallery, what fits a phrase, and images that are made of one."""
    router = APIRouter(prefix="/api", tags=["ask"])

    one_file = body({"image": FILE}, ["image"], raw=True)

    @router.post("/search", openapi_extra=one_file, responses=responses(*BODY, *WORK, answer="search"))
    async def search(request: Request, k: Annotated[int, Query(ge=1, le=100)] = 10, name: FileName = "") -> Any:
        """The entries of the gallery that are most like an image."""
        gallery = state.gallery
        if gallery is None:
            raise RequestError("no gallery is open; start the server with --gallery FOLDER", status=404)
        uploads, _ = await read_uploads(request, state.settings, name=name)

        def find() -> Record:
            return found_in(gallery, state, uploads[0], k)

        return await state.called(find)

    ask_body = body({"images": FILES}, ["images"], raw=True)

    @router.post("/ask", openapi_extra=ask_body, responses=responses(*BODY, *WORK, answer="ask"))
    async def ask(request: Request, phrase: Words, model: ModelName = "", name: FileName = "") -> Any:
        """Images ranked by a phrase, and where it is in them; or the answer to a question about each."""
        loaded = state.models.get(model)
        uploads, _ = await read_uploads(request, state.settings, most=state.most_images, name=name)
        return await state.called(partial(asked, loaded, uploads, phrase))

    @router.post("/generate", responses=responses(*ENTRY, *WORK, answer="generate"))
    async def generate(phrase: Words, model: ModelName = "", samples: Samples = 1, seed: Seed = 0) -> Any:
        """Images of a phrase such as "a red ball on top of a table", by a model that makes images."""
        loaded = state.models.get(model)
        return await state.called(partial(generated, loaded, phrase, samples=samples, seed=seed))

    return router


def found_in(gallery: Any, state: State, upload: Any, k: int) -> Record:
    """What is alike in a gallery, with small pictures for a page."""
    import base64

    from visus.data.files.images import decode_image
    from visus.server.loaded import require_pixels

    require_pixels(upload, state.settings.max_pixels)
    answer = gallery.search(decode_image(upload.content, upload.name or "image"), k=k)
    content: Record = answer.to_dict()
    for match, found in zip(content["matches"], answer.matches, strict=True):
        match["thumbnail_jpg"] = base64.b64encode(found.entry.thumbnail).decode()
    return content


def line_of(error: BaseException) -> str:
    """What an error says to whoever sent the request: nothing of the inside of the program."""
    if isinstance(error, VisusError):
        return " ".join(str(error).split())
    return f"the model failed on this input ({type(error).__name__}); the server's log says more"


def model_routes(state: State) -> APIRouter:
    """The models that are loaded, and those that are made of a few images."""
    router = APIRouter(prefix="/api", tags=["models"])

    @router.get("/models", responses=responses(*ENTRY, answer="models"))
    async def models() -> Any:
        """What each model says of itself, the usual one first; the gallery; and the limits of a request."""
        gallery = state.gallery
        limits = {"max_bytes": state.settings.max_bytes, "max_pixels": state.settings.max_pixels}
        return {
            "models": [dict(model.about) for model in state.models],
            "gallery": None if gallery is None else str(gallery.folder),
            "limits": {**limits, "images": state.most_images},
            "examples": COUNT,
        }

    @router.post("/models/{model}/reload", responses=responses(*ENTRY, 404, 422, 503, answer="reload"))
    async def reload(model: str) -> Any:
        """Loads a model anew from its folder; the old one answers until the new one is ready."""
        fresh = await asyncio.to_thread(state.models.reload, model)
        return dict(fresh.about)

    as_file = responses(*ENTRY, *WORK, kind="*/*")

    @router.get("/models/{model}/examples/{number}", response_class=Response, responses=as_file)
    async def example_of(model: str, number: int) -> Response:
        """An image or a shape to try a model with."""
        content, kind, name = await state.called(partial(example, state.models.get(model), number))
        return Response(content, media_type=kind, headers={"content-disposition": f'inline; filename="{name}"'})

    classes = {"NAME OF A CLASS": FILES}

    kept = (*BODY, *WORK, 409, 507)

    @router.post("/teach", openapi_extra=body(classes, []), responses=responses(*kept, answer="teach"))
    async def teach(request: Request, name: RunName = "taught", base: BaseName = "") -> Any:
        """A model of new classes from a few images each: each field of the form is a class with its images."""
        source = state.models.get(base).source if base else None
        uploads, _ = await read_uploads(request, state.settings, most=64)
        work = partial(taught, state.models, uploads, name=name, source=source, work=state.settings.work)
        return await state.called(work)

    corrected = body({"image": FILE, "annotations": {"type": "string"}}, ["image", "annotations"])

    @router.post("/corrections", openapi_extra=corrected, responses=responses(*kept, answer="corrections"))
    async def correct(request: Request, model: ModelName = "") -> Any:
        """Keeps an image with corrected objects beside the model, as a data set in COCO's format."""
        loaded = state.models.get(model)
        uploads, fields = await read_uploads(request, state.settings)
        text = fields.get("annotations")
        if text is None:
            raise RequestError("the form has no field annotations: a JSON list of objects")
        return await state.called(partial(save_correction, loaded, uploads[0], text, state.settings.work))

    return router
