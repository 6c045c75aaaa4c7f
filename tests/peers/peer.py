"""Runs a piece of Python in the environment of the published peer, a folder ``.peers`` beside ``src`` (make peers).

The peer's library and ours never share a process: tensors travel through files.
"""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
import torch
from torch import Tensor

PYTHON = Path(__file__).resolve().parents[2] / ".peers" / "bin" / "python"

WRAPPER = """
import sys
import torch

torch.set_num_threads(1)
folder = sys.argv[1]
scope = {"torch": torch, "inputs": torch.load(folder + "/inputs.pt", weights_only=True), "outputs": {}}
exec(compile(open(folder + "/body.py").read(), folder + "/body.py", "exec"), scope)
torch.save({name: value.detach().contiguous() for name, value in scope["outputs"].items()}, folder + "/outputs.pt")
"""


def run_peer(script_body: str, inputs: dict[str, Tensor], tmp_path: Path) -> dict[str, Tensor]:
    """Run ``script_body`` where torchvision is; skip the test where it is not.

    Args:
        script_body: the code; it finds ``torch`` and the dict ``inputs``, and fills the dict ``outputs`` with tensors.
        inputs: the tensors that it needs.
        tmp_path: a folder to exchange files in.

    Returns:
        What it put into ``outputs``.
    """
    if not PYTHON.exists():
        pytest.skip(f"{PYTHON} is absent: make the peer's environment with `make peers`")
    folder = tmp_path / "peer"
    folder.mkdir(exist_ok=True)
    torch.save({name: value.detach().contiguous() for name, value in inputs.items()}, folder / "inputs.pt")
    (folder / "body.py").write_text(script_body)
    # The peer must not find our modules, and downloads nothing.
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    command = [str(PYTHON), "-c", WRAPPER, str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, cwd=folder, check=False)
    if done.returncode:
        pytest.fail(f"the peer's script failed:\n{done.stderr[-4000:]}", pytrace=False)
    outputs: dict[str, Tensor] = torch.load(folder / "outputs.pt", weights_only=True)
    return outputs
