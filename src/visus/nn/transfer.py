"""Fine-tuning: which tensors of a network can start from those of another, and which parts are new.

The backbone goes from any network to any other that stands on the same one. Beyond it, a tensor goes where the other
network has one of the same name and shape inside of modules of the same kind: the pyramid, the proposals and the heads
of a Faster R-CNN fit a Mask R-CNN, the classifier of an FCN does not fit a DeepLabv3.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping

from torch import nn

from visus.errors import VisusError
from visus.nn.backbones import Backbone
from visus.nn.weights import StateDict


class TransferError(VisusError):
    """Two networks that do not stand on the same backbone; the message says how they differ."""


def matching(model: nn.Module, source: nn.Module, *, new: Collection[str] = ()) -> dict[str, str]:
    """The tensors of ``model`` that can start from one of ``source``: the name there by the name here.

    Args:
        model: the network that is to learn.
        source: the network that has learned; only the names, shapes and kinds of its modules are looked at.
        new: names of tensors of ``model`` that take nothing.

    Raises:
        TransferError: the backbones are of different kinds or of different shapes.
    """
    pairs = _backbone_pairs(model, source)
    own, theirs = _shapes(model), _shapes(source)
    kinds = dict(source.named_modules())
    same = {name for name, shape in own.items() if theirs.get(name) == shape and _kin(model, kinds, name)}
    torn = {_part(name) for name in own.keys() | theirs.keys() if own.get(name) != theirs.get(name)}
    for name in same - pairs.keys():
        if not (name.startswith("backbone.") and _part(name) in torn):  # levels of a pyramid change places otherwise
            pairs[name] = name
    return {name: pairs[name] for name in own if name in pairs and name not in new}


def load_matching(model: nn.Module, state: StateDict, pairs: Mapping[str, str]) -> None:
    """Copies tensors of ``state`` into ``model``, each from the name that ``pairs`` gives for its own."""
    model.load_state_dict({name: state[other] for name, other in pairs.items() if other in state}, strict=False)


def parts(names: Iterable[str], model: nn.Module) -> list[str]:
    """The modules of ``model`` that hold only tensors of ``names``, the largest ones, in the order of the network."""
    wanted, found = set(names), list[str]()
    every = list(_shapes(model))
    for name in (name for name in every if name in wanted):
        if any(name.startswith(f"{part}.") for part in found):
            continue
        pieces = name.split(".")
        for depth in range(1, len(pieces) + 1):
            part = ".".join(pieces[:depth])
            if all(other in wanted for other in every if other == part or other.startswith(f"{part}.")):
                found.append(part)
                break
    return found


def dependent(model: nn.Module, other: nn.Module) -> list[str]:
    """The tensors of ``model`` whose shape is another in ``other``: its heads, if other classes make the difference."""
    shapes = _shapes(other)
    return [name for name, shape in _shapes(model).items() if shapes.get(name) != shape]


def _shapes(model: nn.Module) -> dict[str, tuple[int, ...]]:
    """The shape of each tensor of a network; the counters of batch norms are left out."""
    state = model.state_dict()
    return {name: tuple(value.shape) for name, value in state.items() if not name.endswith(".num_batches_tracked")}


def _part(name: str) -> str:
    """The module below a top module that holds a tensor: ``backbone.fpn``."""
    return ".".join(name.split(".")[:2])


def _backbone_pairs(model: nn.Module, source: nn.Module) -> dict[str, str]:
    """The names of the tensors of both backbones."""
    (here, body), (there, other) = _body(model), _body(source)
    own, theirs = dict(_layers(body)), dict(_layers(other))
    if not own or own.keys() != theirs.keys():
        raise TransferError(f"its backbone is a {_name(other)} of other layers than this {_name(body)}")
    if differing := [name for name in own if own[name] != theirs[name]]:
        raise TransferError(f"its backbone has other shapes, the first in {there}.{differing[0]}")
    if _pixels(body) != _pixels(other):
        raise TransferError("its backbone expects pixels in another range")
    return {f"{here}.{name}": f"{there}.{name}" for name in own}


def _body(model: nn.Module) -> tuple[str, nn.Module]:
    """The backbone of a network and its name: the innermost `Backbone`, or the module that is called so."""
    bodies = [(name, module) for name, module in model.named_modules() if isinstance(module, Backbone)]
    called = [(name, module) for name, module in model.named_children() if name == "backbone"]
    found = [*called, *bodies]
    if not found:
        raise TransferError(f"a {type(model).__name__} has no backbone to start from")
    return found[-1]


def _layers(body: nn.Module) -> Iterator[tuple[str, tuple[int, ...]]]:
    """The names of the tensors of a backbone and their shapes, without a classifier behind it."""
    layers = [layer for group in body.groups() for layer in group] if isinstance(body, Backbone) else [body]
    inside = {id(layer) for layer in layers}
    roots = [name for name, module in body.named_modules() if id(module) in inside]
    for name, shape in _shapes(body).items():
        if any(not root or name.startswith(f"{root}.") for root in roots):
            yield name, shape


def _kin(model: nn.Module, others: Mapping[str, nn.Module], name: str) -> bool:
    """Whether all modules around a tensor are of one kind in both networks, the networks themselves left out."""
    pieces = name.split(".")[:-1]
    for depth in range(1, len(pieces) + 1):
        path = ".".join(pieces[:depth])
        here, there = type(model.get_submodule(path)), type(others[path])
        if not (issubclass(here, there) or issubclass(there, here)) and depth < len(pieces):
            return False
    return True


def _pixels(body: nn.Module) -> object:
    return (body.mean, body.std) if isinstance(body, Backbone) else None


def _name(body: nn.Module) -> str:
    return type(body).__name__.removesuffix("Body")
