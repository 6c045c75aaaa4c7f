import numpy as np
import pytest
from PIL import Image

from visus.errors import VisusError
from visus.predict.items import Reading, items_of
from visus.predict.sources import list_images


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
