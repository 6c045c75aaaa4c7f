"""From the first word of the command to the module that knows the verb, and from an error to one plain line.

Nothing heavy is imported before a verb is chosen: help, version and typing errors answer at once.
"""

from __future__ import annotations

import importlib
import io
import itertools
import os
import signal
import sys
from collections.abc import Callable, Sequence
from typing import Final, TextIO

from visus import __version__
from visus.errors import VisusError
from visus.memory import keep_memory
from visus.stopping import SIGNALS, Stopped, StoppedOnRequest, exit_status, ignore_signals, stop_now

VERBS: Final[dict[str, tuple[str, str]]] = {
    "demo": (
        "visus.cli.demo",
        "train a small model on drawn scenes and write its report: minutes, offline",
    ),
    "list": ("visus.cli.listing", "show models, data sets, recipes, published weights, losses and metrics"),
    "train": ("visus.cli.train", "train a recipe, on drawn scenes or on your data"),
    "evaluate": ("visus.cli.train:evaluate", "measure a run on a data set"),
    "report": ("visus.cli.report", "compare several runs on one page"),
    "predict": ("visus.cli.predict", "find objects in images, folders or videos, with a run or published weights"),
    "export": ("visus.cli.export", "write a model as a file for ONNX Runtime, torch.export or OpenVINO"),
    "teach": ("visus.cli.teach", "new classes from a few images each, in seconds and without training"),
    "serve": ("visus.cli.serve", "answer requests over HTTP with trained models, and show a page to try them on"),
    "browse": ("visus.cli.browse", "look through a run's validation images for errors and for wrong labels"),
    "ask": ("visus.cli.ask", "rank images by a phrase and show where it is, or answer a question about each"),
    "generate": ("visus.cli.generate", "make images of a scene graph, from a phrase, JSON or another image"),
    "reproduce": ("visus.cli.reproduce", "train every row of a results table under one protocol, beside the published"),
    "gallery": ("visus.cli.gallery", "fill a gallery of images once, and find in it what is alike"),
    "hub": ("visus.cli.hub", "put a run on the Hugging Face Hub, or fetch one (visus predict hf://user/name ...)"),
    "data": ("visus.cli.data", "check a data set for every problem at once, look at it, or convert it"),
}
"""Each verb: where it lives (``module`` means its function ``main``), and what it does."""

USAGE_ERROR = 2


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command.

    Args:
        argv: the words after ``visus``; None takes them from the process.

    Returns:
        The exit status: 0 success, 1 the verb reports failures, 2 the command cannot be carried out, 130 interrupted,
        143 terminated.
    """
    if argv is None:
        # Not KeyboardInterrupt: where that passes through code made at run time, such as dataclasses, Python ends by
        # the signal itself, whoever catches it.
        for number in SIGNALS:
            signal.signal(number, stop_now)
        keep_memory()
        print_any_name()
        if _plain():
            os.environ.setdefault("PYTHON_TYRO_ANSI_CODES", "0")  # tyro, which prints help, knows no NO_COLOR
    words = list(sys.argv[1:] if argv is None else argv)
    if argv is None:
        words = share_processors(words)
    debug = "--debug" in words or os.environ.get("VISUS_DEBUG", "0") not in ("", "0")
    words = [word for word in words if word != "--debug"]
    if len(words) > 1 and words[0] == "help":  # visus help VERB
        words = [*words[1:], "--help"]
    if not words or words[0] in ("-h", "--help", "help"):
        print(_help())
        return 0
    if words[0] in ("-V", "--version"):
        print(f"visus {__version__}")
        return 0
    if words[0] not in VERBS:
        print(_unknown(words[0]), file=sys.stderr)
        return USAGE_ERROR
    try:
        _refuse_empty(words)
        return _verb(words[0])(words[1:])
    except SystemExit as stop:  # argument parsers leave this way
        return stop.code if isinstance(stop.code, int) else int(stop.code is not None)
    except StoppedOnRequest as stop:
        print(stop)
        return exit_status(stop.number)
    except (KeyboardInterrupt, Stopped) as stop:
        if debug:
            raise
        number = getattr(stop, "number", signal.SIGINT)
        print("\nvisus: interrupted" if number == signal.SIGINT else "visus: terminated", file=sys.stderr)
        return exit_status(number)
    except BrokenPipeError:  # the reader of our output, such as `head`, has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except Exception as error:
        if debug or not is_user_error(error):
            raise
        print(f"visus: {_style('error', '31;1', sys.stderr)}: {message_of(error)}", file=sys.stderr)
        return USAGE_ERROR
    finally:
        if argv is None:
            ignore_signals()  # the process ends, with work of its own that a signal would break with a traceback


def is_user_error(error: BaseException) -> bool:
    """Whether the message alone helps: our own errors, wrong values and files; anything else is a defect."""
    ours = type(error).__module__.partition(".")[0] == "visus"
    return ours or isinstance(error, VisusError | ValueError | OSError)


def message_of(error: BaseException) -> str:
    """What an error says, without Python's decoration: one line, unless the error is ours and lists several things."""
    if isinstance(error, OSError) and error.strerror and error.filename is not None:
        return f"{error.filename}: {error.strerror}"
    if type(error).__module__.partition(".")[0] == "visus":
        return str(error).strip() or type(error).__name__
    return f"{' '.join(str(error).split()) or type(error).__name__} (--debug shows where)"


