"""A learned optimiser: a small LSTM that turns the gradient of each weight into its change.

Andrychowicz et al., "Learning to learn by gradient descent by gradient descent", arXiv 1606.04474. The same two layers
of LSTM serve every weight, each with a state of its own (section 2.1); gradients enter through `log_and_sign` (appendix
A). `visus train learned-optimizer` trains it; ``--optim.name learned --optim.weights RUN`` uses it.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from visus.errors import VisusError
from visus.nn.weights import load_state, read_weights

KIND = "learned optimiser"
State = tuple[Float[Tensor, "w hidden"], ...]
"""Hidden values and memories of each layer, one after the other, for each of ``w`` weights."""
PREPROCESSINGS = ("log_and_sign", "identity")


def log_and_sign(slopes: Float[Tensor, " w"], k: float = 5.0) -> Float[Tensor, "w 2"]:
    """Size and sign of gradients as two numbers of moderate size.

    ``(max(log|g| / k, -1), clip(e^k g, -1, 1))``, (log|g| / k, sign g) for all but tiny gradients; exactly 0 gives
    (-1, 0).

    Args:
        slopes: gradients.
        k: gradients below e^-k count as tiny.
    """
    tiny = torch.finfo(slopes.dtype).tiny
    size = (slopes.abs().clamp(min=tiny).log() / k).clamp(min=-1)
    return torch.stack((size, (slopes * math.exp(k)).clamp(-1, 1)), dim=1)


class CoordinateLSTM(nn.Module):
    """From the gradient of each weight, and what was remembered of it, to its change.

    Args:
        hidden: width of each layer.
        layers: of LSTM; 0 gives a linear function of what enters.
        preprocessing: ``log_and_sign``, or ``identity``.
        scale: factor on the change.
    """

    def __init__(
        self, *, hidden: int = 20, layers: int = 2, preprocessing: str = "log_and_sign", scale: float = 0.1
    ) -> None:
        super().__init__()
        if preprocessing not in PREPROCESSINGS:
            raise ValueError(f"preprocessing must be one of {', '.join(PREPROCESSINGS)}, not {preprocessing!r}")
        self.options = {"hidden": hidden, "layers": layers, "preprocessing": preprocessing, "scale": scale}
        inputs = 2 if preprocessing == "log_and_sign" else 1
        self.cells = nn.ModuleList(nn.LSTMCell(hidden if layer else inputs, hidden) for layer in range(layers))
        self.output = nn.Linear(hidden if layers else inputs, 1)
        self.hidden, self.preprocessing, self.scale = hidden, preprocessing, scale

    def start(self, like: Float[Tensor, " w"]) -> State:
        """What is remembered of each weight before the first step: nothing."""
        return tuple(like.new_zeros(len(like), self.hidden) for _ in range(2 * len(self.cells)))

    def forward(self, slopes: Float[Tensor, " w"], state: State) -> tuple[Float[Tensor, " w"], State]:
        """The change of each weight, and what to remember."""
        x = log_and_sign(slopes) if self.preprocessing == "log_and_sign" else slopes[:, None]
        after: list[Tensor] = []
        for layer, cell in enumerate(self.cells):
            x, memory = cell(x, (state[2 * layer], state[2 * layer + 1]))
            after += [x, memory]
        return self.scale * self.output(x)[:, 0], tuple(after)


class LearnedOptimizer(torch.optim.Optimizer):
    """Steps of a trained `CoordinateLSTM`; each weight's memory is part of the state, so that a run can be resumed.

    The learning rate multiplies the changes, so 1 takes them as they were learned.

    Args:
        params: parameters or groups of them.
        network: trained, and not trained any more here.
        lr: factor on its changes.
    """

    def __init__(self, params: Iterable[Any], network: CoordinateLSTM, *, lr: float = 1.0) -> None:
        super().__init__(params, {"lr": lr, "weight_decay": 0.0})
        self.network = network.eval().requires_grad_(False)

    @torch.no_grad()
    def step(self, closure: Any = None) -> None:  # type: ignore[override]
        """Changes every parameter that has a gradient.

        Raises:
            ValueError: a closure is given, which this optimiser has no use for.
        """
        if closure is not None:
            raise ValueError("a learned optimiser takes no closure")
        for group in self.param_groups:
            for parameter in group["params"]:
                if parameter.grad is None:
                    continue
                slopes = (parameter.grad + group["weight_decay"] * parameter).flatten().float()
                network, memory = self.network.to(slopes.device), self.state[parameter]
                known = memory.get("memory")
                change, after = network(slopes, tuple(known) if known is not None else network.start(slopes))
                memory["memory"] = list(after)
                parameter.add_(change.view_as(parameter).to(parameter.dtype), alpha=group["lr"])


def read_learned(run: str | Path) -> CoordinateLSTM:
    """The optimiser that ``visus train learned-optimizer`` wrote.

    Args:
        run: its folder, or its file of weights.

    Raises:
        VisusError: there is none, or it holds something else.
    """
    path = Path(run).expanduser()
    file = path / "weights.safetensors" if path.is_dir() else path
    if not run or not file.is_file():
        raise VisusError(f"{run or 'optim.weights'}: no learned optimiser; `visus train learned-optimizer` trains one")
    state, metadata = read_weights(file)
    if metadata.get("kind") != KIND:
        raise VisusError(f"{file}: holds {metadata.get('model', 'other weights')}, not a learned optimiser")
    network = CoordinateLSTM(**json.loads(metadata["options"]))
    load_state(network, state, source=str(file))
    return network
