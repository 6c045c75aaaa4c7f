"""``visus teach``: a classifier of new classes from a few images each, or new names for the boxes of a detector."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from visus.errors import VisusError
from visus.training.run import is_run

USAGE = """usage: visus teach [RUN] --class NAME IMAGE ... --class NAME IMAGE ... [options]
       visus teach [RUN] FOLDER [options]
       visus teach RUN --more NAME IMAGE ... [options]

Makes a classifier of new classes from one to five images each, in seconds and
without training, saved as a run that predict, evaluate and report know. FOLDER
holds a folder of images for each class. RUN says what sees: a run of a network
on EfficientNet-Lite0, such as a descriptor; ImageNet's features without it. The
boxes of a detector get the new names: give crops of the things. --more adds
images, or a class, to a run that was taught.

  --threshold X   the least cosine with a class, below which an image is none of
                  these (default: the middle between own and other classes)
  --always        always name a class, however unlike
  --size N        pixels of a side of the images (default: 160)
  --run FOLDER    where to (default: runs/taught, numbered where it exists)"""

_LISTS = ("--class", "--more")
_VALUES = ("--threshold", "--size", "--run")


def main(argv: list[str]) -> int:
    """Runs ``visus teach``."""
    if not argv or argv[0] in ("-h", "--help"):
        print(USAGE)
        return 0 if argv else 2
    places, lists, values, always = _words(argv)
    run, folder = _places(places, named=bool(lists["--class"] or lists["--more"]))
    if lists["--class"] and lists["--more"]:
        raise VisusError("visus teach: --class makes a new run and --more adds to one: give one of them")
    classes = _classes(lists["--more"] or lists["--class"])
    from visus.runs.teach import SIZE, say, teach

    lesson = teach(
        folder if folder is not None else classes,
        model=run,
        run=values.get("--run"),
        more=bool(lists["--more"]),
        threshold=_number(values, "--threshold"),
        rejects=not always,
        size=int(_number(values, "--size") or SIZE),
    )
    say(lesson)
    return 0


def _words(argv: Sequence[str]) -> tuple[list[str], dict[str, list[list[str]]], dict[str, str], bool]:
    """The words before any option, those behind each --class or --more, the values of options, and --always."""
    places: list[str] = []
    lists: dict[str, list[list[str]]] = {name: [] for name in _LISTS}
    values: dict[str, str] = {}
    always, taking = False, places
    words = iter(argv)
    for word in words:
        name, equals, value = word.partition("=")
        if word in _LISTS:
            taking = []
            lists[word].append(taking)
        elif name in _VALUES:
            values[name] = value if equals else next(words, "")
            if not values[name]:
                raise VisusError(f"visus teach: {name} needs a value")
        elif word == "--always":
            always = True
        elif word.startswith("--"):
            known = ", ".join((*_LISTS, *_VALUES, "--always"))
            raise VisusError(f"visus teach: there is no option {word}; there are {known}")
        else:
            taking.append(word)
    return places, lists, values, always


def _places(places: Sequence[str], *, named: bool) -> tuple[str | None, str | None]:
    """The run and the folder of classes among the words before the options."""
    if len(places) > (1 if named else 2):
        raise VisusError(f"visus teach: one word too many, {places[-1]!r}: images stand behind --class NAME")
    if named or not places:
        return (places[0] if places else None), None
    if len(places) == 2:
        return places[0], places[1]
    if is_run(Path(places[0]).expanduser()):
        raise VisusError(
            f"visus teach {places[0]}: what is to be taught? --class NAME IMAGE ..., or a folder of classes"
        )
    return None, places[0]


def _classes(lists: Sequence[Sequence[str]]) -> dict[str, list[str | Path]]:
    found: dict[str, list[str | Path]] = {}
    for words in lists:
        if len(words) < 2:
            raise VisusError(
                f"visus teach: --class and --more need a name and images, not {' '.join(words) or 'nothing'}"
            )
        found.setdefault(words[0], []).extend(words[1:])
    return found


def _number(values: dict[str, str], name: str) -> float | None:
    if name not in values:
        return None
    try:
        return float(values[name])
    except ValueError:
        raise VisusError(f"visus teach: {name} needs a number, not {values[name]!r}") from None
