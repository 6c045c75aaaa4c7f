"""The command line: `main` finds the verb, each verb lives in a module of its own."""

from visus.cli.dispatch import VERBS, main

__all__ = ["VERBS", "main"]
