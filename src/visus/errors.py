"""The base of every error that visus raises on purpose: something the user can mend, said in one sentence."""

from __future__ import annotations


class VisusError(Exception):
    """Something that the user can mend: a missing file, an unknown name, a broken image.

    The message names the file or the value, and says what to do. The command line prints it as one line, without a
    traceback; every other exception is a defect of ours and keeps its traceback.
    """
