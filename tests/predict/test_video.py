import sys
from fractions import Fraction
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import pytest
from PIL import Image

from visus.errors import VisusError
from visus.predict import video
from visus.predict.items import Reading, items_of
from visus.predict.sources import is_video
from visus.predict.video import VideoWriter, read_frames, video_info

pytest.importorskip("av")


@pytest.fixture
def clip(tmp_path):
    """Ten frames of 64 x 48, each brighter than the one before."""
    with VideoWriter(tmp_path / "clip.mp4", frame_rate=Fraction(10)) as video:
        for value in range(10):
            video.write(Image.new("RGB", (64, 48), (20 * value,) * 3))
    return tmp_path / "clip.mp4"


def test_what_was_written_is_read(clip):
    frames = list(read_frames(clip))
    assert video_info(clip).frames == 10
    assert video_info(clip).frame_rate == 10
    assert [frame.index for frame in frames] == list(range(10))
    assert [frame.seconds for frame in frames] == pytest.approx([i / 10 for i in range(10)])
    assert all(frame.image.shape == (3, 48, 64) for frame in frames)
    assert all(abs(frame.image.float().mean() - 20 * i) < 6 for i, frame in enumerate(frames))


def test_every_third_frame(clip):
    assert is_video(clip)
    assert [item.name for item in items_of(clip, Reading(every=3))] == [f"frame_00000{i}" for i in (0, 3, 6, 9)]
    with pytest.raises(VisusError, match="n >= 1"):
        list(read_frames(clip, every=0))


def test_odd_sizes_lose_a_row_and_other_sizes_are_fitted(tmp_path):
    with VideoWriter(tmp_path / "odd.mp4", frame_rate=Fraction(5)) as video:
        video.write(Image.new("RGB", (65, 49)))
        video.write(Image.new("RGB", (130, 98)))
    assert [frame.image.shape for frame in read_frames(tmp_path / "odd.mp4")] == [(3, 48, 64)] * 2


def test_a_turned_video_is_read_upright(tmp_path):
    """Phones store landscape frames and a rotation mark."""
    import av

    path = tmp_path / "turned.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264" if "libx264" in av.codecs_available else "mpeg4", rate=5)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        picture = Image.new("RGB", (64, 48))
        picture.paste((255, 255, 255), (0, 0, 32, 48))
        frame = av.VideoFrame.from_image(picture)
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    data = path.read_bytes()
    # The 3 x 3 matrix of the track header, 16.16 fixed point: the identity becomes a quarter turn.
    one, zero, minus, last = "00010000", "00000000", "ffff0000", "40000000"
    upright = bytes.fromhex(one + zero * 3 + one + zero * 3 + last)
    turned = bytes.fromhex(zero + one + zero + minus + zero * 4 + last)
    track = data.index(b"tkhd")
    at = data.index(upright, track)
    path.write_bytes(data[:at] + turned + data[at + 36 :])
    (read,) = read_frames(path)
    assert read.image.shape == (3, 64, 48)
    top, bottom = read.image[:, :24].float().mean(), read.image[:, -24:].float().mean()
    assert top > 200  # a quarter turn clockwise brings the white left half to the top
    assert bottom < 60


def test_files_that_are_no_video(tmp_path):
    (tmp_path / "text.mp4").write_text("no video at all")
    with pytest.raises(VisusError, match=r"text\.mp4.*no video"):
        list(read_frames(tmp_path / "text.mp4"))
    with pytest.raises(VisusError, match="no such video"):
        list(read_frames(tmp_path / "missing.mp4"))


def test_a_missing_extra_is_named(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "av", None)
    with pytest.raises(VisusError, match=r"pip install 'visus\[video\]'"):
        list(read_frames(tmp_path / "clip.mp4"))


def test_a_camera(monkeypatch):
    """FFmpeg's test picture stands for one."""
    monkeypatch.setattr(video, "CAMERAS", dict.fromkeys(video.CAMERAS, ("testsrc=size=64x48:rate=10:d=0.5", "lavfi")))
    for word in ("webcam", "webcam:1", "0"):
        assert [tuple(frame.image.shape) for frame in read_frames(word)] == [(3, 48, 64)] * 5
        assert [item.name for item in items_of(word, Reading(every=4))] == ["frame_000000", "frame_000004"]
    monkeypatch.setattr(video, "CAMERAS", dict.fromkeys(video.CAMERAS, ("/dev/no_camera{}", "v4l2")))
    with pytest.raises(VisusError, match=r"webcam: this is no video that can be read"):
        list(read_frames("webcam"))


def test_a_video_on_the_web(clip, monkeypatch):
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    handler = partial(SimpleHTTPRequestHandler, directory=clip.parent)
    monkeypatch.setattr(SimpleHTTPRequestHandler, "log_message", lambda *_: None)
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        address = f"http://127.0.0.1:{server.server_port}/clip.mp4"
        assert len(list(read_frames(address))) == 10
        with pytest.raises(VisusError, match=r"missing\.mp4: this is no video"):
            list(read_frames(address.replace("clip", "missing")))
        server.shutdown()


def test_a_stream_that_nobody_sends():
    with pytest.raises(VisusError, match=r"rtsp://127\.0\.0\.1:9/live: this is no video that can be read \(Connection"):
        list(read_frames("rtsp://127.0.0.1:9/live"))
