"""Makes the project's virtual environments, and leaves them alone when they are up to date.

``.venv`` holds the library (editable) and what develops it; ``.peers`` holds the published torchvision that tests and
benchmarks compare with, which needs the torch build of its own index; ``.newest`` holds the library with the newest
versions that pyproject.toml allows, whatever constraints.txt pins, and ``.oldest`` with the lowest that it names. A
stamp inside each environment remembers what it was made from. Only the standard library is used, so any Python 3.11 or
newer can run this file.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import re
import shutil
import subprocess
import sys
import time
import tomllib
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
CONSTRAINTS = ROOT / "constraints.txt"
STAMP = "made-from.txt"
SHOW_LIBRARY = "import torch, visus; print(f'visus {visus.__version__} on torch {torch.__version__}')"
SHOW_PEER = (
    "import torch, torchvision; torchvision.ops.nms(torch.zeros(0, 4), torch.zeros(0), 0.5); "
    "print(f'torch {torch.__version__} torchvision {torchvision.__version__}')"
)
PEER_IS_BROKEN = """
.peers does not hold a working pair of {torch} and {torchvision}:
{found}
If pip is configured on this machine (a folder of local wheels, an index of its own), it took another build of torch
than torchvision was compiled for. Make the environment again without that configuration:

    rm -rf .peers && make peers PEERS_ISOLATED=1
"""


class Steps:
    """Tells what is being done and how long it has taken so far."""

    def __init__(self, title: str) -> None:
        self.title, self.start = title, time.monotonic()

    def say(self, message: str) -> None:
        """Prints one step with the seconds since the start."""
        print(f"{self.title} [{time.monotonic() - self.start:5.1f} s] {message}", flush=True)


def main() -> int:
    """Makes the environment that the command line names."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("environment", choices=["project", "peers", "newest", "oldest"])
    parser.add_argument("--torch-index", default="", help="package index of the torch wheels (default: pip's own)")
    parser.add_argument("--isolated", action="store_true", help="peers: ignore pip's configuration on this machine")
    options = parser.parse_args()
    try:
        if options.environment == "project":
            make_project(options.torch_index)
        elif options.environment == "newest":
            make_newest(options.torch_index)
        elif options.environment == "oldest":
            make_oldest(options.torch_index)
        else:
            make_peers(options.torch_index, isolated=options.isolated)
    except subprocess.CalledProcessError as error:
        print(f"setup: stopped, because this command failed with {error.returncode}:", file=sys.stderr)
        print("  " + " ".join(map(str, error.cmd)), file=sys.stderr)
        print("setup: repeat the same make command to go on from here", file=sys.stderr)
        return 1
    return 0


def make_project(torch_index: str) -> None:
    """The environment ``.venv``: the library, editable, with everything that develops it."""
    steps, folder = Steps("setup"), ROOT / ".venv"
    state = fingerprint(str(ROOT), CONSTRAINTS.read_text(), (ROOT / "pyproject.toml").read_text())
    if is_made_from(folder, state):
        return
    is_new = prepare(folder, steps)
    if torch_index:
        steps.say(f"{pin('torch')} from the index that TORCH_INDEX names")
        install(folder, ["--no-deps", "--index-url", torch_index, pin("torch")])
    elif is_new:
        steps.say("torch comes from pip's own index; TORCH_INDEX=<url> can name an index of smaller CPU wheels")
    steps.say("visus and its development tools, at the versions of constraints.txt")
    install(folder, ["--editable", f"{ROOT}[dev]"])
    steps.say(answer(folder, SHOW_LIBRARY))
    (folder / STAMP).write_text(state)
    steps.say("done: .venv is ready")


def make_peers(torch_index: str, *, isolated: bool) -> None:
    """The environment ``.peers``: the published torchvision and the torch it was compiled for, nothing of ours."""
    steps, folder = Steps("peers"), ROOT / ".peers"
    wanted = [pin("torch"), pin("torchvision")]
    state = fingerprint(*wanted)
    if is_made_from(folder, state):
        return
    if not holds_pair(folder, wanted):
        prepare(folder, steps)
        steps.say(f"{' and '.join(wanted)}: about 5 GB with CUDA, which is what most indexes hold")
        if torch_index:
            install(folder, ["--no-deps", "--index-url", torch_index, *wanted], isolated=isolated)
        install(folder, wanted, isolated=isolated)
    if not holds_pair(folder, wanted):
        found = answer(folder, SHOW_PEER)
        sys.exit(PEER_IS_BROKEN.format(torch=wanted[0], torchvision=wanted[1], found=f"  {found}"))
    steps.say(answer(folder, SHOW_PEER))
    (folder / STAMP).write_text(state)
    steps.say("done: .peers is ready")


def make_newest(torch_index: str) -> None:
    """The environment ``.newest``: what somebody gets who skips constraints.txt; brought up to date every time."""
    steps, folder = Steps("newest"), ROOT / ".newest"
    prepare(folder, steps)
    steps.say("the newest versions that pyproject.toml allows, about 5 GB with CUDA")
    if torch_index:
        install(folder, ["--upgrade", "--no-deps", "--index-url", torch_index, "torch"], pins=None)
    upgrade = ["--upgrade", "--upgrade-strategy", "only-if-needed" if torch_index else "eager"]
    install(folder, [*upgrade, "--editable", f"{ROOT}[dev]"], pins=None)
    steps.say(answer(folder, SHOW_LIBRARY))


