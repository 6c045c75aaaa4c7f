"""Frames of a video as pictures, and pictures as a video, through PyAV (the optional extra ``video``)."""

from __future__ import annotations

from collections.abc import Iterator
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


def video_info(path: Path) -> VideoInfo:
    """Reads the head of a video file.

    Raises:
        VisusError: PyAV is missing, or the file is no video.
    """
    with _opened(path) as container:
        stream = _first_stream(container, path)
        rate = Fraction(stream.average_rate or 25)
        frames = stream.frames
        if not frames and container.duration:
            frames = round(container.duration / 1_000_000 * rate)  # PyAV counts a container's duration in microseconds
        return VideoInfo(rate, frames)


def read_frames(path: Path, *, every: int = 1) -> Iterator[Frame]:
    """Decodes a video frame by frame, upright as its rotation mark says.

    Args:
        path: the video.
        every: yield every n-th frame only.

    Raises:
        VisusError: PyAV is missing, the file is no video, or it breaks off (after its readable frames).
    """
    if every < 1:
        raise VisusError(f"every n-th frame needs n >= 1, not {every}")
    av = _av()
    with _opened(path) as container:
        stream = _first_stream(container, path)
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
            raise VisusError(f"{path}: the video cannot be decoded after frame {index} ({error.strerror})") from error
        if index < 0:
            raise VisusError(f"{path}: the video holds no frame")


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
        self._av = av

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
        self._container.mux(self._stream.encode(self._av.VideoFrame.from_image(picture)))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Finishes the file, also after an error: what was written so far can be played."""
        if self._stream is not None:
            self._container.mux(self._stream.encode(None))
        self._container.close()


def _av() -> ModuleType:
    """PyAV, or a sentence that says how to get it."""
    try:
        import av
    except ModuleNotFoundError as error:
        raise VisusError("videos need PyAV: pip install 'visus[video]'") from error
    module: ModuleType = av
    return module


def _opened(path: Path) -> Any:
    av = _av()
    if not path.is_file():
        raise VisusError(f"{path}: no such video")
    try:
        return av.open(str(path))
    except av.error.FFmpegError as error:
        raise VisusError(f"{path}: this is no video that can be read ({error.strerror})") from error


def _first_stream(container: Any, path: Path) -> Any:
    if not container.streams.video:
        raise VisusError(f"{path}: the file holds no video, only {[s.type for s in container.streams]}")
    return container.streams.video[0]
