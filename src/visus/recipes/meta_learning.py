"""Recipes for few-shot learning: weights are chosen by tasks of validation classes, and measured on those of the test.

``visus train prototypical_omniglot --data.root FOLDER``, then ``visus evaluate runs/prototypical_omniglot --split
test``. Another protocol is a word: ``--data.episodes.n_way 20 --data.episodes.k_shot 5``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from visus.training.recipe import AugmentRecipe, DataRecipe, EpisodeRecipe, FitRecipe, OptimRecipe, Recipe

_ADAM = OptimRecipe(name="adamw", lr=1e-3, weight_decay=0.0, warmup_steps=0)


def _omniglot(name: str, model: str, episodes: EpisodeRecipe, *, batch_size: int, optim: OptimRecipe = _ADAM) -> Recipe:
    """A learner on Omniglot."""
    return Recipe(
        name=name,
        model=model,
        data=DataRecipe(
            dataset="omniglot",
            root="omniglot",
            batch_size=batch_size,
            batches="episodes",
            episodes=episodes,
            augment=AugmentRecipe(kind="none"),
        ),
        optim=optim,
        fit=FitRecipe(epochs=20, val_every_epochs=5),
    )


def prototypical_omniglot() -> Recipe:
    """Prototypical networks on Omniglot: ``visus train prototypical_omniglot --data.root FOLDER``.

    Tasks of 60 classes with 5 queries of each, as published, serve the tests of 5 and of 20 classes.
    """
    episodes = EpisodeRecipe(train_way=60, train_queries=5, per_epoch=200)
    return _omniglot("prototypical_omniglot", "prototypical_conv4", episodes, batch_size=1)


def matching_omniglot() -> Recipe:
    """Matching networks with full-context embeddings: ``visus train matching_omniglot --data.root FOLDER``."""
    episodes = EpisodeRecipe(train_way=20, train_queries=5, per_epoch=400)
    return _omniglot("matching_omniglot", "matching_conv4", episodes, batch_size=2)


def relation_omniglot() -> Recipe:
    """Relation networks, not transductive: ``visus train relation_omniglot --data.root FOLDER``.

    Published with transductive norms: ``--model_options.transductive``.
    """
    episodes = EpisodeRecipe(train_queries=10, per_epoch=800)
    optim = replace(_ADAM, clip_norm=0.5)
    return _omniglot("relation_omniglot", "relation_conv4", episodes, batch_size=4, optim=optim)


def maml_omniglot() -> Recipe:
    """MAML, second order, transductive as published: ``visus train maml_omniglot --data.root FOLDER``.

    One inner step of rate 0.4 in training and ten in the test; the first order by ``model_options.order`` 1. In two
    minutes on one core, 8 tasks a step at a rate of 0.003 reach 86 % on validation tasks, at 0.001 74 %; published are
    32 tasks at 0.001: ``--data.batch-size 32 --optim.lr 0.001``.
    """
    episodes = EpisodeRecipe(train_queries=5, per_epoch=3200)
    recipe = _omniglot("maml_omniglot", "maml_conv4", episodes, batch_size=8, optim=replace(_ADAM, lr=3e-3))
    return replace(recipe, model_options={"n_way": 5, "inner_steps": 1, "inner_lr": 0.4})


def reptile_omniglot() -> Recipe:
    """Reptile, not transductive: ``visus train reptile_omniglot --data.root FOLDER``.

    Tasks of training have ten labelled images of each class; the outer rate falls from 1 to 0.
    """
    episodes = EpisodeRecipe(train_shot=10, train_queries=1, per_epoch=1000)
    optim = OptimRecipe(name="sgd", lr=1.0, momentum=0.0, weight_decay=0.0, schedule="poly", power=1.0, warmup_steps=0)
    recipe = _omniglot("reptile_omniglot", "reptile_conv4", episodes, batch_size=5, optim=optim)
    return replace(recipe, model_options={"n_way": 5})


def centroids_lite0_vignettes() -> Recipe:
    """Frozen ImageNet features with class centroids on drawn objects of unseen categories; offline, minutes.

    ``visus train centroids_lite0_vignettes`` learns nothing but the factor on the cosines, which changes no answer.
    """
    recipe = _omniglot(
        "centroids_lite0_vignettes", "centroids_lite0", EpisodeRecipe(queries=5, per_epoch=4), batch_size=2
    )
    data = replace(recipe.data, dataset="vignettes_novel", root="", val="test")
    data = replace(data, episodes=replace(data.episodes, measured=100))
    return replace(recipe, data=data, fit=replace(recipe.fit, epochs=1))


META_LEARNING: dict[str, Callable[[], Recipe]] = {
    "centroids_lite0_vignettes": centroids_lite0_vignettes,
    "prototypical_omniglot": prototypical_omniglot,
    "matching_omniglot": matching_omniglot,
    "relation_omniglot": relation_omniglot,
    "maml_omniglot": maml_omniglot,
    "reptile_omniglot": reptile_omniglot,
}
