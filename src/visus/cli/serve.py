"""``visus serve``: trained models over HTTP, with a page to try them on."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import tyro

from visus.errors import VisusError
from visus.predict.model_words import why_no_model

if TYPE_CHECKING:
    from visus.server.settings import Settings

TOKEN_VARIABLE = "VISUS_TOKEN"
_MODELS = tyro.conf.arg(metavar="MODEL ...", help_behavior_hint="(one or more)")


@dataclass(frozen=True)
class ServeArguments:
    """Answer requests with trained models, and show a page to try them on, at the address that is printed.

    Needs the extra `serve`: pip install "visus[serve]". The address /docs lists the requests.

    Args:
        models: run folders, .safetensors files, or published weights by name (`visus list weights`).
        host: the address to listen at; by default this machine alone can reach it.
        port: of the address; 0 takes any free one.
        token: requests have to bring it as "Authorization: Bearer TOKEN"; default: the variable VISUS_TOKEN, or none.
        gallery: the folder of a gallery, which requests and the page search.
        device: such as cpu or cuda:1; default: a GPU where there is one.
        precision: of networks that look at images; auto takes the fastest form that gives the same here.
        batch_size: images that go through a network together, at most; default: 8 on a GPU, else 1.
        queue: requests that are answered at the same time; one more is told to come again (503).
        max_mb: megabytes of one request.
        max_megapixels: of one image.
        timeout: seconds for the body of a request to arrive, and as many to compute the answer.
        open: open the page in a browser.
    """

    models: Annotated[tuple[str, ...], tyro.conf.Positional, _MODELS]
    host: str = "127.0.0.1"
    port: int = 8000
    token: Annotated[str, tyro.conf.arg(metavar="TOKEN")] = ""
    gallery: Annotated[Path | None, tyro.conf.arg(metavar="FOLDER")] = None
    device: Annotated[str | None, tyro.conf.arg(metavar="DEVICE")] = None
    precision: Literal["auto", "plain", "fp32", "bf16"] = "auto"
    batch_size: Annotated[int | None, tyro.conf.arg(metavar="INT")] = None
    queue: int = 32
    max_mb: float = 20.0
    max_megapixels: float = 40.0
    timeout: float = 60.0
    open: tyro.conf.FlagCreatePairsOff[bool] = False


def main(argv: list[str]) -> int:
    """Runs ``visus serve``."""
    arguments = tyro.cli(ServeArguments, args=argv, prog="visus serve")
    check_extra()
    if not arguments.models:
        raise VisusError("visus serve MODEL: name at least one, such as runs/demo")
    return run_server(arguments)


def run_server(arguments: ServeArguments, *, browsed: tuple[str, str] | None = None) -> int:
    """Loads the models and answers until the process is told to stop.

    Args:
        arguments: of `visus serve`.
        browsed: the split and the folder of data of the first model to browse; None browses nothing.
    """
    settings = _settings(arguments)
    for name in arguments.models:
        if reason := why_no_model(name, models=(), recipes=()):
            raise VisusError(reason)
    from visus.galleries import Gallery
    from visus.server.app import create_app
    from visus.server.browsing import Browser
    from visus.server.listening import listen, open_port
    from visus.server.loaded import Models
    from visus.server.state import State
    from visus.terminal import console

    bound = open_port(arguments.host, arguments.port)  # what is taken is said before minutes of loading
    gallery = Gallery.open(arguments.gallery, device=arguments.device) if arguments.gallery else None
    form: Any = {"device": arguments.device, "precision": arguments.precision}
    models = Models(arguments.models, max_pixels=settings.max_pixels, **form)
    state = State(settings, models, gallery)
    browser = Browser(models.get(), state.jobs, *browsed) if browsed else None

    def ready(address: str) -> None:
        page = f"{address}browse" if browser else address
        console().print(page, soft_wrap=True)
        if not settings.local and not settings.token:
            console(stderr=True).print("without --token, whoever reaches this machine can use the server")
        if arguments.open:
            import webbrowser

            webbrowser.open(page)

    listen(create_app(state, browser), state, bound, ready)
    return 0


def check_extra() -> None:
    """Refuses to start without the packages of the extra.

    Raises:
        VisusError: one is missing; the message says how to install them.
    """
    import importlib.util

    missing = [name for name in ("fastapi", "uvicorn", "python_multipart") if importlib.util.find_spec(name) is None]
    if missing:
        raise VisusError(f'the server needs {", ".join(missing)}: pip install "visus[serve]"')


def _settings(arguments: ServeArguments) -> Settings:
    for name, value in (("queue", arguments.queue), ("batch-size", arguments.batch_size or 1)):
        if not 1 <= value <= 1024:
            raise VisusError(f"--{name} must be from 1 to 1024, not {value}")
    for name, number in (
        ("max-mb", arguments.max_mb),
        ("max-megapixels", arguments.max_megapixels),
        ("timeout", arguments.timeout),
    ):
        if not 0 < number <= 100_000:
            raise VisusError(f"--{name} must be above 0, not {number:g}")
    if not 0 <= arguments.port <= 65535:
        raise VisusError(f"--port must be from 0 to 65535, not {arguments.port}")
    import torch

    from visus.server.settings import Settings

    on_gpu = torch.cuda.is_available() and not (arguments.device or "").startswith("cpu")
    return Settings(
        host=arguments.host,
        token=arguments.token or os.environ.get(TOKEN_VARIABLE, ""),
        max_bytes=round(arguments.max_mb * 1_000_000),
        max_pixels=round(arguments.max_megapixels * 1_000_000),
        queue=arguments.queue,
        batch_size=arguments.batch_size or (8 if on_gpu else 1),
        seconds=arguments.timeout,
    )
