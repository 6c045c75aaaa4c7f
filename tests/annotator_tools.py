"""Runs a piece of Python with the package of a program for annotating, each in a folder below ``.tools`` (make tools).

None of them is installed beside visus: labelme is under the GPL, and all bring many packages.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

TOOLS = Path(__file__).resolve().parents[1] / ".tools"


def run_tool(tool: str, script: str, *arguments: str | Path) -> Any:
    """What a script, which finds ``sys.argv`` and ``answer``, answers with; skips the test where the tool is absent."""
    folder = TOOLS / tool
    if not folder.exists():
        pytest.skip(f"{folder} is absent: `make tools` installs it")
    head = "import json, sys\ndef answer(value):\n    print('\\nANSWER' + json.dumps(value))\n"
    environment = {**os.environ, "PYTHONPATH": str(folder), "FIFTYONE_DO_NOT_TRACK": "1", "HOME": str(TOOLS)}
    command = [sys.executable, "-c", head + script, *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False, timeout=120)
    if done.returncode:
        pytest.fail(f"{tool} says:\n{done.stderr[-3000:]}", pytrace=False)
    return json.loads(done.stdout.rpartition("\nANSWER")[2])
