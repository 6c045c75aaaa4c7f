"""Shards of a command on a Ray cluster (extra ``ray``): each is the command of one shard, done by a worker."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Callable, Sequence
from typing import Any, Protocol, TypeVar

from visus.errors import VisusError


class ShardArguments(Protocol):
    """What the arguments of the command of one shard have."""

    @property
    def shard(self) -> str | None:
        """Which one."""

    @property
    def device(self) -> str | None:
        """Where it runs."""


Arguments = TypeVar("Arguments", bound=ShardArguments)
Outcome = TypeVar("Outcome")


def check_ray() -> None:
    """Refuses to go on without Ray.

    Raises:
        VisusError: it is not installed.
    """
    if importlib.util.find_spec("ray") is None:
        raise VisusError(
            '--engine ray needs Ray, which is not installed: pip install "visus[ray]"; or give each shard to a '
            "scheduler with --shard I/N"
        )


def on_ray(
    run: Callable[[Arguments], Outcome],
    parts: Sequence[Arguments],
    *,
    workers: int | None,
    on_done: Callable[[int], None],
) -> list[Outcome]:
    """Does shards on the cluster that ``RAY_ADDRESS`` names, else on one of this machine that ends with the command.

    A worker has one processor, and a GPU where the cluster has any and the arguments ask for no other device. The
    shards of a worker that dies are done by another one. What came of each is told in the order in which they end.

    Args:
        run: does a command with its arguments.
        parts: the arguments of the command of each shard.
        workers: processes at a time on this machine; None starts one for each processor.
        on_done: told 1 for each shard that is finished.

    Raises:
        VisusError: a shard could not be done; the others are finished.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # nothing is reported to anybody
    import ray

    quiet: dict[str, Any] = {"log_to_driver": False, "logging_level": "ERROR"}
    if "RAY_ADDRESS" in os.environ:
        ray.init(**quiet)
    else:
        ray.init(address="local", num_cpus=workers, include_dashboard=False, **quiet)
    try:
        gpus = int(ray.cluster_resources().get("GPU", 0) >= 1 and parts[0].device in (None, "cuda"))
        task = ray.remote(num_cpus=1, num_gpus=gpus)(_shard)
        waiting = {task.remote(run, part, os.getcwd()): part.shard for part in parts}
        errors: list[str] = []
        outcomes: list[Outcome] = []
        while waiting:
            (done, *_), _ = ray.wait(list(waiting))
            shard = waiting.pop(done)
            try:
                outcomes.append(ray.get(done))
                on_done(1)
            except ray.exceptions.RayError as error:
                cause = getattr(error, "cause", None) or error
                errors.append(f"shard {shard}: {' '.join(str(cause).split()) or type(cause).__name__}")
    finally:
        ray.shutdown()
    if errors:
        raise VisusError(f"{errors[0]} (the same command does what is missing: {len(errors)} of {len(parts)} shards)")
    return outcomes


def _shard(run: Callable[[Arguments], Outcome], arguments: Arguments, folder: str) -> Outcome:
    """What a worker does: the command of one shard, in the working directory of the one who asked."""
    os.chdir(folder)
    return run(arguments)
