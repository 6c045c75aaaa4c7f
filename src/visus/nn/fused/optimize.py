"""A network that only predicts, rewritten for speed: `optimize` finds the parts, fuses each and tries it out.

A sample goes through the plain network twice: once to see which parts are called and how, once to compare what each
part gives, plain and fused, on the same numbers. A part that differs, or that has no steps that are always the same,
stays as it is. The networks know nothing of it: on the parts of a copy, which shares all weights, ``forward`` (and of a
backbone ``stages``) is covered by the fused steps; in training, with gradients and on other devices the plain ones run.
"""

from __future__ import annotations

import copy
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import fields, is_dataclass
from functools import partial
from itertools import chain
from typing import Any, Final, Literal, TypeVar

import torch
from torch import Tensor, fx, nn

from visus.nn.backbones.interface import Backbone
from visus.nn.fused.activations import Activation
from visus.nn.fused.graph import Measuring, flat, fuse, structure_of, trace
from visus.nn.fused.packed import PACKED, Origin, Packed
from visus.nn.model import predict_batch

Precision = Literal["fp32", "bf16"]
Note = Callable[[str], None]
Network = TypeVar("Network", bound=nn.Module)

DTYPES: dict[str, torch.dtype] = {"fp32": torch.float32, "bf16": torch.bfloat16}
LIMITS: dict[str, float] = {"fp32": 1e-4, "bf16": 0.05}
"""The most that a part may differ from the plain one: the largest difference as a share of the largest value."""

_OPERATORS: Final = (
    "_convolution_pointwise",
    "_convolution_transpose_pointwise",
    "_linear_pointwise",
    "_reorder_convolution_weight",
    "_reorder_convolution_transpose_weight",
    "_reorder_linear_weight",
)


def warn(note: str) -> None:
    """What is said where nobody asked to be told otherwise."""
    warnings.warn(note, stacklevel=3)


def optimize_network(model: Network, inputs: Any, precision: Precision = "fp32", *, on_note: Note = warn) -> Network:
    """A faster network with the same weights; the plain one, and a note why, where that is not to be had.

    Args:
        model: a `visus.nn.model.Model`; it stays as it is, and shares its weights with what is returned.
        inputs: a batch as the model's transform makes it, which the parts are tried on.
        precision: ``fp32``, which differs by rounding alone, or ``bf16``, half as wide, for what tolerates it.
        on_note: told in a line what could not be done.
    """
    network: Any = model
    if network.adapts:
        on_note("this model learns while it predicts, so it stays as it is")
        return model
    if not _has_layers(model):
        on_note("not optimised: this network has no layers that can be fused")
        return model
    device = next(chain(model.parameters(), model.buffers())).device
    if device.type != "cpu":
        return _for_gpu(model, precision)
    if reason := unavailable(precision):
        on_note(f"not optimised: {reason}")
        return model
    fast = _sharing_copy(model).eval()
    try:
        count = _fuse_parts(fast, inputs, precision)
    except Exception as error:  # operators without a stable interface: whatever they do, the plain network is there
        on_note(f"not optimised: {type(error).__name__}: {(str(error).splitlines() or ['?'])[0]}")
        return model
    if not count:
        on_note("not optimised: no part of this network gives the same, fused")
        return model
    if precision == "bf16":
        _autocast(fast, "cpu")
    fast.register_load_state_dict_post_hook(_forget)  # type: ignore[no-untyped-call]
    return fast


def unavailable(precision: str) -> str:
    """Why the operators of a precision cannot be used here; empty where they can."""
    if not torch.backends.mkldnn.is_available():  # type: ignore[no-untyped-call]
        return "this PyTorch has no oneDNN"
    missing = [name for name in _OPERATORS if not hasattr(torch.ops.mkldnn, name)]
    if missing:
        return f"PyTorch {torch.__version__} has no operator mkldnn::{missing[0]}"
    if precision == "bf16" and not torch.ops.mkldnn._is_mkldnn_bf16_supported():
        return "bf16 needs a processor with AVX-512 (best with bf16 products)"
    return ""


def packed_layers(model: nn.Module) -> list[Packed]:
    """The packed layers of an optimised network; none of a plain one."""
    return [layer for call in fused_calls(model) for layer in call.graph.modules() if isinstance(layer, Packed)]


