"""The steps of a network as a graph (`torch.fx`), in which a layer, its norm, an addition and an activation become one.

Of a network only those parts become graphs that always take the same steps: backbone, pyramid, heads. Where a part
decides by its numbers or sizes, the symbols that stand for tensors refuse to be asked, and its own parts are tried.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import jaxtyping
import torch
from torch import Tensor, fx, nn

from visus.nn.fused.activations import NONE, Activation, activation_of
from visus.nn.fused.packed import PACKED, Norm, Origin, Packed
from visus.nn.norm import FrozenBatchNorm2d

_ADDITIONS: set[Any] = {operator.add, operator.iadd, torch.add, "add", "add_"}


MakePacked = Callable[[type, Origin, Activation], Packed]
"""Makes a packed layer for a plain one of some kind."""


def structure_of(args: Sequence[Any]) -> tuple[int | None, ...]:
    """How many values each argument holds: those of a list or tuple, else None for one."""
    return tuple(len(arg) if isinstance(arg, list | tuple) else None for arg in args)


def flat(args: Sequence[Any]) -> list[Any]:
    """The values in arguments, one after the other."""
    values: list[Any] = []
    for arg in args:
        values.extend(arg) if isinstance(arg, list | tuple) else values.append(arg)
    return values


def trace(part: nn.Module, method: str, structure: Sequence[int | None]) -> fx.Graph:
    """The steps that ``part`` takes in ``method``, for arguments of the given structure.

    Raises:
        Exception: it has no steps that are always the same; of any kind, as its own code meets symbols.
    """
    with _norms_apart(part), _shapes_unchecked():
        graph = _Tracer(method, structure).trace(part)
    graph._tracer_cls = None  # a graph that is loaded from a file is read by torch's own tracer
    return graph


class _Tracer(fx.Tracer):
    """Arguments that are lists become lists of symbols; layers and norms are steps of their own."""

    def __init__(self, method: str, structure: Sequence[int | None]) -> None:
        super().__init__()
        self.traced_func_name = method
        self._structure = structure

    def create_args_for_root(self, root_fn: Any, is_module: bool, concrete_args: Any = None) -> tuple[Any, list[Any]]:
        """The part itself, and a symbol for each value."""
        numbers = iter(range(1 << 20))

        def symbol() -> fx.Proxy:
            return self.create_proxy("placeholder", f"value_{next(numbers)}", (), {})

        args = [symbol() if count is None else [symbol() for _ in range(count)] for count in self._structure]
        return root_fn, [self.root, *args]

    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        """Layers and norms, those of visus too."""
        layers = (nn.Conv2d, nn.modules.batchnorm._BatchNorm, FrozenBatchNorm2d)
        return isinstance(m, layers) or super().is_leaf_module(m, module_qualified_name)


@contextmanager
def _norms_apart(part: nn.Module) -> Iterator[None]:
    """`visus.nn.norm.conv_norm` computes with weights unless somebody listens to a layer; then it is two steps."""
    listeners = [
        layer.register_forward_hook(_listen) for layer in part.modules() if isinstance(layer, nn.Conv2d | nn.Linear)
    ]
    try:
        yield
    finally:
        for listener in listeners:
            listener.remove()


def _listen(*_: Any) -> None:
    """Hears nothing."""


@contextmanager
def _shapes_unchecked() -> Iterator[None]:
    """Symbols are no tensors: the checks of shapes that run in tests rest while they pass through."""
    before = jaxtyping.config.jaxtyping_disable
    jaxtyping.config.update("jaxtyping_disable", True)
    try:
        yield
    finally:
        jaxtyping.config.update("jaxtyping_disable", before)


class Measuring(fx.Interpreter):
    """Takes the steps of a graph one by one and notes the shape of what each gives."""

    def run_node(self, n: fx.Node) -> Any:
        """The step's result; its shape is noted where it is a tensor."""
        result = super().run_node(n)
        if isinstance(result, Tensor):
            n.meta["shape"] = tuple(result.shape)
        return result


def fuse(graph: fx.Graph, part: nn.Module, make: MakePacked) -> fx.GraphModule:
    """The graph with packed layers in place of the plain ones, as a module.

    Args:
        graph: that `Measuring` went through.
        part: what it was traced from.
        make: makes the packed layers.
    """
    modules: dict[str, Any] = dict(part.named_modules())
    made: dict[str, nn.Module] = {}
    for node in list(graph.nodes):
        if node.op != "call_module" or type(modules[node.target]) not in PACKED or len(node.args) != 1:
            continue
        layer = modules[node.target]
        if isinstance(layer, nn.Conv2d) and (layer.padding_mode != "zeros" or isinstance(layer.padding, str)):
            continue
        steps, norm, other, activation = _chain(node, modules)
        name = f"fused_{len(made)}"
        modules[name] = made[name] = make(type(layer), Origin(layer, norm), activation)
        with graph.inserting_after(steps[-1]):
            inputs = (node.args[0],) if other is None else (node.args[0], other)
            new = graph.call_module(name, inputs)
        new.meta["shape"] = steps[-1].meta.get("shape")
        steps[-1].replace_all_uses_with(new)
        for step in reversed(steps):
            graph.erase_node(step)
    kept = {
        str(node.target): modules[str(node.target)]
        for node in graph.nodes
        if node.op == "call_module" and node.target not in made
    }
    read = {str(node.target): _attribute(part, str(node.target)) for node in graph.nodes if node.op == "get_attr"}
    for node in graph.nodes:
        node.type = None  # annotations are for readers; as code of their own they could not be loaded again
    graph.lint()
    return fx.GraphModule({**kept, **made, **read}, graph)


def _chain(node: fx.Node, modules: dict[str, Any]) -> tuple[list[fx.Node], Norm | None, fx.Node | None, Activation]:
    """The steps from a layer on that become one: its norm, an addition, an activation, as far as there are."""
    layer, steps = modules[str(node.target)], [node]
    norm: Norm | None = None
    other: fx.Node | None = None
    if isinstance(layer, nn.Conv2d):
        after = _only_user(steps[-1])
        if after is not None and after.op == "call_module" and _is_fixed(modules[str(after.target)]):
            norm = modules[str(after.target)]
            steps.append(after)
        after = _only_user(steps[-1])
        if after is not None and (other := _added(steps[-1], after)) is not None:
            steps.append(after)
    after = _only_user(steps[-1])
    activation = None if after is None else activation_of(after, modules)
    if after is not None and activation is not None:
        steps.append(after)
    return steps, norm, other, activation or NONE


def _only_user(node: fx.Node) -> fx.Node | None:
    return next(iter(node.users)) if len(node.users) == 1 else None


def _is_fixed(norm: nn.Module) -> bool:
    if isinstance(norm, nn.BatchNorm2d):
        return not norm.training and norm.running_var is not None and norm.affine
    return isinstance(norm, FrozenBatchNorm2d)


def _added(node: fx.Node, step: fx.Node) -> fx.Node | None:
    """What a step adds to a node, of the same shape; None where it is no such addition."""
    if step.op not in ("call_function", "call_method") or step.target not in _ADDITIONS:
        return None
    if len(step.args) != 2 or step.kwargs:
        return None
    others = [arg for arg in step.args if arg is not node]
    if len(others) != 1 or not isinstance(others[0], fx.Node):
        return None
    shapes = {other.meta.get("shape") for other in (node, others[0])}
    return others[0] if len(shapes) == 1 and None not in shapes else None


def _attribute(part: nn.Module, path: str) -> Any:
    value: Any = part
    for name in path.split("."):
        value = getattr(value, name)
    return value
