"""Drawn scenes with complete ground truth, for training and testing without any download."""

from visus.data.vignettes.dataset import SPLITS, Vignettes

__all__ = ["SPLITS", "Vignettes"]
