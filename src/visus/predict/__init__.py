"""Predictions of trained models; the package itself is the public function ``visus.predict(model, images)``."""

import sys

from visus.predict.as_function import PredictPackage

sys.modules[__name__].__class__ = PredictPackage