def share_processors(words: list[str]) -> list[str]:
    """Says how PyTorch's threads are to behave, before it is imported; the words without ``--threads N``.

    By default a thread that waits for another keeps its processor busy. Where other programs want it too, the threads
    wait for one another most of the time: a detector on two busy processors was ten times slower than with one thread.

    Raises:
        SystemExit: the number of threads is none.
    """
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    for place, word in enumerate(words):
        name, equals, number = word.partition("=")
        if name == "--threads":
            number = number if equals else "".join(words[place + 1 : place + 2])
            if not number.isascii() or not number.isdigit() or not 1 <= int(number) <= 4096:
                print(f"visus: --threads needs a number from 1, not {number!r}", file=sys.stderr)
                raise SystemExit(USAGE_ERROR)
            os.environ["OMP_NUM_THREADS"] = os.environ["MKL_NUM_THREADS"] = str(int(number))
            return words[:place] + words[place + (1 if equals else 2) :]
    return words


def print_any_name() -> None:
    """Has names of files that are no UTF-8 printed with their bytes as numbers, where printing them would fail."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")


def _verb(name: str) -> Callable[[list[str]], int]:
    """The function behind a verb."""
    module, _, function = VERBS[name][0].partition(":")
    verb: Callable[[list[str]], int] = getattr(importlib.import_module(module), function or "main")
    return verb


_MAY_BE_EMPTY = frozenset({"--loss", "--metric", "--data.root", "--fit.monitor"})
"""Options by which an empty word means the usual choice."""


def _refuse_empty(words: Sequence[str]) -> None:
    """Refuses empty words, such as a variable of the shell that is not set: as a path, one means the working directory.

    Raises:
        VisusError: there is one that means nothing.
    """
    for before, word in itertools.pairwise(words):
        option, equals, value = word.partition("=")
        if word == "" and before not in _MAY_BE_EMPTY:
            after = f" after {before}" if before.startswith("-") else ""
            raise VisusError(f"visus {words[0]}: one of the words{after} is empty ('')")
        if equals and not value and option.startswith("--") and option not in _MAY_BE_EMPTY:
            raise VisusError(f"visus {words[0]}: {option} is empty")


def _help() -> str:
    """The page of ``visus --help``."""
    verbs = "\n".join(_row(name, what) for name, (_, what) in VERBS.items())
    return f"""{_style("visus", "1")} {__version__}: visual perception in pure PyTorch

usage: visus VERB [arguments]
       visus help VERB    tells the arguments of a verb

{verbs}

  --version          print the version
  --threads N        processors to compute on
                     (default: all that it may use)
  --debug            show the traceback of an error
                     (or set VISUS_DEBUG=1)

to begin:
  visus demo
  visus predict maskrcnn_resnet50_fpn photo.jpg"""


def _row(name: str, what: str) -> str:
    """A verb and what it does, folded at the width of a terminal; on one line for a file or another program."""
    width = max(map(len, VERBS)) + 2
    lines = [what]
    if sys.stdout.isatty():
        import shutil
        import textwrap

        lines = textwrap.wrap(what, max(40, shutil.get_terminal_size().columns - width - 3))
    return f"  {_style(name, '36;1')}{' ' * (width - len(name))}" + f"\n{' ' * (width + 2)}".join(lines)


def _unknown(word: str) -> str:
    """What to say of a verb that does not exist."""
    from visus.names import closest

    meant = closest(word, VERBS)
    hint = f"did you mean `visus {meant}`?" if meant else "`visus --help` explains them."
    return f"visus: there is no verb {word!r}; there are {', '.join(VERBS)}; {hint}"


def _style(text: str, code: str, stream: TextIO | None = None) -> str:
    """Text in a terminal's colours, where the stream is a terminal that wants them."""
    wanted = (stream or sys.stdout).isatty() and not _plain()
    return f"\x1b[{code}m{text}\x1b[0m" if wanted else text


def _plain() -> bool:
    """Whether the user or the terminal wants no colours (https://no-color.org)."""
    return bool(os.environ.get("NO_COLOR")) or os.environ.get("TERM") in ("dumb", "unknown")
