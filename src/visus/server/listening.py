"""The server on its port: one line that says where it is, and an end that finishes what has begun."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Callable, Iterator

import uvicorn
from fastapi import FastAPI

from visus.errors import VisusError
from visus.server.state import State
from visus.stopping import StopRequest


class Listener(uvicorn.Server):
    """uvicorn's server, which leaves signals to `StopRequest`."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Nothing: see `listen`."""
        yield


def open_port(host: str, port: int) -> socket.socket:
    """A socket that is bound to the address; port 0 is any free one.

    Raises:
        VisusError: the address is taken or unknown.
    """
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        bound = socket.socket(family, socket.SOCK_STREAM)
    except OSError as error:
        raise VisusError(f"--host {host}: no such address ({error.strerror or error})") from error
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind((host, port))
    except OSError as error:
        bound.close()
        raise VisusError(
            f"{host}:{port} cannot be used ({error.strerror or error}); --port 0 takes a free one"
        ) from error
    return bound


def address_of(bound: socket.socket) -> str:
    """The address of the server for a browser."""
    host, port = bound.getsockname()[:2]
    shown = {"0.0.0.0": "localhost", "::": "localhost"}.get(host, f"[{host}]" if ":" in host else host)
    return f"http://{shown}:{port}/"


def listen(app: FastAPI, state: State, bound: socket.socket, on_ready: Callable[[str], None]) -> None:
    """Answers requests until Ctrl-C or SIGTERM; then finishes those that have begun. A second signal ends it at once.

    Args:
        app: what answers.
        state: whose queue is finished at the end.
        bound: the socket.
        on_ready: told the address when requests are answered.
    """
    config = uvicorn.Config(
        app,
        log_level="warning",
        access_log=False,
        server_header=False,
        lifespan="off",
        ws="none",
        timeout_graceful_shutdown=round(state.settings.seconds) + 5,
    )
    listener = Listener(config)

    def stop(number: int) -> None:
        listener.should_exit = True

    bound.listen(128)
    on_ready(address_of(bound))
    try:
        with StopRequest(stop):
            listener.run(sockets=[bound])
    finally:
        state.jobs.stop(5.0)
        bound.close()
