"""``visus browse``: a run's validation images with what is right, wrong and missed, on a page."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from visus.cli.serve import ServeArguments, check_extra, run_server
from visus.training.run import RunFolder


@dataclass(frozen=True)
class BrowseArguments:
    """Look through a run's validation images: sort by error, filter, find labels that are probably wrong.

    The page is at the address that is printed, and asks the same server as `visus serve`. Needs the extra `serve`.

    Args:
        run: the folder of a run that finds objects or classes of images.
        split: another split than the run's validation split.
        root: another folder of data in the layout of the run's own.
        host: the address to listen at; by default this machine alone can reach it.
        port: of the address; 0 takes any free one.
        token: as of `visus serve`.
        device: such as cpu or cuda:1; default: a GPU where there is one.
        open: open the page in a browser.
    """

    run: Annotated[Path, tyro.conf.Positional]
    split: Annotated[str, tyro.conf.arg(metavar="SPLIT")] = ""
    root: Annotated[str, tyro.conf.arg(metavar="FOLDER")] = ""
    host: str = "127.0.0.1"
    port: int = 8000
    token: Annotated[str, tyro.conf.arg(metavar="TOKEN")] = ""
    device: Annotated[str | None, tyro.conf.arg(metavar="DEVICE")] = None
    open: tyro.conf.FlagCreatePairsOff[bool] = False


def main(argv: list[str]) -> int:
    """Runs ``visus browse``."""
    arguments = tyro.cli(BrowseArguments, args=argv, prog="visus browse")
    check_extra()
    RunFolder(arguments.run).recipe()  # what is no run is refused before anything heavy is imported
    serve = ServeArguments(
        models=(str(arguments.run),),
        host=arguments.host,
        port=arguments.port,
        token=arguments.token,
        device=arguments.device,
        precision="plain",  # what the run was measured with
        open=arguments.open,
    )
    return run_server(serve, browsed=(arguments.split, arguments.root))
