"""A command's images in parts that are looked at one by one, on any machine, and joined to what one command writes.

The images are cut into as many runs of neighbours. Each shard is a folder of results of its own, which takes its name
when it is finished: whatever was broken off before has none and is done again, and what has one is left alone. Joining
puts the shards' files together in the order of the images, so that nothing shows that there were shards.

==========================  =====================================================================================
``shards/plan.json``        what is looked at by what; every process that works in the folder has to agree with it
``shards/2-of-8``           a finished shard: predictions.json, images.json, drawings, masks
``shards/.2-of-8.*.part``   one that somebody works on, or that was broken off
==========================  =====================================================================================
"""

from __future__ import annotations

import hashlib
import json
import os
import secrets
import shutil
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from visus.errors import VisusError
from visus.new_folder import release_folder, take_folder
from visus.predict.results import Names
from visus.whole_file import whole_file, write_whole

PLAN = "plan.json"


class ShardError(VisusError):
    """A folder of shards is not what the command needs; the message names it."""


@dataclass(frozen=True)
class Plan:
    """What all shards of a folder have in common.

    Args:
        shards: how many there are.
        model: by its name.
        images: how many there are in all.
        names: a digest of their names in order.
        settings: what else decides the results.
    """

    shards: int
    model: str
    images: int
    names: str
    settings: str

    @classmethod
    def of(cls, model: str, names: Sequence[str], shards: int, settings: Mapping[str, Any]) -> Plan:
        """The plan of a command.

        Raises:
            ShardError: there are more shards than images, or none.
        """
        if not 1 <= shards <= len(names):
            raise ShardError(f"--shards must be from 1 to the number of images ({len(names)}), not {shards}")
        digest = hashlib.sha256("\0".join(names).encode("utf-8", "surrogateescape")).hexdigest()
        return cls(shards, model, len(names), digest, json.dumps(settings, sort_keys=True, default=str))

    def part(self, number: int) -> slice:
        """The images of a shard, counted from 0, as places in the list of all."""
        return slice(number * self.images // self.shards, (number + 1) * self.images // self.shards)


@dataclass(frozen=True)
class ShardFolder:
    """The folder that all shards of a command share.

    Args:
        path: where the joined results go.
        plan: what is done in it.
    """

    path: Path
    plan: Plan

    @property
    def shards(self) -> Path:
        """Where the shards lie until they are joined."""
        return self.path / "shards"

    def shard(self, number: int) -> Path:
        """The folder of a finished shard."""
        return self.shards / f"{number}-of-{self.plan.shards}"

    def missing(self) -> list[int]:
        """The shards that nobody has finished yet."""
        return [] if self.joined else [i for i in range(self.plan.shards) if not self.shard(i).is_dir()]

    @property
    def joined(self) -> bool:
        """Whether the results are in their places."""
        return (self.path / "predictions.json").is_file()

    def open(self) -> None:
        """Takes the folder for the plan, or goes on in it; any number of processes may do so at once.

        Raises:
            VisusError: it holds something else, or the shards of another command.
        """
        file = self.shards / PLAN
        if not file.is_file():
            with suppress(FileExistsError):
                self._begin(file)
        try:
            known = json.loads(file.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise ShardError(f"{file}: cannot be read ({error}); name a new folder") from error
        ours = asdict(self.plan)
        if known != ours:
            other = next(
                (name for name in ours if not isinstance(known, dict) or known.get(name) != ours[name]), "plan"
            )
            raise ShardError(
                f"{self.path}: holds shards of another command (other {other}); give the same model, sources, --shards "
                "and settings, or name a new folder"
            )

    def _begin(self, file: Path) -> None:
        """Writes the plan, unless another process was faster."""
        if not self.shards.is_dir():
            try:
                take_folder(self.path)
            except VisusError:
                if not self._appears(file):
                    raise
                return
            self.shards.mkdir(exist_ok=True)
            write_whole(file, json.dumps(asdict(self.plan), indent=1) + "\n")
            release_folder(self.path)
        elif not self._appears(file):
            raise ShardError(f"{self.shards}: holds no {PLAN}; name a new folder")

    def _appears(self, file: Path) -> bool:
        """Whether another process, which has just taken the folder, writes its plan in the next seconds."""
        for _ in range(50):
            if file.is_file():
                return True
            if not self.shards.is_dir() and any(self.path.glob("[!.]*")):
                return False
            time.sleep(0.1)
        return False

    @contextmanager
    def writing(self, number: int) -> Iterator[Path]:
        """A folder to write a shard to; it becomes the shard at the end, unless another process was faster."""
        part = self.shards / f".{number}-of-{self.plan.shards}.{secrets.token_hex(4)}.part"
        part.mkdir()
        try:
            yield part
            with suppress(OSError):  # another process has finished it in the meantime
                part.rename(self.shard(number))
        finally:
            shutil.rmtree(part, ignore_errors=True)

    def join(self, advance: Callable[[int], None] = lambda done: None) -> list[tuple[str, str]]:
        """Puts the results of all shards together, and removes the shards. Broken off, it goes on where it was.

        Args:
            advance: told 1 for each shard that is in its place.

        Returns:
            The name of each image that failed, and the cause.

        Raises:
            ShardError: a shard is missing or damaged.
        """
        if self.joined:
            return self._sweep(json.loads((self.path / "images.json").read_text(encoding="utf-8")))
        if missing := self.missing():
            raise ShardError(f"{self.path}: shard {missing[0]} of {self.plan.shards} is not finished yet")
        found: list[dict[str, Any]] = []
        about: dict[str, Any] = {"images": [], "categories": [], "failures": []}
        names = Names()
        for number in range(self.plan.shards):
            entries, told = self._read(number)
            self._place(self.shard(number), entries, told["images"], names)
            found += entries
            about = {key: told[key] if key == "categories" else about[key] + told[key] for key in about}
            advance(1)
        write_whole(self.path / "images.json", json.dumps(about, indent=1))
        write_whole(self.path / "predictions.json", json.dumps(found))  # last: it says that all is done
        return self._sweep(about)

    def _sweep(self, about: dict[str, Any]) -> list[tuple[str, str]]:
        """Removes what is not needed any more; the plan stays, so that the same command finds its work done."""
        for folder in self.shards.iterdir():
            if folder.is_dir():
                shutil.rmtree(folder, ignore_errors=True)
        return [(failure["file_name"], failure["cause"]) for failure in about["failures"]]

    def _read(self, number: int) -> tuple[list[dict[str, Any]], dict[str, Any]]:
        """What a shard holds: its predictions, and what its images.json says."""
        folder = self.shard(number)
        try:
            entries, about = (json.loads((folder / name).read_text()) for name in ("predictions.json", "images.json"))
        except (OSError, ValueError) as error:
            raise ShardError(f"{folder}: damaged ({error}); remove it, and its images are looked at again") from error
        return entries, about

    def _place(self, shard: Path, entries: list[dict[str, Any]], images: list[dict[str, Any]], names: Names) -> None:
        """Brings the files of a shard to their places, under the names that they get where there are no shards."""
        masks = {entry["mask"]: entry for entry in entries if "mask" in entry}
        own = Names()
        for image in images:
            name = image["file_name"]
            if masks:
                before, after = own.mask(name), names.mask(name)
                self._bring(shard / before, self.path / after)
                masks[before.as_posix()]["mask"] = after.as_posix()
            if (drawing := shard / own.picture(name)).is_file():
                self._bring(drawing, self.path / names.picture(name))

    def _bring(self, source: Path, target: Path) -> None:
        """A second name for a file, or a copy where the file system has none; the first one goes with its shard."""
        if target.exists():  # since an earlier time, which was broken off
            return
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            os.link(source, target)
        except OSError:
            with whole_file(target) as part:
                shutil.copyfile(source, part)
