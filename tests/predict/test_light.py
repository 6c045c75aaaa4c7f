"""What a first prediction does without."""

from __future__ import annotations

import subprocess
import sys

CODE = """
import sys, torch, visus
from visus.types import Schema
from visus import catalog
from visus.predict.predictor import Predictor
network = catalog.build_model("ssd_lite0", Schema(("a", "b"), (1, 2)), {"size": 96, "pretrained": False})
found = Predictor(network, Schema(("a", "b"), (1, 2)), device="cpu").predict(torch.zeros(3, 64, 64, dtype=torch.uint8))
found[0].plot()
assert len(found) == 1
print(sorted({"scipy", "torchmetrics", "pytorch_lightning", "torchvision"} & set(sys.modules)))
"""


def test_a_first_prediction_needs_no_package_of_training_or_measuring() -> None:
    done = subprocess.run([sys.executable, "-c", CODE], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "[]"
