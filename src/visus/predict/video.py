"""Frames of a video file, an address or a camera as images, and drawings as a video, through PyAV (extra ``video``)."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from types import ModuleType, TracebackType
from typing import Any, Self

import torch
from jaxtyping import UInt8
from PIL import Image
from torch import Tensor

from visus.errors import VisusError
from visus.predict.sources import camera_of
from visus.whole_file import full_disk


class OutputError(VisusError):
    """A video that cannot be written; the message names it."""


_USUAL_RATE = Fraction(25)  # frames a second, where nothing is said
_PATIENCE = 20.0  # seconds without an answer of a server


@dataclass(frozen=True)
class Frame:
    """One frame: its number from 0, its time in seconds from the start, and its upright RGB pixels."""

    index: int
    seconds: float
    image: UInt8[Tensor, "3 h w"]

    @property
    def name(self) -> str:
        """A file name that sorts in the order of time."""
        return f"frame_{self.index:06d}"


@dataclass(frozen=True)
class VideoInfo:
    """What a video says of itself: its frames a second, and their number (0 where it does not say)."""

    frame_rate: Fraction
    frames: int


def video_info(source: str | Path) -> VideoInfo:
    """Reads the head of a video; of an address or a camera nothing is known before.

    Raises:
        VisusError: PyAV is missing, or the file is no video.
    """
    if not os.path.isfile(source):
        return VideoInfo(_USUAL_RATE, 0)
    with _opened(source) as container:
        stream = _first_stream(container, source)
        rate = Fraction(stream.average_rate or _USUAL_RATE)
        frames = stream.frames
        if not frames and container.duration:
            frames = round(container.duration / 1_000_000 * rate)  # PyAV counts a container's duration in microseconds
        return VideoInfo(rate, frames)


def read_frames(source: str | Path, *, every: int = 1) -> Iterator[Frame]:
    """Decodes a video frame by frame, upright as its rotation mark says.

    Args:
        source: a file, an address (http, https, rtsp, rtmp), or a camera: ``webcam``, ``webcam:1`` or its number.
        every: yield every n-th frame only.

    Raises:
        VisusError: PyAV is missing, there is no such video, or it breaks off (after its readable frames).
    """
    if every < 1:
        raise VisusError(f"every n-th frame needs n >= 1, not {every}")
    av = _av()
    with _opened(source) as container:
        stream = _first_stream(container, source)
        stream.thread_type = "AUTO"
        index = -1
        try:
            for index, frame in enumerate(container.decode(stream)):
                if index % every == 0:
                    pixels = torch.from_numpy(frame.to_ndarray(format="rgb24")).permute(2, 0, 1)
                    turns = round(frame.rotation / 90) % 4  # the mark counts counterclockwise, as rot90 does
                    upright = torch.rot90(pixels, turns, (1, 2)).contiguous()
                    yield Frame(index, float(frame.time or 0.0), upright)
        except av.error.FFmpegError as error:
            raise VisusError(f"{source}: the video cannot be decoded after frame {index} ({error.strerror})") from error
        if index < 0:
            raise VisusError(f"{source}: the video holds no frame")


class VideoWriter:
    """Writes pictures of one size to an MP4 file, as a context: leaving it finishes the file.

    Args:
        path: the file, encoded as H.264 where PyAV has it, as MPEG-4 otherwise.
        frame_rate: frames a second.
    """

    def __init__(self, path: Path, *, frame_rate: Fraction) -> None:
        av = _av()
        self._codec = "libx264" if "libx264" in av.codecs_available else "mpeg4"
        self._rate = frame_rate
        self._container = av.open(str(path), mode="w")
        self._stream: Any = None
        self._av, self._path = av, path

    def write(self, picture: Image.Image) -> None:
        """Appends a picture; the first one decides the size, others are fitted to it."""
        if self._stream is None:
            self._stream = self._container.add_stream(self._codec, rate=self._rate)
            # The chroma of yuv420p has half the resolution: an odd last row or column is cut off.
            self._stream.width, self._stream.height = picture.width // 2 * 2, picture.height // 2 * 2
            self._stream.pix_fmt = "yuv420p"
            if self._codec == "libx264":
                self._stream.options = {"crf": "20", "preset": "veryfast"}
        size = (self._stream.width, self._stream.height)
        if (picture.width // 2 * 2, picture.height // 2 * 2) == size:
            picture = picture.crop((0, 0, *size))
        else:
            picture = picture.resize(size, Image.Resampling.BICUBIC)
        with self._whole_or_gone():
            self._container.mux(self._stream.encode(self._av.VideoFrame.from_image(picture)))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Finishes the file, also after an error elsewhere: what was written so far can be played."""
        if isinstance(error, OutputError):
            return
        with self._whole_or_gone():
            if self._stream is not None:
                self._container.mux(self._stream.encode(None))
            self._container.close()

    @contextmanager
    def _whole_or_gone(self) -> Iterator[None]:
        """Names a file that cannot be written, such as on a full disk, and leaves no part of it."""
        try:
            yield
        except (self._av.error.FFmpegError, OSError) as error:
            full = full_disk(error, self._path)
            with suppress(self._av.error.FFmpegError, OSError):
                self._container.close()
            with suppress(OSError):
                self._path.unlink(missing_ok=True)
            cause = getattr(error, "strerror", None) or error
            raise OutputError(str(full or f"{self._path}: cannot be written ({cause})")) from error


def _av() -> ModuleType:
    """PyAV, or a sentence that says how to get it."""
    try:
        import av
    except ModuleNotFoundError as error:
        raise VisusError("videos need PyAV: pip install 'visus[video]'") from error
    module: ModuleType = av
    return module


CAMERAS: dict[str, tuple[str, str]] = {
    "linux": ("/dev/video{}", "v4l2"),
    "darwin": ("{}", "avfoundation"),
    "win32": ("video={}", "dshow"),
}
"""How each system names its cameras, and by which of FFmpeg's formats they are read."""


def _opened(source: str | Path) -> Any:
    av, text = _av(), str(source)
    try:
        if os.path.isfile(source):
            return av.open(text)
        if "://" in text:
            options = {"rtsp_transport": "tcp"} if text.startswith("rtsp") else {}
            return av.open(text, timeout=_PATIENCE, options=options)
        if (number := camera_of(text)) is not None:
            name, kind = CAMERAS.get(sys.platform, CAMERAS["linux"])
            return av.open(name.format(number), format=kind)
    except (av.error.FFmpegError, ValueError) as error:  # of a format that this PyAV lacks, ValueError
        cause = getattr(error, "strerror", None) or error
        raise VisusError(f"{source}: this is no video that can be read ({cause})") from error
    raise VisusError(f"{source}: no such video")


def _first_stream(container: Any, source: str | Path) -> Any:
    if not container.streams.video:
        raise VisusError(f"{source}: the file holds no video, only {[s.type for s in container.streams]}")
    return container.streams.video[0]
