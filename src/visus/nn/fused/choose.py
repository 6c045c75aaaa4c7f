"""Which form of a network is the fastest here: measured on the first inputs, and said in a line."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from typing import Any, Final, Literal

import torch
from torch import nn

from visus.nn.fused.optimize import LIMITS, Note, optimize_network, packed_layers, unavailable
from visus.nn.model import predict_batch

Choice = Literal["auto", "plain", "fp32", "bf16", "int8"]
"""What users ask for: ``auto`` chooses, ``plain`` leaves the network as it is."""

FEW: Final = 16
"""Of fewer inputs than this, rewriting a network takes longer than it saves."""

_LOOKS: Final = 2  # at the first inputs, for a time

Calibrate = Callable[[nn.Module, Note], nn.Module]
"""Makes an int8 network of one that is fused in float32 or bfloat16."""


def choose(
    model: nn.Module,
    inputs: Any,
    choice: Choice = "auto",
    *,
    count: int | None = None,
    exact: bool = False,
    calibrate: Calibrate | None = None,
    on_note: Note,
) -> nn.Module:
    """The network in the form that was asked for, or with ``auto`` in the fastest that may stand for the plain one.

    ``auto`` tries float32, fused, and bfloat16 where the processor has products of it; a form counts if each part stays
    within `LIMITS` of the plain one. It never takes int8, which needs images to be calibrated with.

    Args:
        model: plain.
        inputs: the first batch, which all forms are tried on.
        choice: what was asked for.
        count: how many inputs there will be; None where that is not known.
        exact: whether ``auto`` takes only what differs by rounding.
        calibrate: what makes int8 of it.
        on_note: told in a line what was changed, and what cannot be had of what was asked for.
    """
    if choice == "plain" or (choice == "auto" and count is not None and count < FEW):
        return model
    on_cpu = all(parameter.device.type == "cpu" for parameter in model.parameters())
    if choice == "bf16":
        return optimize_network(model, inputs, "bf16", on_note=on_note)
    if choice == "auto" and on_cpu:
        return _fastest(model, inputs, exact, on_note)
    rest: Literal["fp32", "bf16"] = "fp32"
    if choice == "int8" and on_cpu and multiplies_bfloat16():
        rest = "bf16"  # what is not in eight bits
    fast = optimize_network(model, inputs, rest, on_note=on_note)
    if choice != "int8" or fast is model or not on_cpu:
        return fast
    if calibrate is None:
        raise ValueError("int8 needs images to be calibrated with")
    return calibrate(fast, on_note)


def _fastest(model: nn.Module, inputs: Any, exact: bool, on_note: Note) -> nn.Module:
    def unsaid(reason: str) -> None:
        """Nobody asked for this form by name."""

    forms = {"fp32, fused": optimize_network(model, inputs, "fp32", on_note=unsaid)}
    if not exact and multiplies_bfloat16():
        forms["bf16, fused"] = optimize_network(model, inputs, "bf16", on_note=unsaid)
    forms = {name: form for name, form in forms.items() if form is not model}
    if not forms:
        return model
    seconds = dict(zip(["as it is", *forms], _times([model, *forms.values()], inputs), strict=True))
    best = min(seconds, key=lambda name: seconds[name])
    if best == "as it is":
        return model
    share = seconds[best] / seconds["as it is"]
    within = LIMITS[best[:4]]
    layers = len(packed_layers(forms[best]))
    on_note(f"precision {best}: {share:.2f} of the time on the first input, {layers} layers within {within:g}")
    return forms[best]


def multiplies_bfloat16() -> bool:
    """Whether this processor has products of bfloat16, without which it is no faster than float32."""
    able = torch.cpu.get_capabilities()
    return not unavailable("bf16") and any(able.get(name) for name in ("avx512_bf16", "amx_bf16", "bf16"))


def _times(models: Iterable[nn.Module], inputs: Any) -> list[float]:
    """The least seconds of each of a few looks, in turns; the first, which packs, does not count."""
    models = list(models)
    best = [float("inf")] * len(models)
    for turn in range(_LOOKS + 1):
        for number, model in enumerate(models):
            start = time.perf_counter()
            predict_batch(model, inputs)
            if turn:
                best[number] = min(best[number], time.perf_counter() - start)
    return best
