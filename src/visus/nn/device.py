"""Where a network runs."""

from __future__ import annotations

import torch

from visus.errors import VisusError


def find_device(name: str | None) -> torch.device:
    """The device called ``name``, such as ``cpu`` or ``cuda:1``; a GPU where there is one when None.

    Raises:
        VisusError: there is no such device here.
    """
    if name is None:
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:  # an assertion where PyTorch was built without CUDA
        first_line = str(error).splitlines()[0]
        raise VisusError(f"the device {name!r} cannot be used: {first_line}") from error
    return device
