"""Files are written whole or not at all, also where the disk is full or the process is killed."""

from __future__ import annotations

import errno
import os
import shutil
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from visus.export.written import _beside
from visus.nn.weights import save_weights
from visus.predict.pictures import write_picture
from visus.training.checkpoint import WholeCheckpoints
from visus.whole_file import DiskFullError, sweep_parts, whole_file, write_whole


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of one megabyte."""
    place = tmp_path / "disk"
    place.mkdir()
    mount = shutil.which("mount")
    made = mount and subprocess.run(
        [mount, "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(place)], capture_output=True, check=False
    )
    if not made or made.returncode:
        pytest.skip("needs the right to mount a small disk")
    yield place
    subprocess.run(["umount", "--lazy", str(place)], check=True)


def test_the_old_file_stays_until_the_new_one_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "report.html"
    write_whole(path, "old")

    def fail() -> None:
        with whole_file(path) as part:
            part.write_text("half")
            assert path.read_text() == "old"
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert [file.name for file in tmp_path.iterdir()] == ["report.html"]
    write_whole(path, "new")
    assert path.read_text() == "new"


def test_files_get_the_rights_that_the_user_wants(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        write_whole(tmp_path / "file", "")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "file").stat().st_mode) == 0o640


def noise() -> Image.Image:
    """Which no format makes small."""
    return Image.fromarray(np.random.default_rng(0).integers(0, 255, (1000, 1000, 3), dtype=np.uint8))


def exported(path: Path) -> None:
    """Writes as `visus export` does: into a folder beside the file, by a library that knows nothing of the disk."""
    with _beside(path) as folder:
        torch.save(torch.zeros(1 << 20), folder / path.name)


WRITERS: dict[str, Callable[[Path], None]] = {
    "text": lambda path: write_whole(path, "x" * (2 << 20)),
    "weights": lambda path: save_weights(path, {"weight": torch.zeros(1 << 20)}, {}),
    "drawing": lambda path: write_picture(noise(), path),
    "export": lambda path: exported(path),
    "checkpoint": lambda path: WholeCheckpoints().save_checkpoint({"weight": torch.zeros(1 << 20)}, path),
}


@pytest.mark.parametrize("write", WRITERS.values(), ids=WRITERS)
def test_a_full_disk_is_named_and_nothing_is_left_on_it(small_disk: Path, write: Callable[[Path], None]) -> None:
    path = small_disk / "file.png"
    path.write_text("old")
    with pytest.raises(DiskFullError, match=f"^{path}: the disk is full"):
        write(path)
    assert [file.name for file in small_disk.iterdir()] == ["file.png"]
    assert path.read_text() == "old"


def test_other_errors_of_writing_stay_themselves(tmp_path: Path) -> None:
    with pytest.raises(PermissionError), whole_file(tmp_path / "file"):
        raise PermissionError(errno.EACCES, "no", "x")


def test_what_a_killed_process_left_is_swept_and_what_a_living_one_writes_is_not(tmp_path: Path) -> None:
    killed = (
        "import os, signal, sys; from pathlib import Path; from visus.whole_file import whole_file\n"
        "with whole_file(Path(sys.argv[1])) as part: os.kill(os.getpid(), signal.SIGKILL)"
    )
    subprocess.run([sys.executable, "-c", killed, str(tmp_path / "last.ckpt")], check=False)
    assert len(list(tmp_path.glob(".last.ckpt.*.part"))) == 1
    (tmp_path / ".notes.part").write_text("not ours")
    with whole_file(tmp_path / "weights") as part:
        sweep_parts(tmp_path)
        assert sorted(file.name for file in tmp_path.iterdir()) == sorted([part.name, ".notes.part"])
