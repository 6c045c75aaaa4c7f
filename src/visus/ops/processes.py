"""What the processes of a distributed run have to know of one another."""

from __future__ import annotations

from typing import Any

import torch.distributed
from jaxtyping import Shaped
from torch import Tensor


def share_of_this_process() -> tuple[int, int]:
    """(rank, number of processes); (0, 1) outside torch.distributed."""
    if torch.distributed.is_available() and torch.distributed.is_initialized():
        return torch.distributed.get_rank(), torch.distributed.get_world_size()
    return 0, 1


def gathered(value: Any) -> list[Any]:
    """What each process has, on all of them, in the order of their ranks; all of them have to call it."""
    _, processes = share_of_this_process()
    if processes == 1:
        return [value]
    found: list[Any] = [None] * processes
    torch.distributed.all_gather_object(found, value)
    return found


def sum_over_processes(*tensors: Shaped[Tensor, " ..."]) -> None:
    """Adds up, in place, what each process has; all of them have to call it. Alone, does nothing."""
    if share_of_this_process()[1] > 1:
        for tensor in tensors:
            torch.distributed.all_reduce(tensor)


def whole(state: Any) -> Any:
    """Dicts and lists with whole tensors in place of the parts of each process; all processes have to call it."""
    if share_of_this_process()[1] == 1:
        return state
    from torch.distributed.tensor import DTensor
    from torch.utils._pytree import tree_map

    return tree_map(lambda value: value.full_tensor() if isinstance(value, DTensor) else value, state)