def fused_calls(model: nn.Module) -> Iterator[FusedCall]:
    """The fused parts of a network."""
    for part in model.modules():
        for method in _methods(part):
            call = part.__dict__.get(method)
            if isinstance(call, FusedCall):
                yield call


class FusedCall:
    """What covers a method of a part.

    Args:
        part: of the network.
        method: ``forward`` or ``stages``.
        structure: of the arguments, see `structure_of`.
        graph: the fused steps.
    """

    def __init__(self, part: nn.Module, method: str, structure: Sequence[int | None], graph: fx.GraphModule) -> None:
        self.part, self.method, self.structure, self.graph = part, method, tuple(structure), graph

    def __call__(self, *args: Any, **named: Any) -> Any:
        """The fused steps where they are what was asked for."""
        values = flat(args)
        plain = self.part.training or torch.is_grad_enabled() or named or structure_of(args) != self.structure
        if plain or any(isinstance(value, Tensor) and value.device.type != "cpu" for value in values):
            return getattr(type(self.part), self.method)(self.part, *args, **named)
        return self.graph(*values)


class _Trial:
    """Covers a method while the sample goes through: compares plain and fused steps once; the plain result counts."""

    def __init__(self, part: nn.Module, method: str, structure: Sequence[int | None], precision: str) -> None:
        self.part, self.method, self.structure, self.precision = part, method, structure, precision
        # A layer alone becomes a step of something: as a copy with its weights, which nothing covers.
        self.root = nn.Sequential(copy.copy(part)) if type(part) in PACKED else part
        self.graph = trace(self.root, method, structure)
        self.fused: fx.GraphModule | None = None
        self.compared = False
        self.shapes: list[Any] = []

    def __call__(self, *args: Any) -> Any:
        plain = partial(getattr(type(self.part), self.method), self.part)
        values = flat(args)
        if not self.shapes:
            self.shapes = [(value.shape, value.dtype) if isinstance(value, Tensor) else value for value in values]
        if not self.compared and all(value.numel() for value in values if isinstance(value, Tensor)):
            self.compare(values)
        return plain(*args)

    def compare(self, values: Sequence[Any]) -> None:
        """Keeps the fused steps if they give what the plain ones give."""
        self.compared = True
        expected = Measuring(self.root, graph=self.graph).run(*_copies(values))
        make = partial(_packed, dtype=DTYPES[self.precision])
        fused = fuse(self.graph, self.root, make)
        if difference(expected, fused(*_copies(values))) <= LIMITS[self.precision]:
            self.fused = fused

    def compare_made_up(self) -> None:
        """For a part that had nothing to look at, as the mask head of an image without objects: on random numbers."""
        values = []
        for shape in self.shapes:
            if not isinstance(shape, tuple):
                values.append(shape)
                continue
            size, dtype = [side or 2 for side in shape[0]], shape[1]
            made = torch.randn(size) if dtype.is_floating_point else torch.zeros(size)
            values.append(made.to(dtype))
        with torch.no_grad():
            self.compare(values)


def _packed(kind: type, origin: Origin, activation: Activation, *, dtype: torch.dtype) -> Packed:
    return PACKED[kind](origin, activation, dtype)


def _fuse_parts(model: nn.Module, inputs: Any, precision: str) -> int:
    """Covers the parts of a network by fused steps; how many could be."""
    structures = _structures(model, inputs)
    trials = [trial for child in model.children() for trial in _trials(child, structures, precision)]
    with _covered({(trial.part, trial.method): trial for trial in trials}), torch.no_grad():
        predict_batch(model, inputs)
    for trial in trials:
        if not trial.compared and trial.shapes:
            trial.compare_made_up()
    kept = [trial for trial in trials if trial.fused is not None]
    for trial in kept:
        assert trial.fused is not None
        trial.part.__dict__[trial.method] = FusedCall(trial.part, trial.method, trial.structure, trial.fused)
    return len(kept)


