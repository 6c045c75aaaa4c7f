"""The requests of the page that `visus browse` shows."""

from __future__ import annotations

import asyncio
import json
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Request, Response

from visus.metrics.object_matches import MIN_IOU
from visus.server.browsing import Browser
from visus.server.described import BODY, ENTRY, responses
from visus.server.settings import RequestError, Settings
from visus.server.uploads import read_uploads

Side = Annotated[int, Query(ge=16, le=4096, description="the longer side in pixels, at most")]
Iou = Annotated[float, Query(ge=0.1, le=1, description="the least IoU at which an object counts as found")]
Since = Annotated[int, Query(ge=0, description="leave out so many images, which are known")]


def browse_routes(browser: Browser, settings: Settings) -> APIRouter:
    """What was found in each validation image, the images, and the list of label noise."""
    router = APIRouter(prefix="/api/browse", tags=["browse"])

    @router.get("", responses=responses(*ENTRY, 409, 422, answer="browse"))
    async def about(since: Since = 0, iou: Iou = MIN_IOU) -> Any:
        """How far the run's validation images have been looked at, and what is right and wrong in each."""
        return await asyncio.to_thread(browser.about, since, iou)

    as_jpeg = responses(*ENTRY, 404, 422, kind="image/jpeg")

    @router.get("/images/{index}", response_class=Response, responses=as_jpeg)
    async def image(index: Annotated[int, Path(ge=0)], side: Side = 1024) -> Response:
        """A validation image as a JPEG."""
        content = await asyncio.to_thread(browser.picture, index, side)
        return Response(content, media_type="image/jpeg", headers={"cache-control": "private, max-age=3600"})

    labels = {"type": "array", "items": {"type": "object"}}
    marked_body = {"requestBody": {"required": True, "content": {"application/json": {"schema": labels}}}}

    @router.post("/noise", openapi_extra=marked_body, responses=responses(*BODY, 409, 507, answer="noise"))
    async def noise(request: Request) -> Any:
        """Writes the labels that were marked as wrong, as label_noise.json beside the run."""
        [upload], _ = await read_uploads(request, settings, name="marked")
        try:
            marked = json.loads(upload.content)
        except ValueError as error:
            raise RequestError(f"the body is no JSON ({error})") from error
        return await asyncio.to_thread(browser.save_noise, marked)

    return router
