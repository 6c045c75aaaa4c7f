"""From a network to torch.export's graph: sizes that may change, and constants computed once and for all.

Networks multiply the norm behind a convolution into its weights at every call (`visus.nn.norm.conv_norm`). In a file
these weights never change, so whatever depends on parameters alone is computed here and not by every run time.
"""

from __future__ import annotations

import operator
from collections.abc import Sequence
from typing import Any

import torch
from jaxtyping import Shaped
from torch import Tensor, fx, nn

_FOLDED = "folded"


@torch.no_grad()
def graph_of(
    wrapper: nn.Module, example: Sequence[Shaped[Tensor, " ..."]], *, free: Sequence[int]
) -> torch.export.ExportedProgram:
    """The graph of a network.

    Args:
        wrapper: takes tensors.
        example: such tensors, the first with at least two rows.
        free: the axes of the first that may have another length.
    """
    shapes = (dict.fromkeys(free, torch.export.Dim.DYNAMIC), *({} for _ in example[1:]))
    first = torch.export.export(wrapper.eval(), tuple(example), dynamic_shapes=shapes).module()
    assert isinstance(first, fx.GraphModule)
    fold_constants(first)
    return torch.export.export(first, tuple(example), dynamic_shapes=shapes)


def fold_constants(module: fx.GraphModule) -> int:
    """Replaces in place all that follows from parameters alone by its value; how many values that makes."""
    known: dict[fx.Node, Any] = {}
    for node in module.graph.nodes:
        if node.target is torch.ops.aten.detach_.default:  # in place, which a constant cannot be
            node.target = torch.ops.aten.detach.default
        if node.op == "get_attr":
            known[node] = operator.attrgetter(node.target)(module)
        elif _is_pure(node) and node.all_input_nodes and all(one in known for one in node.all_input_nodes):
            args, kwargs = fx.node.map_arg((node.args, node.kwargs), known.__getitem__)
            known[node] = node.target(*args, **kwargs)
    count = 0
    for node, value in known.items():
        if node.op == "get_attr" or not isinstance(value, Tensor) or all(user in known for user in node.users):
            continue
        name = f"{_FOLDED}_{count}"
        module.register_buffer(name, value.detach().clone())
        with module.graph.inserting_before(node):
            node.replace_all_uses_with(module.graph.get_attr(name))
        count += 1
    module.graph.eliminate_dead_code()
    module.recompile()
    module.delete_all_unused_submodules()
    return count


def _is_pure(node: fx.Node) -> bool:
    """Whether a node is an operator of PyTorch's that does nothing but compute."""
    return node.op == "call_function" and isinstance(node.target, torch._ops.OpOverload) and not node.is_impure()
