"""What a training takes from a Python program in place of what its recipe names: data, loss, augmentation, backbone."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

from jaxtyping import Float
from torch import Tensor, nn

from visus.data.feed.loader import SampleDataset, Transform
from visus.data.files.splits import divided
from visus.data.records.chosen import chosen
from visus.data.records.given import as_dataset
from visus.names import counted
from visus.nn.backbones import AnyBackbone, Backbone, as_backbone
from visus.training.recipe import OwnRecipe, Recipe, RecipeError
from visus.types import row

if TYPE_CHECKING:
    from visus.training.task import Criterion

OwnLoss = Callable[[Any, Sequence[Any]], Mapping[str, Float[Tensor, ""]] | Float[Tensor, ""]]
"""From a model's outputs and the targets to named scalar losses, or to one; a module's parameters learn, too."""


@dataclass(frozen=True, kw_only=True)
class Own:
    """The parts of a training that a program brings; None for those that the recipe names.

    Args:
        data: what is learned from.
        val: what is measured on; none holds a fifth of ``data`` out.
        loss: what is minimised.
        augment: how training samples are changed.
        backbone: what the network stands on.

    Raises:
        RecipeError: a part is not what it has to be; the message says what is missing.
    """

    data: Any = None
    val: Any = None
    loss: OwnLoss | None = None
    augment: Transform | None = None
    backbone: AnyBackbone | None = None

    def __post_init__(self) -> None:
        for name in ("loss", "augment", "backbone"):
            part = getattr(self, name)
            if part is not None and not callable(part):
                raise RecipeError(f"{name} must be something that can be called, not {part!r}")
        if self.val is not None and self.data is None:
            raise RecipeError("val is for data of your own: give the data that is learned from, too (data=...)")

    @property
    def names(self) -> dict[str, str]:
        """The qualified name of each part that is given."""
        parts = {name: getattr(self, name) for name in ("data", "val", "loss", "augment", "backbone")}
        return {name: qualified(part) for name, part in parts.items() if part is not None}

    def splits(self) -> tuple[SampleDataset, SampleDataset]:
        """What is learned from and what is measured on.

        Raises:
            AnnotationError: the data is none.
            RecipeError: there is too little to hold some out.
        """
        data = as_dataset(self.data)
        if self.val is not None:
            return data, as_dataset(self.val)
        train = divided(len(data), "train")
        if len(train) == len(data):
            raise RecipeError(f"{counted(len(data), 'samples')} cannot be divided: give what is measured on (val=...)")
        return chosen(data, train), chosen(data, sorted(set(range(len(data))) - set(train)))

    def lines(self, held_out: int) -> list[str]:
        """What to say of a training with these parts, on which so many samples are measured."""
        said = []
        if self.data is not None and self.val is None:
            said.append(f"No val was given: {counted(held_out, 'samples')} of the data are held out to measure on.")
        if self.names:
            parts = ", ".join(f"{name} {made}" for name, made in self.names.items())
            said.append(f"From a program: {parts}. recipe.json names these, and cannot repeat the run without them.")
        return said

    def body(self) -> Backbone | None:
        """The backbone, made now where a class or a function was given.

        Raises:
            ValueError: it is none.
        """
        return None if self.backbone is None else as_backbone(self.backbone)


NOTHING = Own()
"""All parts are those that the recipe names."""


class OwnCriterion(nn.Module):
    """A criterion of a function, or of a module whose parameters learn.

    Args:
        loss: gives named scalars, or one.
    """

    def __init__(self, loss: OwnLoss) -> None:
        super().__init__()
        self.loss = loss

    def forward(self, outputs: Any, targets: Sequence[Any]) -> dict[str, Float[Tensor, ""]]:
        """Named scalars.

        Raises:
            RecipeError: the loss gives something else.
        """
        found = self.loss(outputs, targets)
        losses = {"own": found} if isinstance(found, Tensor) else found
        values = list(losses.values()) if isinstance(losses, Mapping) else []
        if not values or not all(isinstance(value, Tensor) and value.ndim == 0 for value in values):
            raise RecipeError(f"the loss {qualified(self.loss)} must give a scalar tensor or named ones, not {found!r}")
        return dict(losses)


def own_criterion(own: Own) -> Criterion | None:
    """The criterion of a program's own loss, None where the recipe names one."""
    return None if own.loss is None else OwnCriterion(own.loss)


def recorded(recipe: Recipe, own: Own) -> Recipe:
    """The recipe with the names of the parts that a program brings.

    Raises:
        RecipeError: the recipe was trained with parts that are not there now, or names a loss beside an own one.
    """
    needed = {name: made for name, made in asdict(recipe.own).items() if made and name != "val"}
    missing = {name: made for name, made in needed.items() if name not in own.names}
    if missing:
        parts = ", ".join(f"{name}={made}" for name, made in missing.items())
        raise RecipeError(
            f"the recipe {recipe.name!r} was trained with parts of a program, which its JSON cannot hold ({parts}): "
            f"give them to visus.train in Python, or to `visus train` as --own.{next(iter(missing))} FILE.py:NAME"
        )
    if own.loss is not None and recipe.loss_options:
        raise RecipeError("loss_options are for a loss of the catalog: a loss of your own has its options inside")
    data = replace(recipe.data, dataset=own.names["data"], root="") if own.data is not None else recipe.data
    return replace(recipe, own=OwnRecipe(**own.names), data=data)


def recipe_for(data: Any) -> Recipe:
    """The small recipe that suits data of a program's own, by its first target."""
    from visus.recipes.folder import SUITABLE

    dataset = as_dataset(data)
    recipe = row(SUITABLE, dataset[0].target, "choosing a recipe")(dataset)
    batch_size = min(recipe.data.batch_size, max(1, len(dataset) * 4 // 5))
    name = qualified(data).rpartition(".")[2].lower()
    return replace(recipe, name=name, data=replace(recipe.data, batch_size=batch_size))


def qualified(thing: Any) -> str:
    """The module and the name of a function or a class, or of the class of an object."""
    named = thing if hasattr(thing, "__qualname__") else type(thing)
    return f"{named.__module__}.{named.__qualname__}"
