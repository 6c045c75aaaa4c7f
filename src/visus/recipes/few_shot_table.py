"""The rows of the table of few-shot learning on Omniglot, with the published numbers.

The published numbers are those of the papers as the original authors or later papers give them, each with its own
training; Reptile's and Relation networks' differ by whether they are transductive.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from visus.recipes.meta_learning import (
    centroids_lite0_vignettes,
    maml_omniglot,
    matching_omniglot,
    prototypical_omniglot,
    relation_omniglot,
    reptile_omniglot,
)
from visus.training.recipe import Option, Recipe

QUERIES = 15
"""Of each class of a task of the test."""
VALIDATED = 100
"""Tasks of validation classes at the end of a training: one look, which chooses nothing where the clock ends it."""
Protocol = tuple[int, int]
"""n_way and k_shot."""


@dataclass(frozen=True)
class FewShotRow:
    """One method.

    Args:
        title: the method's name.
        recipe: how ours is trained.
        published: the accuracy in percent by protocol.
        learns: whether anything is trained.
        own_way: the network has a number of classes, so that each protocol needs a training of its own.
        trained_as: the row whose training serves this one, too; its own when empty.
    """

    title: str
    recipe: Recipe
    published: dict[Protocol, float]
    learns: bool = True
    own_way: bool = False
    trained_as: str = ""


@dataclass(frozen=True, kw_only=True)
class FewShotSetting:
    """What all rows share.

    Args:
        dataset: the layout of the data.
        root: its folder.
        n_way: classes of a task of the test.
        k_shot: labelled images of each.
        minutes: of the training of a row.
        measured: tasks of the test.
        seed: of the training.
    """

    dataset: str = "omniglot"
    root: str = "omniglot"
    n_way: int = 5
    k_shot: int = 1
    minutes: float = 5.0
    measured: int = 600
    seed: int = 0


def few_shot_table(setting: FewShotSetting) -> dict[str, FewShotRow]:
    """The rows by name, in the order of the table; the frozen features come first."""
    of_their_own: dict[str, Option] = {"n_way": setting.n_way}
    relation = relation_omniglot()
    rows = {
        "centroids": FewShotRow("Frozen centroids", _frozen(), {}, learns=False),
        "matching": FewShotRow(
            "Matching", matching_omniglot(), {(5, 1): 98.1, (5, 5): 98.9, (20, 1): 93.8, (20, 5): 98.5}
        ),
        "prototypical": FewShotRow(
            "Prototypical", prototypical_omniglot(), {(5, 1): 98.8, (5, 5): 99.7, (20, 1): 96.0, (20, 5): 98.9}
        ),
        "relation": FewShotRow("Relation", relation, {}),
        "relation_transductive": FewShotRow(
            "Relation",
            replace(relation, model_options={"transductive": True}),
            {(5, 1): 99.6, (5, 5): 99.8, (20, 1): 97.6, (20, 5): 99.1},
        ),
        "maml": FewShotRow(
            "MAML",
            replace(maml_omniglot(), model_options=maml_omniglot().model_options | of_their_own),
            {(5, 1): 98.7, (5, 5): 99.9, (20, 1): 95.8, (20, 5): 98.9},
            own_way=True,
        ),
        "reptile": FewShotRow(
            "Reptile",
            replace(reptile_omniglot(), model_options=of_their_own),
            {(5, 1): 95.39, (5, 5): 98.90, (20, 1): 88.14, (20, 5): 96.65},
            own_way=True,
        ),
        "reptile_transductive": FewShotRow(
            "Reptile",
            replace(reptile_omniglot(), model_options=of_their_own | {"transductive": True}),
            {(5, 1): 97.68, (5, 5): 99.48, (20, 1): 89.43, (20, 5): 97.12},
            own_way=True,
            trained_as="reptile",  # queries are judged together in every training
        ),
    }
    return {name: replace(row, recipe=_under(row.recipe, setting)) for name, row in rows.items()}


def _frozen() -> Recipe:
    """ImageNet's features of drawings of 28 pixels, enlarged."""
    recipe = centroids_lite0_vignettes()
    return replace(recipe, model_options={"size": 64})


def _under(recipe: Recipe, setting: FewShotSetting) -> Recipe:
    """The recipe on the data, the protocol and the budget that all share."""
    data = recipe.data
    tasks = min(VALIDATED, setting.measured)
    episodes = replace(data.episodes, n_way=setting.n_way, k_shot=setting.k_shot, queries=QUERIES, measured=tasks)
    fit = replace(recipe.fit, epochs=10_000, val_every_epochs=10_000, max_minutes=setting.minutes, seed=setting.seed)
    data = replace(data, dataset=setting.dataset, root=setting.root, val="val", episodes=episodes)
    return replace(recipe, data=data, fit=fit)
