"""A colour histogram or a linear model on pixels does not solve the scenes."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from visus.data.vignettes import Vignettes

TRAIN, TEST, BINS = 1500, 400, 4


def _features(split: str, count: int) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.int64]]:
    """A 16x16 thumbnail, the roots of a colour histogram, and the category of the largest object, of each scene."""
    dataset = Vignettes(split=split, length=count)  # type: ignore[arg-type]
    thumbnails, histograms, labels = [], [], []
    for index in range(count):
        sample = dataset[index]
        image = sample.input.numpy()
        thumbnails.append(image.reshape(3, 16, 12, 16, 12).mean((2, 4)).ravel())
        red, green, blue = image // (256 // BINS)
        bins = red.astype(int) * BINS**2 + green * BINS + blue
        counts = np.bincount(bins.ravel(), minlength=BINS**3)
        histograms.append(np.sqrt(counts / counts.sum()))
        labels.append(int(sample.target.labels[sample.target.areas.argmax()]))
    return np.array(thumbnails), np.array(histograms), np.array(labels)


def _ridge_accuracy(
    train: NDArray[np.float64], answers: NDArray[np.int64], test: NDArray[np.float64], truth: NDArray[np.int64]
) -> float:
    """The best test accuracy of one-against-all ridge regression over several penalties: generous to it."""
    mean, spread = train.mean(0), train.std(0) + 1e-6
    design = np.c_[(train - mean) / spread, np.ones(len(train))]
    trial = np.c_[(test - mean) / spread, np.ones(len(test))]
    one_hot = np.eye(answers.max() + 1)[answers]
    scores = []
    for penalty in (10.0, 100.0, 1000.0, 10000.0):
        weights = np.linalg.solve(design.T @ design + penalty * np.eye(design.shape[1]), design.T @ one_hot)
        scores.append(float(((trial @ weights).argmax(1) == truth).mean()))
    return max(scores)


@pytest.mark.timeout(120)
def test_neither_thumbnail_nor_colours_tell_the_largest_object() -> None:
    thumbnails, histograms, labels = _features("train", TRAIN)
    test_thumbnails, test_histograms, truth = _features("test", TEST)
    assert np.bincount(truth).max() / TEST < 0.35
    assert _ridge_accuracy(thumbnails, labels, test_thumbnails, truth) < 0.4
    assert _ridge_accuracy(histograms, labels, test_histograms, truth) < 0.4
