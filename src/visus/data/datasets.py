"""Every data set that has a name, in one dict."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Protocol, cast

from visus.data.feed.loader import SampleDataset
from visus.data.formats import voc_fake
from visus.data.readers import (
    camvid,
    cars196,
    class_folder,
    coco,
    coil20,
    csv_boxes,
    cub200,
    image_folder,
    in_shop,
    mask_folder,
    orl_faces,
    pennfudan,
    sop,
    yolo,
)
from visus.data.readers.camvid import open_camvid
from visus.data.readers.cars196 import open_cars196
from visus.data.readers.class_folder import open_class_folder
from visus.data.readers.coco import open_coco
from visus.data.readers.coil20 import open_coil20
from visus.data.readers.csv_boxes import open_csv_boxes
from visus.data.readers.cub200 import open_cub200
from visus.data.readers.image_folder import open_image_folder
from visus.data.readers.in_shop import open_in_shop
from visus.data.readers.mask_folder import open_mask_folder
from visus.data.readers.orl_faces import open_orl_faces
from visus.data.readers.pennfudan import open_pennfudan
from visus.data.readers.sop import open_sop
from visus.data.readers.voc import open_voc
from visus.data.readers.voc_semantic import open_voc_semantic
from visus.data.readers.yolo import open_yolo
from visus.data.vignettes import Vignettes
from visus.data.vignettes.identities import VignetteIdentities
from visus.data.vignettes.objects import VignetteObjects
from visus.data.vignettes.semantic import SemanticVignettes
from visus.names import find


class OpenDataset(Protocol):
    """Opens one split of a data set."""

    def __call__(self, root: Path, split: str, *, for_training: bool) -> SampleDataset:
        """The split of the data set in ``root``."""


@dataclass(frozen=True)
class DatasetEntry:
    """How a data set is opened, and how a miniature of it is written for tests and trials.

    Args:
        open: opens one split.
        write_fake: writes a miniature in the real layout; None where the data is generated.
        summary: one line for the list.
    """

    open: OpenDataset
    write_fake: Callable[[Path], object] | None
    summary: str


VIGNETTES_LENGTH = {"train": 100_000, "val": 5_000, "test": 5_000}


def _generated(make: Callable[..., SampleDataset]) -> OpenDataset:
    """Opens a split of drawn data, which has no folder."""

    def open_split(root: Path, split: str, *, for_training: bool) -> SampleDataset:
        length = find(VIGNETTES_LENGTH, split, "split of drawn data")
        return make(split=split, length=length)

    return open_split


def _open_identities(root: Path, split: str, *, for_training: bool) -> SampleDataset:
    find(VIGNETTES_LENGTH, split, "split of drawn data")
    return VignetteIdentities(split=cast(Any, split))


DATASETS: dict[str, DatasetEntry] = {
    "coco": DatasetEntry(open_coco, coco.write_fake, "COCO json: boxes, polygons or RLE, crowds, keypoints"),
    "coco_keypoints": DatasetEntry(
        partial(open_coco, keypoints=True), coco.write_fake, "the same, from COCO's person_keypoints files"
    ),
    "pennfudan": DatasetEntry(
        open_pennfudan, pennfudan.write_fake, "Penn-Fudan pedestrians: images and instance masks"
    ),
    "voc": DatasetEntry(open_voc, voc_fake.write_fake, "Pascal VOC's layout: boxes in Annotations/*.xml"),
    "voc_semantic": DatasetEntry(
        open_voc_semantic, voc_fake.write_fake, "Pascal VOC's layout: classes of pixels in SegmentationClass/*.png"
    ),
    "yolo": DatasetEntry(open_yolo, yolo.write_fake, "YOLO txt: data.yaml, images/ and labels/"),
    "camvid": DatasetEntry(open_camvid, camvid.write_fake, "CamVid as SegNet's tutorial splits it: 11 classes"),
    "mask_folder": DatasetEntry(
        open_mask_folder, mask_folder.write_fake, "images/ and masks/ (paletted or class-number PNG) and a class list"
    ),
    "image_folder": DatasetEntry(open_image_folder, image_folder.write_fake, "a folder for each class of pictures"),
    "csv": DatasetEntry(open_csv_boxes, csv_boxes.write_fake, "a CSV of image, label and, if known, a box"),
    "sop": DatasetEntry(open_sop, sop.write_fake, "Stanford Online Products' layout (Ebay_train.txt, Ebay_test.txt)"),
    "cub200": DatasetEntry(open_cub200, cub200.write_fake, "CUB-200-2011: 100 classes learn, the other 100 test"),
    "cars196": DatasetEntry(open_cars196, cars196.write_fake, "CARS196: the first 98 classes learn, the others test"),
    "in_shop": DatasetEntry(open_in_shop, in_shop.write_fake, "In-Shop Clothes: queries and a gallery"),
    "class_folder": DatasetEntry(
        open_class_folder, class_folder.write_fake, "a folder for each class, half of the classes unseen"
    ),
    "coil20": DatasetEntry(open_coil20, coil20.write_fake, "COIL-20: objects on a turntable, half of them unseen"),
    "orl_faces": DatasetEntry(open_orl_faces, orl_faces.write_fake, "ORL faces, half of the people unseen"),
    "vignettes": DatasetEntry(
        _generated(Vignettes), None, "drawn scenes with complete ground truth, made while you train"
    ),
    "vignettes_semantic": DatasetEntry(_generated(SemanticVignettes), None, "drawn scenes, the class of every pixel"),
    "vignettes_objects": DatasetEntry(_generated(VignetteObjects), None, "drawn pictures of one object, with its box"),
    "vignettes_identities": DatasetEntry(
        _open_identities, None, "drawn individuals, each seen many times, half of them unseen"
    ),
}
