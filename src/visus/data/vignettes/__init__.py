"""Drawn scenes with complete ground truth, for training and testing without any download."""

from visus.data.vignettes.dataset import SPLITS, Vignettes
from visus.data.vignettes.kinds import CATEGORIES, NOVEL_CATEGORIES

__all__ = ["CATEGORIES", "NOVEL_CATEGORIES", "SPLITS", "Vignettes"]
