import numpy as np
import pytest
from PIL import Image

from visus.errors import VisusError
from visus.predict.items import Reading, items_of
from visus.predict.sources import find_source, find_sources, list_images


@pytest.fixture
def folder(tmp_path):
    """Three good images (one in a sub-folder), one broken, one hidden, one text."""
    for name, value in (("b.png", 20), ("a.JPG", 10), ("deep/c.png", 30), (".thumbs/d.png", 40)):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        Image.fromarray(np.full((6, 8, 3), value, np.uint8)).save(path)
    (tmp_path / "broken.jpg").write_bytes(b"\xff\xd8\xff\xe0 no image")
    (tmp_path / "notes.md").write_text("not an image")
    return tmp_path


def names(source):
    """The names of the images that can be read."""
    found = []
    for item in items_of(source, Reading()):
        item.read()
        found.append(item.name)
    return found


def test_a_folder_is_read_in_order_with_its_sub_folders(folder):
    assert [item.name for item in items_of(folder, Reading())] == ["a.JPG", "b.png", "broken.jpg", "deep/c.png"]


def test_a_broken_image_raises_where_nobody_listens(folder):
    with pytest.raises(ValueError, match=r"broken\.jpg"):
        names(folder)


def test_pixels_are_rgb_channels_first(folder):
    (item,) = items_of(str(folder / "b.png"), Reading())
    image = item.read()
    assert (item.name, item.path) == ("b.png", str(folder / "b.png"))
    assert image.shape == (3, 6, 8)
    assert int(image[0, 0, 0]) == 20


def test_a_glob(folder):
    assert names(str(folder / "**" / "*.png")) == ["b.png", "deep/c.png"]
    with pytest.raises(VisusError, match="matches no image"):
        names(str(folder / "*.bmp"))


def test_a_list_keeps_its_order_and_knows_comments(folder, monkeypatch):
    listing = folder / "lists" / "some.txt"
    listing.parent.mkdir()
    listing.write_text("# two\n../deep/c.png\n\nb.png\n../deep/c.png\n")
    monkeypatch.chdir(folder)  # b.png is not beside the list but in the working directory
    assert names(listing) == ["deep/c.png", "b.png"]


def test_an_image_of_a_list_that_does_not_exist_is_named(folder):
    (folder / "list.txt").write_text("b.png\nmissing.png\n")
    with pytest.raises(ValueError, match=r"missing\.png: no such file"):
        names(folder / "list.txt")


def test_files_of_equal_name_stay_apart(folder):
    (folder / "deep" / "b.png").write_bytes((folder / "b.png").read_bytes())
    assert [f.name for f in list_images(str(folder / "**" / "b.png"))] == ["b.png", "deep/b.png"]


@pytest.mark.parametrize("content", ["", "# nothing\n"])
def test_empty_sources_say_so(tmp_path, content):
    (tmp_path / "list.txt").write_text(content)
    with pytest.raises(VisusError, match="names no image"):
        list_images(tmp_path / "list.txt")
    (tmp_path / "empty").mkdir()
    with pytest.raises(VisusError, match=r"empty: no image.*jpg"):
        list_images(tmp_path / "empty")
    with pytest.raises(VisusError, match="no such file or folder"):
        list_images(tmp_path / "nowhere.jpg")


def test_several_words_count_every_image_once(folder, monkeypatch):
    monkeypatch.chdir(folder)
    words = ["b.png", "*.png", str(folder / "b.png"), "deep", "./deep/c.png"]
    found = find_sources(words)
    assert [image.name for source in found for image in source.images] == ["b.png", "c.png"]


def test_names_that_several_words_share_are_told_apart(folder, monkeypatch):
    monkeypatch.chdir(folder)
    (folder / "deep" / "b.png").write_bytes((folder / "b.png").read_bytes())
    found = find_sources(["b.png", "deep/b.png", "http://a.org/b.png", "http://b.org/b.png"])
    assert [image.name for source in found for image in source.images] == ["b.png", "deep/b.png", "b-2.png", "b-3.png"]


def test_the_home_folder(folder, monkeypatch):
    monkeypatch.setenv("HOME", str(folder))
    monkeypatch.chdir(folder / "deep")
    for word, name in (("~/b.png", "b.png"), ("~/deep", "c.png"), ("~/d*/*.png", "c.png")):
        assert [image.name for image in find_source(word).images] == [name]
    (folder / "list.txt").write_text("~/b.png\n")
    assert names("~/list.txt") == ["b.png"]


def test_names_with_brackets_are_names_before_they_are_patterns(folder):
    (folder / "my[v2]").mkdir()
    (folder / "my[v2]" / "a[1].png").write_bytes((folder / "b.png").read_bytes())
    assert names(folder / "my[v2]") == names(folder / "my[v2]" / "a[1].png") == ["a[1].png"]


@pytest.mark.parametrize(
    ("word", "video", "image"),
    [
        ("rtsp://camera.local/live", "rtsp://camera.local/live", None),
        ("https://a.org/clip.mp4?x=1", "https://a.org/clip.mp4?x=1", None),
        ("webcam", "webcam", None),
        ("webcam:1", "webcam:1", None),
        ("0", "0", None),
        ("https://a.org/b.png?x=1", "", "b.png"),
        ("https://a.org/", "", "image.jpg"),
        ("https://a.org/photo?id=7", "", "photo.jpg"),
        ("-", "", "stdin"),
    ],
)
def test_addresses_cameras_and_standard_input(word, video, image):
    source = find_source(word)
    assert source.video == video
    assert [found.name for found in source.images] == ([image] if image else [])
    assert "/" not in source.stem
    assert source.stem


def test_a_file_that_has_the_name_of_a_camera(folder, monkeypatch):
    monkeypatch.chdir(folder)
    (folder / "0").mkdir()
    (folder / "0" / "a.png").write_bytes((folder / "b.png").read_bytes())
    assert [image.name for image in find_source("0").images] == ["a.png"]


@pytest.mark.parametrize(
    ("word", "said"),
    [
        ("", "the name of a source is empty"),
        ("nowhere.mp4", "nowhere.mp4: no such video"),
        ("file:///a.png", "only http, https, rtsp and rtmp addresses are read"),
        ("a.jpeg", r"did you mean a\.JPG\?"),
    ],
)
def test_words_that_mean_nothing(folder, monkeypatch, word, said):
    monkeypatch.chdir(folder)
    with pytest.raises(VisusError, match=said):
        find_source(word)
