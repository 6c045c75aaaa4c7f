"""LitServe with a run of visus behind it: what `benchmarks/server.py --litserve FOLDER` compares with.

LitServe is no dependency: ``pip install --target FOLDER litserve`` puts it and what it needs aside, and the benchmark
adds FOLDER to PYTHONPATH. Images go to it in JSON as base64, the form that its documentation shows; the answer is the
same JSON as that of `visus serve`.
"""

from __future__ import annotations

import base64
from typing import Any

import litserve


class Api(litserve.LitAPI):
    """The predictor, one image at a time, in a process of its own.

    Args:
        run: the model.
    """

    def __init__(self, run: str) -> None:
        super().__init__()
        self.run = run

    def setup(self, device: str) -> None:
        """Loads the model."""
        import visus

        self.predictor = visus.load(self.run, device="cpu")

    def decode_request(self, request: dict[str, str]) -> bytes:
        """The content of the image."""
        return base64.b64decode(request["image"])

    def predict(self, content: bytes) -> Any:
        """What is found in it."""
        return self.predictor.predict(content)[0].to_dict()

    def encode_response(self, output: Any) -> Any:
        """The answer."""
        return output


def serve(run: str, port: int) -> None:
    """Serves a run at a port of this machine until the process is ended."""
    server = litserve.LitServer(Api(run), accelerator="cpu", workers_per_device=1, timeout=120)
    server.run(host="127.0.0.1", port=port, generate_client_file=False, log_level="error")
