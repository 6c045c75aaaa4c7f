"""Several processes that divide what they keep between the steps: weights, gradients and the optimiser's moments.

Rajbhandari et al., "ZeRO: Memory Optimizations Toward Training Trillion Parameter Models", arXiv 1910.02054, as torch's
``fully_shard`` (FSDP2) does it. The model is one group: in a step its weights are whole on each device, and only there.
Checkpoints and saved weights hold whole tensors, and are those of one process.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import fully_shard
from torch.distributed.tensor import DTensor, distribute_tensor

from visus.ops.processes import whole
from visus.training.processes import Processes


class ShardedProcesses(Processes):
    """Several processes, each of which keeps a part of every tensor that learns; options as of `Processes`."""

    def configure_ddp(self) -> None:
        """Divides the parameters of the model in place of wrapping it; the optimisers are made afterwards."""
        task: Any = self.lightning_module
        # Parts of tensors are cut from memory that has no gaps or other orders.
        network: nn.Module = task.model.to(memory_format=torch.contiguous_format)
        for tensor in (*network.parameters(), *network.buffers()):
            torch.distributed.broadcast(tensor.detach(), 0)
        fully_shard(network, mesh=init_device_mesh(self.root_device.type, (self.world_size,)))

    def lightning_module_state_dict(self) -> dict[str, Any]:
        """The whole state of the task."""
        assert self.lightning_module is not None
        state: dict[str, Any] = whole(self.lightning_module.state_dict())
        return state

    def optimizer_state(self, optimizer: torch.optim.Optimizer) -> dict[str, Any]:
        """The whole state of an optimiser."""
        state: dict[str, Any] = whole(super().optimizer_state(optimizer))
        return state

    def load_optimizer_state_dict(self, checkpoint: Mapping[str, Any]) -> None:
        """Gives each process its part of the states of the optimisers."""
        states = []
        for optimizer, saved in zip(self.optimizers, checkpoint["optimizer_states"], strict=True):
            parameters = [one for group in optimizer.param_groups for one in group["params"]]
            parts = {
                number: {key: _part(value, parameters[number]) for key, value in state.items()}
                for number, state in saved["state"].items()
            }
            states.append({**saved, "state": parts})
        super().load_optimizer_state_dict({**checkpoint, "optimizer_states": states})


def _part(value: Any, parameter: Tensor) -> Any:
    """This process's part of a tensor that belongs to a parameter; anything else as it is."""
    if isinstance(parameter, DTensor) and isinstance(value, Tensor) and value.shape == parameter.shape:
        return distribute_tensor(value, parameter.device_mesh, parameter.placements)
    return value
