"""Errors of worker processes as they would be without workers: themselves, in one line that names the file.

PyTorch hands an error of a worker over as text, its traceback, and puts that into the message.
"""

from __future__ import annotations

import pickle
import traceback
from typing import Any

from torch._utils import ExceptionWrapper
from torch.utils.data import Dataset, get_worker_info

from visus.errors import VisusError
from visus.types import Sample

USER_ERRORS = (VisusError, ValueError, OSError)
"""What a user can mend. Other errors are defects, and keep their traceback."""


class SampleError(VisusError, ValueError):
    """A sample that cannot be read or changed; the message names its file."""


class Failure(ExceptionWrapper):
    """An error that takes the place of a batch, and is raised where the batch would have been used.

    Args:
        error: the error; one that cannot be sent to another process becomes a `SampleError` with its message.
    """

    def __init__(self, error: Exception) -> None:
        error.add_note("".join(traceback.format_exception(error)))  # of the worker: shown by --debug
        try:
            pickle.loads(pickle.dumps(error))
            self.error = error
        except Exception:  # whatever its own constructor raises
            self.error = SampleError(str(error))

    def reraise(self) -> None:
        """Raise the error; called by PyTorch's loader."""
        raise self.error


class Guarded(Dataset[Any]):
    """The samples of a data set, or, inside a worker, the `Failure` of one that cannot be read.

    Args:
        dataset: with ``path(index)``, from which an error that names no file gets its name.
    """

    def __init__(self, dataset: Any) -> None:
        self.dataset = dataset

    def __len__(self) -> int:
        return len(self.dataset)

    def __getitem__(self, index: int) -> Sample | Failure:
        try:
            sample: Sample = self.dataset[index]
        except USER_ERRORS as error:
            problem = _named(error, self._path(index))
            if get_worker_info() is None:
                if problem is error:
                    raise
                raise problem from error
            problem.__cause__ = None if problem is error else error
            return Failure(problem)
        except Exception as error:
            error.add_note(f"This happened to {self._path(index) or f'sample {index}'}.")
            raise
        return sample

    def _path(self, index: int) -> str:
        try:
            return str(self.dataset.path(index))
        except Exception:  # the path is a help in the message of another error, which must not be lost
            return ""


def _named(error: Exception, path: str) -> Exception:
    """``error`` itself where its message names a file, else one that does."""
    if isinstance(error, VisusError):
        return error
    message = " ".join(str(error).split()) or type(error).__name__
    if isinstance(error, OSError) and error.strerror:
        message = f"{error.filename}: {error.strerror}" if error.filename else error.strerror
    return SampleError(message if not path or path in message else f"{path}: {message}")
