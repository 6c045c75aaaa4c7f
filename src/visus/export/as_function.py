"""The package ``visus.export`` has the name of a public function, so it can be called like that.

Python sets ``visus.export`` to the package as soon as anything of it is imported, which would hide the function.
"""

from __future__ import annotations

from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from visus.export.written import Export


class ExportPackage(ModuleType):
    """A package that is called as `visus.export.written.export` is."""

    def __call__(
        self,
        run: str | Path,
        *,
        to: str = "onnx",
        out: str | Path | None = None,
        precision: str = "float32",
        measure: int = 100,
        times: bool = True,
        images: str | Path | None = None,
        force: bool = False,
    ) -> Export:
        """Writes a trained model as a file for another run time; see `visus.export.written.export`."""
        from visus.export.written import export

        return export(
            run, to=to, out=out, precision=precision, measure=measure, times=times, images=images, force=force
        )
