import json
import subprocess
import sys
import types

import pytest

import visus
from visus.cli import VERBS, dispatch, main
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


@pytest.mark.parametrize("columns", [60, 80])
def test_help_fits_a_terminal_and_is_whole_in_a_pipe(columns, capsys, monkeypatch):
    main([])
    page = capsys.readouterr().out
    assert all(what in page for _, what in VERBS.values())
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", str(columns))
    monkeypatch.setenv("NO_COLOR", "1")
    main([])
    folded = capsys.readouterr().out
    assert max(map(len, folded.splitlines())) <= columns
    assert " ".join(folded.split()) == " ".join(page.split())


@pytest.mark.parametrize("verb", VERBS)
def test_help_of_a_verb(verb, capsys):
    assert main(["help", verb]) == 0
    page = capsys.readouterr().out
    assert f"usage: visus {verb}" in page
    assert main([verb, "--help"]) == 0
    assert capsys.readouterr().out == page
    assert main(["help", "predikt"]) == 2
    assert "did you mean `visus predict`" in capsys.readouterr().err


EMPTY = [
    ["predict", "run", ""],
    ["predict", "", "photo.jpg"],
    ["predict", "run", "photo.jpg", "--out", ""],
    ["predict", "run", "photo.jpg", "--out="],
    ["train", ""],
    ["train", "maskrcnn_vignettes", "--run", ""],
    ["evaluate", ""],
    ["evaluate", "run", "--device="],
    ["data", "check", ""],
    ["data", "check", "train.json", "--images", ""],
    ["data", "show", "vignettes", "--out", ""],
    ["data", "convert", "a", "", "--to", "coco"],
    ["demo", "--run", ""],
    ["reproduce", "metric-learning", "--data", ""],
    ["list", ""],
]


@pytest.mark.parametrize("words", EMPTY, ids=" ".join)
def test_an_empty_word_is_not_the_working_directory(words, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(words) == 2
    told = capsys.readouterr().err
    assert "empty" in told
    assert len(told.strip().splitlines()) == 1
    assert list(tmp_path.iterdir()) == []


def test_an_option_may_be_empty_where_that_means_the_usual(verb):
    seen = []
    verb(lambda argv: seen.append(argv) or 0)
    for words in (["--loss", ""], ["--fit.monitor="], ["--data.root", ""]):
        assert main(["list", *words]) == 0
        assert seen.pop() == words


@pytest.mark.parametrize(("name", "value"), [("NO_COLOR", "1"), ("TERM", "dumb")])
def test_plain_terminals_get_no_colours(name, value, monkeypatch):
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    terminal = types.SimpleNamespace(isatty=lambda: True)
    assert "\x1b" in dispatch._style("error", "31", terminal)
    monkeypatch.setenv(name, value)
    assert dispatch._style("error", "31", terminal) == "error"


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


LIGHT = [
    ["--help"],
    *([verb, "--help"] for verb in VERBS),
    *([verb, "--bogus"] for verb in VERBS),
    *(["data", verb, "--help"] for verb in ("check", "show", "convert")),
    ["reproduce", "metric-learning", "--help"],
    ["train", "maskrcnn_lite0", "--help"],
    ["train", "maskrcnn_lite0", "--optim.lrr", "1"],
    ["train", "maskrcn_lite0"],
    ["train", "x.json"],
    ["evaluate", "runs/nowhere"],
    ["predict", "maskrcnn_resnet50_fpn", "nowhere.jpg"],
    ["predict", "maskrcnn_resnet50_fnp", "photo.jpg"],
    ["predict", "runs/nowhere", "photo.jpg"],
    ["data", "check", "nowhere"],
    ["data", "convert", "nowhere", "target", "--to", "coco"],
    ["data", "show", "nowhere", "--out", "src"],
]


def test_help_and_typing_errors_import_nothing_heavy(tmp_path):
    """Each costs a few tenths of a second at most; torch alone takes a second."""
    (tmp_path / "src").mkdir()
    (tmp_path / "src" / "a.jpg").touch()
    code = (
        "import contextlib, io, json, sys\n"
        "from visus.cli import main\n"
        "heavy = {'torch', 'numpy', 'PIL', 'torchmetrics', 'hotcoco', 'urllib.request'}\n"
        "for words in json.loads(sys.argv[1]):\n"
        "    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):\n"
        "        status = main(words)\n"
        "    if status not in (0, 2) or heavy & set(sys.modules):\n"
        "        sys.exit(f'{words}: {status}, {heavy & set(sys.modules)}')"
    )
    command = [sys.executable, "-c", code, json.dumps(LIGHT)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