def make_oldest(torch_index: str) -> None:
    """The environment ``.oldest``: the lowest version of everything that pyproject.toml names, and all that needs."""
    steps, folder = Steps("oldest"), ROOT / ".oldest"
    lowest = lowest_versions((ROOT / "pyproject.toml").read_text())
    state = fingerprint(str(ROOT), *lowest)
    if is_made_from(folder, state):
        return
    prepare(folder, steps)
    steps.say("the lowest versions that pyproject.toml allows; pip takes minutes to see that they agree")
    if torch_index:
        torch = next(one for one in lowest if one.startswith("torch=="))
        install(folder, ["--no-deps", "--index-url", torch_index, torch], pins=None)
    pins = folder / "lowest.txt"
    pins.write_text("".join(f"{one}\n" for one in lowest))
    install(folder, ["--editable", f"{ROOT}[dev]"], pins=pins)
    steps.say(answer(folder, SHOW_LIBRARY))
    (folder / STAMP).write_text(state)


def lowest_versions(project: str) -> list[str]:
    """A line ``name==version`` for each requirement of a pyproject.toml, with the lowest version that it allows."""
    content = tomllib.loads(project)["project"]
    extras = content["optional-dependencies"].values()
    lines = [*content["dependencies"], *(line for extra in extras for line in extra)]
    bounds = [re.match(r"([\w.-]+)\s*[>=]=\s*([\w.]+)", line) for line in lines]
    return sorted({f"{bound[1]}=={bound[2]}" for bound in bounds if bound})


def prepare(folder: Path, steps: Steps) -> bool:
    """Makes an empty environment unless a usable one of the same Python lies in ``folder``; returns whether it did."""
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    if answer(folder, "import pip, sys; print('%d.%d' % sys.version_info[:2])") == version:
        steps.say(f"{folder.name} is out of date and is brought up to date")
        return False
    remove(folder)
    steps.say(f"new environment {folder.name} with Python {sys.version.split()[0]} ({sys.executable})")
    subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
    return True


def remove(folder: Path) -> None:
    """Removes a folder, or the link that stands for one (what it points to stays)."""
    if folder.is_symlink():
        folder.unlink()
    elif folder.exists():
        shutil.rmtree(folder)


def install(folder: Path, arguments: Sequence[str], *, isolated: bool = False, pins: Path | None = CONSTRAINTS) -> None:
    """Runs ``pip install`` in an environment, its progress on the screen.

    Args:
        folder: the environment.
        arguments: what to install.
        isolated: leave out pip's configuration files and folders of local wheels.
        pins: a file of versions to take, those of constraints.txt by default; None for any.
    """
    environment = os.environ | {"PIP_DISABLE_PIP_VERSION_CHECK": "1", "PIP_NO_INPUT": "1"}
    if isolated:
        environment |= {"PIP_CONFIG_FILE": os.devnull, "PIP_FIND_LINKS": ""}
    wanted = ["--constraint", str(pins)] if pins else []
    subprocess.run([str(python_of(folder)), "-m", "pip", "install", *wanted, *arguments], check=True, env=environment)


def holds_pair(folder: Path, wanted: Sequence[str]) -> bool:
    """Whether torch and torchvision work together in ``folder`` and have the wanted versions."""
    words = answer(folder, SHOW_PEER).split()
    found = [f"{name}=={version.split('+')[0]}" for name, version in zip(words[::2], words[1::2], strict=False)]
    return found == list(wanted)


def answer(folder: Path, code: str) -> str:
    """What the environment's Python prints for ``code``, or the last line of its error."""
    python = python_of(folder)
    if not python.exists():
        return f"{python} does not exist"
    done = subprocess.run([str(python), "-c", code], capture_output=True, text=True, cwd=ROOT, check=False)
    lines = (done.stdout if done.returncode == 0 else done.stderr).strip().splitlines()
    return lines[-1] if lines else ""


def python_of(folder: Path) -> Path:
    """The interpreter of an environment."""
    return folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")


def is_made_from(folder: Path, state: str) -> bool:
    """Whether ``folder`` was finished from the given state and its interpreter is still there."""
    stamp = folder / STAMP
    return python_of(folder).exists() and stamp.exists() and stamp.read_text() == state


def pin(name: str) -> str:
    """The line ``name==version`` of constraints.txt."""
    lines = [line for line in CONSTRAINTS.read_text().splitlines() if line.startswith(f"{name}==")]
    if len(lines) != 1:
        sys.exit(f"setup: {CONSTRAINTS.name} needs exactly one line {name}==version, it has {len(lines)}")
    return lines[0]


def fingerprint(*parts: str) -> str:
    """A short digest of what an environment is made from."""
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()


if __name__ == "__main__":
    sys.exit(main())
