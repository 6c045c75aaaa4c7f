"""``visus hub``: put a run on the Hugging Face Hub, fetch one into the cache, or show the page that it would get."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro


@dataclass(frozen=True)
class PushArguments:
    """Put a run on the Hub, privately: weights, recipe, schema, numbers, and a page made from them.

    The token is that of `hf auth login` or of HF_TOKEN.

    Args:
        run: the run folder.
        repository: user/name, made where it does not exist.
        public: let everybody read a repository that is made.
        licence: of the weights, as the Hub calls it, such as apache-2.0; default: the page says that nobody stated one.
        message: of the commit.
    """

    run: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="RUN")]
    repository: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="USER/NAME")]
    public: bool = False
    licence: Annotated[str | None, tyro.conf.arg(metavar="LICENCE")] = None
    message: str = ""


@dataclass(frozen=True)
class PullArguments:
    """Fetch a run into the cache, check its files and print the folder; then it is there without a network too.

    Args:
        address: hf://user/name, or with a branch, a tag or a commit, hf://user/name@revision.
    """

    address: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="ADDRESS")]


@dataclass(frozen=True)
class CardArguments:
    """Print the page that a run would get on the Hub; nothing is sent.

    Args:
        run: the run folder.
        repository: user/name.
        licence: as for push.
    """

    run: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="RUN")]
    repository: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="USER/NAME")] = "user/name"
    licence: Annotated[str | None, tyro.conf.arg(metavar="LICENCE")] = None


Arguments = (
    Annotated[PushArguments, tyro.conf.subcommand("push", prefix_name=False)]
    | Annotated[PullArguments, tyro.conf.subcommand("pull", prefix_name=False)]
    | Annotated[CardArguments, tyro.conf.subcommand("card", prefix_name=False)]
)


def main(argv: list[str]) -> int:
    """Runs ``visus hub push``, ``pull`` or ``card``."""
    description = "Put a run on the Hugging Face Hub, fetch one, or show the page that it would get."
    arguments = tyro.cli(Arguments, args=argv, prog="visus hub", description=description)
    if isinstance(arguments, PullArguments):
        from visus.predict.hub import local_run
        from visus.predict.model_words import HUB

        print(local_run(HUB + arguments.address.removeprefix(HUB)))
    elif isinstance(arguments, PushArguments):
        from visus.runs.hub_push import push

        address = push(
            arguments.run,
            arguments.repository,
            public=arguments.public,
            licence=arguments.licence,
            message=arguments.message,
        )
        print(address)
    else:
        from visus.predict.stored import find_weights
        from visus.runs.model_card import model_card
        from visus.training.run import RunFolder

        run = RunFolder(arguments.run.expanduser())
        schema = find_weights(run.path).schema
        print(model_card(run, schema, f"hf://{arguments.repository}", licence=arguments.licence), end="")
    return 0
