"""Parametric shapes of the things that the vignettes show, with their parts: made while they are used."""

from visus.data.vignettes3d.dataset import VignetteParts, Vignettes3D
from visus.data.vignettes3d.things import THINGS

__all__ = ["THINGS", "VignetteParts", "Vignettes3D"]
