"""The table of all networks: where their weights come from, under which licence, what they score and what they cost."""

from __future__ import annotations

import inspect
import statistics
import warnings
from collections.abc import Iterator, Mapping
from typing import Any

import torch

from result_files import RESULTS, Lines, Record, percent, record_of, table
from visus.catalog import MODELS, PROBLEMS
from visus.nn.published import PACKAGED, PUBLISHED
from visus.predict.published_schemas import published_schema
from visus.recipes.few_shot_table import FewShotSetting, few_shot_table
from visus.recipes.metric_table import Setting, metric_table
from visus.recipes.shape_table import SHAPE_ROWS

HEADLINES = ("top-1", "box AP", "mask AP", "keypoint AP", "mIoU", "overall accuracy", "R@50")
"""The measures of trainings that the table shows."""

TITLES = {"instances": "Instances, keypoints", "shapes3d": "Shapes in 3D"}

WEIGHTS = {
    "lite0": ("ImageNet backbone, with the install", "Apache-2.0"),
    "bn_inception": ("ImageNet backbone, placed by hand", "not stated"),
}
"""Where the weights of a network come from whose name contains this, and their licence; files of its own come first."""


def zoo() -> Lines:
    """A table of networks for each problem."""
    measured, timed = measured_scores(), whole_networks()
    lines: Lines = []
    header = ["name", "million parameters", "weights to start from", "licence", "published", "measured here"]
    for problem in PROBLEMS.values():
        rows = []
        for name in problem.models:
            scores = "; ".join(measured.get(name, ["-"]))
            row = [f"`{name}`", f"{parameters(name) / 1e6:.1f}", *weights(name), published(name), scores]
            rows.append([*row, timed.get(name, "-")] if timed else row)
        title = TITLES.get(problem.name, problem.name.replace("_", " ").capitalize())
        lines += [f"### {title}", "", *table([*header, "time, memory"] if timed else header, rows), ""]
    ready = [
        (f"`{name}`", f"package `{one.package}`, {one.size_mb:.0f} MB", one.licence) for name, one in PACKAGED.items()
    ]
    return [*lines, "### Ready to predict", "", *table(["name", "weights", "licence"], ready)]


def parameters(name: str) -> int:
    """The number of weights that can learn, with the builder's own number of classes; nothing is computed."""
    builder = MODELS[name]
    options = {"pretrained": False} if "pretrained" in inspect.signature(builder).parameters else {}
    with torch.device("meta"), warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # of torch, about starting tensors without elements
        return sum(one.numel() for one in builder(**options).parameters())


def weights(name: str) -> tuple[str, str]:
    """Where the weights come from and how large the file is, and its licence."""
    if name in PUBLISHED:
        return f"{published_schema(name)[1]}, {PUBLISHED[name].size_mb:.0f} MB", PUBLISHED[name].licence
    for part, said in WEIGHTS.items():
        if part in name:
            return said
    if "pretrained" in inspect.signature(MODELS[name]).parameters:
        return "ImageNet backbone, torchvision's", "BSD-3-Clause"
    return "none", "-"


def published(name: str) -> str:
    """The score that was published with the weights."""
    if name not in PUBLISHED:
        return "-"
    return ", ".join(
        f"{measure.replace('top1', 'top-1')} {value:g}" for measure, value in PUBLISHED[name].metric.items()
    )


def measured_scores() -> dict[str, list[str]]:
    """By model, what our own trainings reached, with the names of the files of results."""
    by_file: dict[str, dict[str, list[str]]] = {}
    for file, model, score in _scores():
        by_file.setdefault(model, {}).setdefault(file, []).append(score)
    return {
        model: [f"{', '.join(scores)} (`{file}`)" for file, scores in files.items()] for model, files in by_file.items()
    }


def _scores() -> Iterator[tuple[str, str, str]]:
    for file in sorted(RESULTS.glob("*.json")):
        record = record_of(file.stem)
        if "recipe" in record:
            values = record.get("metrics of the test") or record["metrics"]
            shown = [f"{one} {percent(values[one])}" for one in HEADLINES if one in values]
            yield file.stem, record["recipe"]["model"], " / ".join(shown)
    for name, row in record_of("modelnet10_shapes")["table"]["rows"].items():
        yield (
            "modelnet10_shapes",
            SHAPE_ROWS[name].recipe().model,
            f"overall accuracy {percent(row['overall accuracy'])}",
        )
    few = few_shot_table(FewShotSetting())
    for row in record_of("few_shot_omniglot")["table"]["rows"].values():
        if row["n_way"] == 5:
            said = f"5-way 1-shot {percent(row['accuracy'])}{', transductive' if row['transductive'] else ''}"
            yield "few_shot_omniglot", few[row["row"]].recipe.model, said
    methods = metric_table(Setting())
    for name, seeds in record_of("metric_table_emoji")["table"]["rows"].items():
        if name in methods:
            recall = percent(statistics.fmean(seed["R@1"] for seed in seeds))
            yield "metric_table_emoji", methods[name].recipe.model, f"{methods[name].title}: R@1 {recall}"


def whole_networks() -> dict[str, str]:
    """By model, what an image takes by ``benchmarks/run.py``, where that was run."""
    return costs(record_of("run")) if (RESULTS / "run.json").is_file() else {}


def costs(record: Record) -> dict[str, str]:
    """Milliseconds of an image and the most memory of the process, in float32, fused where that was timed."""
    networks: Mapping[str, Any] = record["networks"]
    found = {}
    for name, network in networks.items():
        side = network["sides"].get("fp32") or network["sides"]["plain"]
        found[name] = f"{1e3 * side['seconds']:.0f} ms, {side['peak_mib']:,} MiB"
    return found
