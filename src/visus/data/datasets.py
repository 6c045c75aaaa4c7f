"""Every data set that has a name, in one dict, in the order in which layouts are tried: the most specific first.

A reader is one file of `visus.data.readers` with its `ENTRY`, and one line here.
"""

from __future__ import annotations

from visus.data.entry import DatasetEntry
from visus.data.readers import (
    camvid,
    cars196,
    class_folder,
    coco,
    coil20,
    csv,
    cub200,
    image_folder,
    in_shop,
    labelme,
    mask_folder,
    object_masks,
    orl_faces,
    pennfudan,
    sop,
    vg150,
    vignettes,
    voc,
    voc_semantic,
    vrd,
    yolo,
)

DATASETS: dict[str, DatasetEntry] = {
    "coco": coco.ENTRY,
    "coco_keypoints": coco.KEYPOINTS_ENTRY,
    "sop": sop.ENTRY,
    "cub200": cub200.ENTRY,
    "cars196": cars196.ENTRY,
    "in_shop": in_shop.ENTRY,
    "yolo": yolo.ENTRY,
    "voc": voc.ENTRY,
    "voc_semantic": voc_semantic.ENTRY,
    "camvid": camvid.ENTRY,
    "mask_folder": mask_folder.ENTRY,
    "object_masks": object_masks.ENTRY,
    "vrd": vrd.ENTRY,
    "vg150": vg150.ENTRY,
    "labelme": labelme.ENTRY,
    "pennfudan": pennfudan.ENTRY,
    "csv": csv.ENTRY,
    "coil20": coil20.ENTRY,
    "orl_faces": orl_faces.ENTRY,
    "image_folder": image_folder.ENTRY,
    "class_folder": class_folder.ENTRY,
    "vignettes": vignettes.ENTRY,
    "vignettes_semantic": vignettes.SEMANTIC_ENTRY,
    "vignettes_objects": vignettes.OBJECTS_ENTRY,
    "vignettes_identities": vignettes.IDENTITIES_ENTRY,
}