def _structures(model: nn.Module, inputs: Any) -> dict[tuple[nn.Module, str], tuple[int | None, ...]]:
    """How each part is called while the network looks at ``inputs``."""
    seen: dict[tuple[nn.Module, str], tuple[int | None, ...]] = {}

    def listener(part: nn.Module, method: str) -> Callable[..., Any]:
        plain = partial(getattr(type(part), method), part)

        def listen(*args: Any, **named: Any) -> Any:
            if not named:
                seen.setdefault((part, method), structure_of(args))
            return plain(*args, **named)

        return listen

    parts = [part for part in model.modules() if part is not model and _has_layers(part)]
    with _covered({(part, method): listener(part, method) for part in parts for method in _methods(part)}):
        predict_batch(model, inputs)
    return seen


def _trials(
    part: nn.Module, structures: dict[tuple[nn.Module, str], tuple[int | None, ...]], precision: str
) -> Iterator[_Trial]:
    """The largest parts, from ``part`` downwards, that always take the same steps."""
    found = False
    for method in _methods(part):
        structure = structures.get((part, method))
        if structure is None:
            continue
        try:
            trial = _Trial(part, method, structure, precision)
        except Exception:  # its own code, which was never made for symbols; of any kind
            continue
        found = True
        yield trial
    if not found:
        for child in part.children():
            yield from _trials(child, structures, precision)


def _methods(part: nn.Module) -> tuple[str, ...]:
    return ("stages", "forward") if isinstance(part, Backbone) else ("forward",)


def _has_layers(part: nn.Module) -> bool:
    return any(type(layer) in PACKED for layer in part.modules())


@contextmanager
def _covered(covers: dict[tuple[nn.Module, str], Callable[..., Any]]) -> Iterator[None]:
    """Other functions in place of methods, for a while."""
    for (part, method), cover in covers.items():
        part.__dict__[method] = cover
    try:
        yield
    finally:
        for part, method in covers:
            part.__dict__.pop(method, None)


class _Autocast:
    """A method under autocast."""

    def __init__(self, part: nn.Module, method: str, device: str) -> None:
        self.part, self.method, self.device = part, method, device

    def __call__(self, *args: Any, **named: Any) -> Any:
        with torch.autocast(self.device, dtype=torch.bfloat16):
            return getattr(type(self.part), self.method)(self.part, *args, **named)


def _autocast(model: nn.Module, device: str) -> None:
    for method in ("forward", "postprocess"):
        model.__dict__[method] = _Autocast(model, method, device)


def _for_gpu(model: Network, precision: str) -> Network:
    """On a GPU, whose libraries fuse by themselves: channels-last memory, and half as wide numbers if wanted."""
    network: Any = model
    fast: Any = _sharing_copy(model).eval()
    if network.channels_last:
        fast = fast.to(memory_format=torch.channels_last)
    if precision == "bf16":
        _autocast(fast, "cuda")
    made: Network = fast
    return made


def _sharing_copy(model: Network) -> Network:
    """A copy with modules of its own and the same tensors."""
    shared: dict[int, Any] = {id(tensor): tensor for tensor in chain(model.parameters(), model.buffers())}
    return copy.deepcopy(model, shared)


def _forget(model: nn.Module, _: Any) -> None:
    for layer in packed_layers(model):
        layer.forget()


def _copies(values: Sequence[Any]) -> list[Any]:
    """Values that steps in place may change."""
    return [value.clone() if isinstance(value, Tensor) else value for value in values]


def difference(expected: Any, found: Any) -> float:
    """The largest difference between the tensors of two results, as a share of the largest value of each."""
    pairs = list(zip(_tensors(expected), _tensors(found), strict=True))
    worst = 0.0
    for one, other in pairs:
        if one.shape != other.shape:
            return float("inf")
        if one.numel():
            scale = float(one.abs().max()) or 1.0
            apart = float((one.double() - other.double()).abs().max()) / scale
            worst = max(worst, apart if apart == apart else float("inf"))
    return worst


def _tensors(value: Any) -> Iterator[Tensor]:
    if isinstance(value, Tensor):
        yield value
    elif is_dataclass(value):
        for field in fields(value):
            yield from _tensors(getattr(value, field.name))
    elif isinstance(value, dict):
        for one in value.values():
            yield from _tensors(one)
    elif isinstance(value, list | tuple):
        for one in value:
            yield from _tensors(one)
