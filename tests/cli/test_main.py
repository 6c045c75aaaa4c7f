import platform
import subprocess
import sys
import types

import pytest

import visus
from visus.cli import VERBS, main
from visus.errors import VisusError


@pytest.fixture
def verb(monkeypatch):
    """Puts a function in the place of ``visus list``."""

    def put(function):
        module = types.ModuleType("visus.cli.listing")
        module.main = function
        monkeypatch.setitem(sys.modules, "visus.cli.listing", module)

    monkeypatch.delenv("VISUS_DEBUG", raising=False)
    return put


def raising(error):
    def function(argv):
        raise error

    return function


class PackageError(RuntimeError):
    """Stands for an error class of a package of visus."""


PackageError.__module__ = "visus.some.package"


def test_help_names_every_verb(capsys):
    for argv in ([], ["--help"], ["help"]):
        assert main(argv) == 0
        page = capsys.readouterr().out
        assert all(f"  {name} " in page for name in VERBS)


def test_version(capsys):
    assert main(["--version"]) == 0
    assert capsys.readouterr().out.strip() == f"visus {visus.__version__}"


def test_an_unknown_verb_names_the_nearest(capsys):
    assert main(["predikt"]) == 2
    message = capsys.readouterr().err
    assert "did you mean `visus predict`" in message
    assert all(name in message for name in VERBS)


def test_a_verb_gets_the_other_words(verb):
    seen = []
    verb(lambda argv: seen.append(argv) or 7)
    assert main(["list", "models", "--debug", "-x"]) == 7
    assert seen == [["models", "-x"]]


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (VisusError("photo.jpg: is broken\n"), "photo.jpg: is broken"),
        (PackageError("weights.pth was refused"), "weights.pth was refused"),
        (FileNotFoundError(2, "No such file or directory", "x.json"), "x.json: No such file or directory"),
        (ValueError("bad\nvalue"), "bad value (--debug shows where)"),
    ],
)
def test_errors_of_the_user_are_one_line(verb, capsys, error, message):
    verb(raising(error))
    assert main(["list"]) == 2
    assert capsys.readouterr().err == f"visus: error: {message}\n"


def test_debug_shows_the_traceback(verb, monkeypatch):
    verb(raising(VisusError("broken")))
    with pytest.raises(VisusError):
        main(["list", "--debug"])
    monkeypatch.setenv("VISUS_DEBUG", "1")
    with pytest.raises(VisusError):
        main(["list"])


def test_defects_keep_their_traceback(verb):
    verb(raising(ZeroDivisionError()))
    with pytest.raises(ZeroDivisionError):
        main(["list"])


def test_an_interrupt_is_one_line(verb, capsys):
    verb(raising(KeyboardInterrupt()))
    assert main(["list"]) == 130
    assert capsys.readouterr().err == "\nvisus: interrupted\n"


def test_exits_of_argument_parsers_become_statuses(verb):
    for code, status in ((0, 0), (2, 2), (None, 0), ("message", 1)):
        verb(raising(SystemExit(code)))
        assert main(["list"]) == status


def test_help_and_version_import_nothing_heavy():
    code = (
        "import sys; from visus.cli import main; main(['--help']); print({'torch', 'tyro', 'rich'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "set()"


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="the allocator is glibc's")
def test_a_process_keeps_the_memory_that_it_frees() -> None:
    touch = (
        "import resource, sys, torch\n"
        "from visus.cli.dispatch import keep_memory\n"
        "if sys.argv[1] == 'keep': keep_memory()\n"
        "def step(): [torch.ones(n * 1_000_000) for n in (4, 16, 1, 8)]\n"
        "for _ in range(10): step()\n"
        "before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt\n"
        "for _ in range(10): step()\n"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)"
    )
    faults = {}
    for word in ("keep", "usual"):
        command = [sys.executable, "-c", touch, word]
        faults[word] = int(subprocess.run(command, capture_output=True, check=True, text=True).stdout)
    assert faults["keep"] < faults["usual"] / 10, faults
