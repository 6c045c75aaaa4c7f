"""What the tables of the documentation show of benchmarks/results: for each table its files, columns and rows.

No number stands here but those that were published by others, which the recipes know: all come out of the files.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from gallery_rows import GALLERY_TABLES
from result_files import Lines, Record, percent, record_of, sources, table
from result_speeds import gallery_search, growth, ratios, reranking, retrieval_cases, whole_networks
from visus.recipes.few_shot_table import FewShotSetting, few_shot_table
from visus.recipes.metric_table import Setting, frozen_backbones, metric_table
from visus.recipes.scene_table import SCENE_ROWS
from visus.recipes.shape_table import SHAPE_ROWS
from visus.runs.results_table import interval

# --- trainings ---


@dataclass(frozen=True)
class Trained:
    """A table of trained recipes.

    Args:
        measures: the title of each column, and the measures that it shows.
        rows: the file of each row, its data and what it was measured on.
        part: of the file.
    """

    measures: Mapping[str, Sequence[str]]
    rows: Mapping[str, tuple[str, str]]
    part: str = "metrics"

    def lines(self) -> Lines:
        """The table."""
        rows = []
        for name, (data, measured_on) in self.rows.items():
            record = record_of(name)
            shown = [" / ".join(self._value(record, one) for one in ones) for ones in self.measures.values()]
            minutes = f"{record['minutes of training']:.1f}"
            rows.append((data, measured_on, *shown, f"`{record['command']}`", minutes))
        header = ["data", "measured on", *self.measures, "command", "minutes"]
        return table(header, rows) + sources(*self.rows, commands=False)

    def _value(self, record: Record, measure: str) -> str:
        values = record[self.part]
        return percent(values[measure]) if measure in values else "-"


BOXES = {"box AP / AP50": ("box AP", "box AP50")}
SHAPES = ("vignettes3d", "5,000 unseen shapes")
SCENES = ("vignettes, 20 classes, 192 px", "200 unseen scenes")
CAMVID = ("CamVid, 11 classes, 240 x 320", "233 test frames at 360 x 480")
BCCD = ("blood cells (BCCD), 320 px", "72 test photographs")
TRAINED = {
    "classification": Trained(
        {"top-1": ("top-1",), "top-5": ("top-5",), "localisation error": ("localisation error",)},
        {"classifier_vignettes": ("vignettes, 13 categories, 128 px", "1,000 unseen images")},
    ),
    "instances": Trained(
        BOXES | {"mask AP / AP50": ("mask AP", "mask AP50"), "keypoint AP / AP50": ("keypoint AP", "keypoint AP50")},
        {
            "demo": ("vignettes, 192 px", "200 unseen scenes"),
            "pennfudan": ("Penn-Fudan, 320 px", "42 held-out photographs"),
        },
    ),
    "detection": Trained(
        BOXES,
        {
            "ssd_vignettes": ("vignettes, 192 px", "200 unseen scenes"),
            "fcos_vignettes": ("vignettes, 192 px", "200 unseen scenes"),
            "ssd_bccd": BCCD,
            "fasterrcnn_bccd": BCCD,
        },
    ),
    "segmentation": Trained(
        {
            "mIoU": ("mIoU",),
            "pixels": ("pixel accuracy",),
            "class accuracy": ("mean class accuracy",),
            "boundary F1": ("boundary F1",),
        },
        {
            "fcn_vignettes": SCENES,
            "segnet_vignettes": SCENES,
            "deeplabv3_vignettes": SCENES,
            "fcn_camvid": CAMVID,
            "segnet_camvid": CAMVID,
            "deeplabv3_camvid": CAMVID,
        },
    ),
    "shapes": Trained(
        {"overall accuracy": ("overall accuracy",), "mean class accuracy": ("mean class accuracy",)},
        {f"{name}_vignettes3d": SHAPES for name in ("pointnet", "pointnet2", "dgcnn", "voxnet", "mvcnn")},
        part="metrics of the test",
    ),
}


# --- tables of `visus reproduce` and of scripts ---


def metric_learning() -> Lines:
    """Every method of metric learning under one protocol, beside what was published on Stanford Online Products."""
    known = frozen_backbones(Setting()) | metric_table(Setting())
    rows = []
    for name, seeds in record_of("metric_table_emoji")["table"]["rows"].items():
        published = ["-" if one is None else f"{one:.1f}" for one in known[name].published]
        beside = "" if set(published) == {"-"} else " / ".join(published)
        values = [_spread([seed[measure] for seed in seeds]) for measure in (*_RECALLS, "MAP@R")]
        rows.append((known[name].title, str(known[name].dimension), *values, beside))
    header = ["method", "dimensions", *_RECALLS, "MAP@R", "published on SOP: R@1 / 10 / 100 / 1000"]
    return table(header, rows) + sources("metric_table_emoji")


_RECALLS = ("R@1", "R@10", "R@100", "R@1000")


def _spread(shares: Sequence[float]) -> str:
    values = [100 * share for share in shares]
    mean = f"{statistics.fmean(values):.1f}"
    return f"{mean} ± {interval(values):.1f}" if len(values) > 1 else mean


def few_classes() -> Lines:
    """MAP@R and recall@1 where there are few classes to learn from."""
    titles = {"frozen": "frozen backbone", "frozen_layout": "frozen, layout", "triplet": "triplet"}
    titles["proxy_nca"] = "Proxy-NCA"
    rows = []
    for title, name in {"ORL faces": "metric_orl_faces", "COIL-20": "metric_coil20"}.items():
        found = record_of(name)["table"]["rows"]
        rows.append((title, *(f"{percent(found[m][0]['MAP@R'])} ({percent(found[m][0]['R@1'])})" for m in titles)))
    return table(["MAP@R (R@1)", *titles.values()], rows) + sources("metric_orl_faces", "metric_coil20")


def few_shot() -> Lines:
    """Few-shot learners on Omniglot, a row for each way of judging queries."""
    known, found = few_shot_table(FewShotSetting()), record_of("few_shot_omniglot")["table"]["rows"]
    rows: dict[str, Record] = {row["row"]: {} for row in found.values()}
    for row in found.values():
        rows[row["row"]] = {**rows[row["row"]], int(row["n_way"]): row}
    lines = []
    for name, by_way in rows.items():
        five, published = by_way[5], known[name].published
        beside = " / ".join(f"{published[way, 1]:.1f}" for way in (5, 20)) if published else "-"
        cells = [_with_interval(by_way[way]) if way in by_way else "-" for way in (5, 20)]
        judged = "yes" if five["transductive"] else "no"
        lines.append((known[name].title, *cells, judged, f"{five['minutes']:.0f} minutes", beside))
    header = ["method", "5-way 1-shot", "20-way 1-shot", "transductive", "training", "published, 5-way / 20-way"]
    return table(header, lines) + sources("few_shot_omniglot")


def _with_interval(row: Record) -> str:
    return f"{percent(row['accuracy'], 2)} ± {percent(row['95 % interval'], 2)}"


def teach() -> Lines:
    """New classes from five images each."""
    asked = {
        "teach_coil20": "five views of each of the 20 objects of COIL-20",
        "teach_emoji": "five images of each of 20 classes of emoji",
    }
    rows = []
    for name, data in asked.items():
        record = record_of(name)
        for what, row in record["rows"].items():
            shown = f"`{what}`" if what.startswith("visus") else what
            numbers = percent(row["top-1"]), percent(row["called none of these"])
            rows.append((shown, data, f"{record['images asked']} other images", *numbers))
    header = ["what", "taught", "measured on", "top-1", "first called *none of these*"]
    return table(header, rows) + sources(*asked)


def learned_optimizer(objective: str) -> Lines:
    """Mean losses of unseen functions by a learned optimiser and its rivals; the best is bold."""
    rivals = ["learned", "momentum", "Adam", "RMSprop", "SGD"]
    names = [f"learned_optimizer{objective}{seed}" for seed in ("", "_seed1")]
    rows = []
    for seed, name in enumerate(names):
        for what, values in record_of(name).items():
            if what.startswith("loss after"):
                best = min(values.values())
                cells = [f"**{v:.3f}**" if v == best else f"{v:.3f}" for v in (values[one] for one in rivals)]
                rows.append((f"seed {seed}: {what.removeprefix('loss ')}", *cells))
    return table(["mean loss", *rivals], rows) + sources(*names)


def modelnet10() -> Lines:
    """Networks on the cells of ModelNet10."""
    found = record_of("modelnet10_shapes")["table"]["rows"]
    by_accuracy = sorted(found, key=lambda name: -found[name]["overall accuracy"])
    measures = ("overall accuracy", "mean class accuracy")
    rows = [
        (known.title, known.looks_at, *(percent(found[name][measure]) for measure in measures), known.published)
        for name, known in ((name, SHAPE_ROWS[name]) for name in by_accuracy)
    ]
    header = ["network", "looks at", *measures, "published elsewhere"]
    return table(header, rows) + sources("modelnet10_shapes")


def scene_graphs() -> Lines:
    """Relation models on one detector."""
    names = [f"{name}_vignettes" for name in ("motifs", "imp", "vtranse", "freq", "freq_overlap")]
    rows = []
    for name in names:
        record = record_of(name)
        given = [percent(record["metrics"][measure]) for measure in ("R@20", "R@50", "mR@20", "attribute mAP")]
        found = percent(record["metrics in sgdet"]["R@20"])
        rows.append((f"`{name}`", f"{record['minutes of training']:.1f}", *given, found))
    header = ["recipe", "minutes", "R@20", "R@50", "mR@20", "attribute mAP", "nothing given: R@20"]
    return table(header, rows) + sources(*names)


def scene_generation(name: str) -> Lines:
    """Made images beside real ones, as a scene-graph model sees them."""
    found = record_of(name)["table"]["rows"]
    rows = []
    for variant, row in found.items():
        kinds = {"": "", ", in the annotated layout": "given "}
        for ending, prefix in kinds.items():
            seen = [percent(row[f"{prefix}{one}"]) for one in ("recognised", "found", "relations")]
            whole = [percent(row["box IoU"]), f"{row['FD (Lite0 at 128)']:.0f}"] if not prefix else ["-", "-"]
            rows.append((f"{SCENE_ROWS[variant].title}{ending}", *seen, *whole))
    for side, variant in ((64, "full"), (128, "full-128")):
        if variant in found:
            seen = [percent(found[variant][f"real {one}"]) for one in ("recognised", "found", "relations")]
            rows.append((f"real, {side} x {side}", *seen, "-", "-"))
    header = ["images", "recognised", "found", "R@20", "box IoU", "FD (Lite0 at 128)"]
    return table(header, rows) + sources(name)


def vrd(name: str) -> Lines:
    """Relation models on VRD, all relationships together."""
    measures = ("R@50", "R@100", "ng R@50", "ng R@100", "A@50")
    found = {model: by["recall over relationships"] for model, by in record_of(name)["numbers"].items()}
    rows = [(model, *(percent(values[measure]) for measure in measures)) for model, values in found.items()]
    header = ["", "R@50", "R@100", "without the constraint: R@50", "R@100", "among annotated pairs (A@50)"]
    return table(header, rows) + sources(name)


TABLES: dict[str, Callable[[], Lines]] = {
    **{name: trained.lines for name, trained in TRAINED.items()},
    "roi-align": partial(ratios, "roi_align", peer="torchvision"),
    "nms": partial(ratios, "nms", peer="torchvision"),
    "masks-keypoints": partial(ratios, "masks_keypoints", peer="torchvision"),
    "coco": partial(ratios, "coco_eval", peer="pycocotools"),
    "metric-losses": partial(ratios, "metric_losses", peer="pytorch-metric-learning"),
    "retrieval": partial(ratios, "retrieval", peer="peer", unit="s"),
    "whole-networks": whole_networks,
    "training-step": partial(ratios, "training_step", peer="torchvision"),
    "growth": growth,
    "retrieval-cases": retrieval_cases,
    "gallery-search": gallery_search,
    "reranking": reranking,
    "points": partial(ratios, "points", peer="peer"),
    "maml-step": partial(ratios, "maml_step", peer="loop over tasks"),
    "metric-learning": metric_learning,
    "few-classes": few_classes,
    "few-shot": few_shot,
    "teach": teach,
    "quadratics": partial(learned_optimizer, ""),
    "small-networks": partial(learned_optimizer, "_network"),
    "modelnet10": modelnet10,
    "scene-graphs": scene_graphs,
    "scene-generation": partial(scene_generation, "scene_generation_vignettes"),
    "scene-ablations": partial(scene_generation, "scene_generation_ablations"),
    "vrd": partial(vrd, "vrd"),
    "vrd-photos": partial(vrd, "vrd_photos"),
    **GALLERY_TABLES,
}
"""By the name that stands in the mark ``<!-- results: NAME -->`` of a page."""
