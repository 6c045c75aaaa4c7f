"""Training: recipes, run folders, the shared task and the fit.

This package imports no training engine: only ``visus.training.task``, ``visus.training.fit`` and what they import
load it.
"""

from visus.training.recipe import AugmentRecipe, DataRecipe, FitRecipe, OptimRecipe, Recipe, RecipeError
from visus.training.run import RunFolder

__all__ = [
    "AugmentRecipe",
    "DataRecipe",
    "FitRecipe",
    "OptimRecipe",
    "Recipe",
    "RecipeError",
    "RunFolder",
]
