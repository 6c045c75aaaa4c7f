"""Going on with a run that was stopped: which one, and with which recipe."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from visus.recipes.find import recipe_name
from visus.training.recipe import Recipe, RecipeError, differences
from visus.training.run import RunFolder, is_run, resumable_run

CHANGEABLE = frozenset(
    {f"fit.{name}" for name in ("epochs", "max_steps", "max_minutes", "early_stop_patience", "val_every_epochs")}
    | {
        f"fit.{name}"
        for name in ("logger", "log_every_steps", "save_every_minutes", "accelerator", "devices", "nodes", "strategy")
    }
    | {"data.root", "data.workers", "optim.lr", "optim.clip_norm"}
)
"""What may be another when a run goes on: how long, where, and what helps a training that diverged."""


def run_to_resume(recipe: Recipe | str | Path, run: str | Path | None) -> RunFolder:
    """The run to go on with: ``run``, or ``recipe`` where that is a run, or the folder of its name.

    Raises:
        VisusError: there is no such run, or it has no checkpoint.
    """
    if run is not None:
        return resumable_run(Path(run))
    if isinstance(recipe, Recipe):
        return resumable_run(Path("runs") / recipe.name)
    folder = Path(recipe).parent if Path(recipe).name == "recipe.json" else Path(recipe)
    return resumable_run(folder if is_run(folder) else Path("runs") / recipe_name(recipe))


def resumed_recipe(recipe: Recipe | str | Path, run: RunFolder) -> Recipe:
    """The recipe to go on with in ``run``: its own, with what ``recipe`` changes of it.

    Raises:
        RecipeError: that is another recipe.
    """
    own = run.recipe()
    if isinstance(recipe, Recipe):
        if recipe.fit.precision == "auto":  # the run took one of the two
            recipe = replace(recipe, fit=replace(recipe.fit, precision=own.fit.precision))
        other = sorted(differences(own, recipe) - CHANGEABLE)
    elif Path(recipe).resolve() in (run.path.resolve(), run.recipe_file.resolve()):
        return own
    else:
        other = ["name"] if recipe_name(recipe) != own.name else []
    if other:
        raise RecipeError(
            f"{run.path} was trained with the recipe {own.name!r} and another {', '.join(other)}: leave --resume out "
            f"for a run of its own. Going on may change {', '.join(sorted(CHANGEABLE))}"
        )
    return recipe if isinstance(recipe, Recipe) else own
