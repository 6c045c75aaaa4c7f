"""Builds the wheel, looks into it, installs it into an empty environment, and uses it there.

Nothing is compiled while it is installed: a package without a wheel for this machine fails. Only the standard library
is used here.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

from environment import ROOT, Steps, install, python_of

SOURCE = ROOT / "src"
DEMO = ("demo", "--minutes", "0.1", "--scenes", "2", "--size", "64")
SHOW_PLACE = "import visus; print(visus.__file__)"


def main() -> int:
    """Builds, looks, installs, runs; the exit status is 1 where one of them fails."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--torch-index", default="", help="package index of the torch wheels (default: pip's own)")
    parser.add_argument("--look", action="store_true", help="build it and look into it, no more")
    options = parser.parse_args()
    steps = Steps("wheel")
    with tempfile.TemporaryDirectory(prefix="visus-wheel-") as folder:
        wheel = built(Path(folder))
        faults = faults_of(wheel)
        steps.say(f"{wheel.name}, {wheel.stat().st_size / 1e6:.1f} MB: {'; '.join(faults) or 'holds what it should'}")
        if faults:
            return 1
        if not options.look:
            use(wheel, Path(folder), options.torch_index, steps)
    return 0


def built(folder: Path) -> Path:
    """The wheel, built from a copy of the project: what lies around in the checkout gets no chance."""
    copy = folder / "project"
    shutil.copytree(SOURCE, copy / "src", ignore=shutil.ignore_patterns("__pycache__", "*.egg-info"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy2(ROOT / name, copy)
    command = [sys.executable, "-m", "build", "--wheel", "--outdir", str(folder / "dist"), str(copy)]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    [wheel] = (folder / "dist").iterdir()
    return wheel


def faults_of(wheel: Path) -> list[str]:
    """What a wheel lacks or has too much: it holds the files of the package, all of them and no others."""
    with zipfile.ZipFile(wheel) as archive:
        names = [name for name in archive.namelist() if not name.endswith("/")]
    about = {name for name in names if ".dist-info/" in name}
    wanted = {
        path.relative_to(SOURCE).as_posix()
        for path in (SOURCE / "visus").rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    held = set(names) - about
    faults = [f"lacks {name}" for name in sorted(wanted - held)] + [f"holds {name}" for name in sorted(held - wanted)]
    if "visus/py.typed" not in held:
        faults.append("has no py.typed")
    if not wheel.name.endswith("-py3-none-any.whl"):
        faults.append("is not for every machine")
    if not any(name.endswith("LICENSE") for name in about):
        faults.append("has no licence")
    return faults


def use(wheel: Path, folder: Path, torch_index: str, steps: Steps) -> None:
    """Installs a wheel into an empty environment and runs the command line in an empty folder."""
    environment, work = folder / "environment", folder / "work"
    work.mkdir()
    steps.say("an empty environment")
    subprocess.run([sys.executable, "-m", "venv", str(environment)], check=True)
    if torch_index:
        install(environment, ["--no-deps", "--index-url", torch_index, "torch"])
    install(environment, ["--quiet", "--only-binary", ":all:", str(wheel)])
    python = str(python_of(environment))
    place = subprocess.run([python, "-c", SHOW_PLACE], cwd=work, check=True, capture_output=True, text=True).stdout
    if not Path(place.strip()).is_relative_to(environment):
        raise SystemExit(f"wheel: visus was imported from {place.strip()}, not from the wheel")
    for words in (("--version",), ("list",), DEMO):
        steps.say(f"visus {' '.join(words)}")
        subprocess.run([python, "-m", "visus", *words], cwd=work, check=True)
    steps.say("the wheel works")


if __name__ == "__main__":
    sys.exit(main())
