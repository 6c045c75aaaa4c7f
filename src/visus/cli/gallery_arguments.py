"""What the verbs of ``visus gallery`` take."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import tyro

Place = Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="GALLERY")]
Many = tyro.conf.arg(metavar="IMAGE ...", help_behavior_hint="(one or more)")
Where = Annotated[tuple[str, ...], tyro.conf.UseAppendAction, tyro.conf.arg(metavar="CONDITION")]
Device = Annotated[str | None, tyro.conf.arg(metavar="DEVICE")]
Out = Annotated[Path | None, tyro.conf.arg(metavar="FOLDER")]
Field = Annotated[str, tyro.conf.arg(metavar="FIELD")]
Fields = Annotated[tuple[str, ...], tyro.conf.UseAppendAction, tyro.conf.arg(metavar="FIELD=VALUE")]


@dataclass(frozen=True)
class CreateArguments:
    """Make an empty gallery.

    Args:
        gallery: the folder to make.
        model: what describes images: the run of a descriptor, a .safetensors file of one, faces, which makes every face
            an entry, or frozen_lite0, which needs no training.
        root: the folder that the gallery is about: paths are kept relative to it, and files elsewhere are refused.
        closeness: what is near: the angle between vectors, or their distance; default: the distance for faces.
        server: keep the entries in a PostgreSQL database with pgvector: postgresql://user@host/name.
        device: such as cpu or cuda:1; default: a GPU where there is one.
        rebuild: the gallery exists: describe its images again with the model, in place of what it was made with.
    """

    gallery: Place
    model: Annotated[str, tyro.conf.arg(metavar="MODEL")] = "frozen_lite0"
    root: Annotated[Path | None, tyro.conf.arg(metavar="FOLDER")] = None
    closeness: Literal["cosine", "euclidean"] | None = None
    server: Annotated[str | None, tyro.conf.arg(metavar="ADDRESS")] = None
    device: Device = None
    rebuild: bool = False


@dataclass(frozen=True)
class AddArguments:
    """Add images; those that are there already are recognised by their pixels, wherever their files lie.

    Stopped at any moment, it keeps what it reported, and the same command goes on.

    Args:
        gallery: the folder of the gallery.
        sources: images, folders, quoted globs, list files (.txt), videos, addresses.
        set: a field of all these entries, such as camera=2; may be given several times.
        folder_as: the field that gets the name of the folder in which an image lies.
        table: a CSV file: the image in the first column, a field in each other one.
        detector: the run of a detector, or published weights: its objects become the entries, not whole images.
        min_score: the least score of an object.
        processes: describe in so many processes, each with one thread.
        devices: share the images among so many devices of this machine, each with a process of its own.
        nodes: machines that do so together, for a gallery on a server; torchrun starts the command on each.
        shards: cut the images into so many parts, which --engine ray gives to its workers.
        shard: add one of these parts alone, such as 0/8 for the first of eight: for a scheduler.
        engine: where the shards are done: here, or by the workers of a Ray cluster (extra ray).
        workers: shards that Ray does at a time on this machine; default: one for each processor.
        device: such as cpu or cuda:1; default: a GPU where there is one.
        precision: auto fuses the network's layers where that is faster here, which changes vectors by rounding.
        json: print what was done as JSON.
    """

    gallery: Place
    sources: Annotated[tuple[str, ...], tyro.conf.Positional, Many]
    set: Fields = ()
    folder_as: Annotated[str | None, tyro.conf.arg(metavar="FIELD")] = None
    table: Annotated[Path | None, tyro.conf.arg(metavar="CSV")] = None
    detector: Annotated[str | None, tyro.conf.arg(metavar="MODEL")] = None
    min_score: float = 0.5
    processes: int = 1
    devices: int = 1
    nodes: int = 1
    shards: int | None = None
    shard: Annotated[str | None, tyro.conf.arg(metavar="I/N")] = None
    engine: Literal["local", "ray"] = "local"
    workers: int | None = None
    device: Device = None
    precision: Literal["auto", "plain", "fp32"] = "auto"
    json: bool = False


@dataclass(frozen=True)
class SyncArguments:
    """Make a gallery agree with a folder: add what is new, follow what moved, mark what is missing as gone.

    Args:
        gallery: the folder of the gallery.
        folder: of images.
        set: a field of all these entries, such as camera=2; may be given several times.
        folder_as: the field that gets the name of the folder in which an image lies.
        table: a CSV file: the image in the first column, a field in each other one.
        device: such as cpu or cuda:1; default: a GPU where there is one.
        precision: auto fuses the network's layers where that is faster here, which changes vectors by rounding.
        json: print what was done as JSON.
    """

    gallery: Place
    folder: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="FOLDER")]
    set: Fields = ()
    folder_as: Annotated[str | None, tyro.conf.arg(metavar="FIELD")] = None
    table: Annotated[Path | None, tyro.conf.arg(metavar="CSV")] = None
    device: Device = None
    precision: Literal["auto", "plain", "fp32"] = "auto"
    json: bool = False


@dataclass(frozen=True)
class SearchArguments:
    """Find the entries that are most like an image, or like several together; write a contact sheet and a page.

    Args:
        gallery: the folder of the gallery.
        images: files, addresses, - for standard input, or id:12 for an entry.
        k: how many entries to find.
        box: the part of the one image that is meant: left, top, right, bottom in pixels.
        unlike: images or entries (id:12) that the answer should not be like.
        where: a condition on a field, such as camera=2 or year>=2020; may be given several times, and all hold.
        gone: find entries whose files are gone, too.
        approximate: ask an index of faiss, for galleries of ten million entries; made where it is stale.
        rerank: order the answer by k-reciprocal neighbours: what is mutually near comes first.
        out: the folder for the sheet and the page, new or empty; default: a new one below runs/gallery.
        pictures: write the sheet and the page; --no-pictures prints only.
        device: such as cpu or cuda:1; default: a GPU where there is one.
        json: print the answer as JSON.
    """

    gallery: Place
    images: Annotated[tuple[str, ...], tyro.conf.Positional, Many]
    k: int = 10
    box: tuple[float, float, float, float] | None = None
    unlike: tuple[str, ...] = ()
    where: Where = ()
    gone: bool = False
    approximate: bool = False
    rerank: bool = False
    out: Out = None
    pictures: bool = True
    device: Device = None
    json: bool = False


@dataclass(frozen=True)
class RecommendArguments:
    """Recommend entries to somebody who likes some: varied, without those themselves, near-duplicates or what was seen.

    Args:
        gallery: the folder of the gallery.
        images: what is liked: files, addresses, or id:12 for an entry; of a history, the oldest first.
        k: how many.
        disliked: images or entries (id:12).
        seen: identifiers of entries that are not to be shown again.
        diversity: 0 takes the nearest, 1 looks at nothing but variety.
        decay: what each step into the past of a history counts by; 1 counts all that is liked alike.
        where: a condition on a field, such as product=shoe; may be given several times, and all hold.
        out: the folder for the sheet and the page, new or empty; default: a new one below runs/gallery.
        pictures: write the sheet and the page; --no-pictures prints only.
        device: such as cpu or cuda:1; default: a GPU where there is one.
        json: print the answer as JSON.
    """

    gallery: Place
    images: Annotated[tuple[str, ...], tyro.conf.Positional, Many]
    k: int = 10
    disliked: tuple[str, ...] = ()
    seen: tuple[int, ...] = ()
    diversity: float = 0.3
    decay: float = 1.0
    where: Where = ()
    out: Out = None
    pictures: bool = True
    device: Device = None
    json: bool = False


@dataclass(frozen=True)
class VerifyArguments:
    """Compare two images or entries: how alike they are, and how many pairs of different entries are as alike.

    Args:
        gallery: the folder of the gallery.
        one: an image, or id:12 for an entry.
        other: an image, or id:12 for an entry.
        device: such as cpu or cuda:1; default: a GPU where there is one.
        json: print the answer as JSON.
    """

    gallery: Place
    one: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="IMAGE")]
    other: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="IMAGE")]
    device: Device = None
    json: bool = False


@dataclass(frozen=True)
class DuplicatesArguments:
    """List groups of near-duplicates, the best of each (most pixels) first.

    Args:
        gallery: the folder of the gallery.
        limit: the least cosine of two that are; default: .97. Of a gallery that compares distances, the largest one.
        out: a folder for a contact sheet of each group and one page of all, new or empty.
        json: print the groups as JSON.
    """

    gallery: Place
    limit: float | None = None
    out: Out = None
    json: bool = False


@dataclass(frozen=True)
class ClusterArguments:
    """List groups of entries that lie together; give them names, keep entries apart or together, and undo that.

    Args:
        gallery: the folder of the gallery.
        count: so many, by k-means; default: link entries that are mutually among the nearest ten.
        limit: the least cosine, or the largest distance, of a link; default: what chance does not explain.
        never: two entries that never share a group, from now on.
        always: two entries that always share a group, from now on.
        name: an entry and a name, which all entries of its group get as a field.
        by: the field that holds names.
        undo: take back what was last said by --never, --always or --name.
        out: a folder for a contact sheet of each group and one page of all, new or empty.
        json: print the groups as JSON.
    """

    gallery: Place
    count: int | None = None
    limit: float | None = None
    never: Annotated[tuple[int, int] | None, tyro.conf.arg(metavar="ID ID")] = None
    always: Annotated[tuple[int, int] | None, tyro.conf.arg(metavar="ID ID")] = None
    name: Annotated[tuple[int, str] | None, tyro.conf.arg(metavar="ID NAME")] = None
    by: Field = "person"
    undo: bool = False
    out: Out = None
    json: bool = False


@dataclass(frozen=True)
class IdentifyArguments:
    """Say who, or what, images show of the entries that have a name, or "unknown".

    Args:
        gallery: the folder of the gallery.
        images: files, addresses, - for standard input, or id:12 for an entry; of faces, all in an image.
        by: the field that holds names: `visus gallery add G FOLDER --folder-as person` fills it from folders.
        box: the part of the one image that is meant: left, top, right, bottom in pixels.
        where: a condition on the entries that are compared with, such as year>=2020; may be given several times.
        fpir: the share of images of nobody in the gallery that may get a name: the threshold is chosen by it, on the
            gallery's own entries.
        threshold: what a cosine has to be above, or a distance below; default: chosen by --fpir.
        out: the folder for the sheet and the page, new or empty; default: a new one below runs/gallery.
        pictures: write the sheet and the page; --no-pictures prints only.
        device: such as cpu or cuda:1; default: a GPU where there is one.
        json: print the answer as JSON.
    """

    gallery: Place
    images: Annotated[tuple[str, ...], tyro.conf.Positional, Many]
    by: Field = "person"
    box: tuple[float, float, float, float] | None = None
    where: Where = ()
    fpir: float = 0.01
    threshold: float | None = None
    out: Out = None
    pictures: bool = True
    device: Device = None
    json: bool = False


@dataclass(frozen=True)
class ReidArguments:
    """Find the objects of images again, as other cameras saw them; without images, measure how well that works.

    With a detector and images: each object that it finds in them is searched for. Without: of entries with the fields
    of --by and --camera-field, CMC, mAP and mINP (docs/reidentification.md).

    Args:
        gallery: the folder of the gallery: `visus gallery add G IMAGES --detector RUN --set camera=2` fills it.
        detector: the run of a detector, or published weights.
        images: images to look for objects in.
        camera: of these images: entries of this camera are left out.
        camera_field: the field that holds the camera of an entry.
        k: how many entries to find for an object.
        min_score: the least score of an object.
        where: a condition on the entries that are found, such as year>=2020; may be given several times.
        rerank: order by k-reciprocal neighbours.
        by: measuring: the field that says who or what is in an entry.
        queries: measuring: a condition on the entries that are queries; default: each one, among all others.
        camera_rule: measuring: leave out what the query's own camera saw of its identity.
        unmatched: measuring: queries with nothing to find are not counted (skip), or count as 0 (zero).
        out: the folder for the sheet and the page, new or empty; default: a new one below runs/gallery.
        pictures: write the sheet and the page; --no-pictures prints only.
        device: such as cpu or cuda:1; default: a GPU where there is one.
        json: print the answer as JSON.
    """

    gallery: Place
    detector: Annotated[str | None, tyro.conf.Positional, tyro.conf.arg(metavar="DETECTOR")] = None
    images: Annotated[tuple[str, ...], tyro.conf.Positional, tyro.conf.arg(metavar="IMAGE ...")] = ()
    camera: Annotated[str | None, tyro.conf.arg(metavar="CAMERA")] = None
    camera_field: Field = "camera"
    k: int = 5
    min_score: float = 0.5
    where: Where = ()
    rerank: bool = False
    by: Field = "person"
    queries: Where = ()
    camera_rule: bool = True
    unmatched: Literal["skip", "zero"] = "skip"
    out: Out = None
    pictures: bool = True
    device: Device = None
    json: bool = False


@dataclass(frozen=True)
class StatsArguments:
    """Tell what a gallery holds and what it was made with.

    Args:
        gallery: the folder of the gallery.
        json: print it as JSON.
    """

    gallery: Place
    json: bool = False


@dataclass(frozen=True)
class RemoveArguments:
    """Remove entries, so that nothing of them stays on the disk. Image files are not touched.

    Args:
        gallery: the folder of the gallery.
        ids: identifiers of entries.
        where: remove all entries that fulfil a condition, such as camera=2; several have to hold together.
        gone: remove all entries whose files are gone.
        json: print how many as JSON.
    """

    gallery: Place
    ids: Annotated[tuple[int, ...], tyro.conf.Positional, tyro.conf.arg(metavar="ID ...")] = ()
    where: Where = ()
    gone: bool = False
    json: bool = False


Arguments = (
    Annotated[CreateArguments, tyro.conf.subcommand("create", prefix_name=False)]
    | Annotated[AddArguments, tyro.conf.subcommand("add", prefix_name=False)]
    | Annotated[SyncArguments, tyro.conf.subcommand("sync", prefix_name=False)]
    | Annotated[SearchArguments, tyro.conf.subcommand("search", prefix_name=False)]
    | Annotated[VerifyArguments, tyro.conf.subcommand("verify", prefix_name=False)]
    | Annotated[IdentifyArguments, tyro.conf.subcommand("identify", prefix_name=False)]
    | Annotated[ReidArguments, tyro.conf.subcommand("reid", prefix_name=False)]
    | Annotated[RecommendArguments, tyro.conf.subcommand("recommend", prefix_name=False)]
    | Annotated[DuplicatesArguments, tyro.conf.subcommand("duplicates", prefix_name=False)]
    | Annotated[ClusterArguments, tyro.conf.subcommand("cluster", prefix_name=False)]
    | Annotated[StatsArguments, tyro.conf.subcommand("stats", prefix_name=False)]
    | Annotated[RemoveArguments, tyro.conf.subcommand("remove", prefix_name=False)]
)
"""Of one of them."""
