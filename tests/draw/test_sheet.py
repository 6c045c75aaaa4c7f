import pytest
from PIL import Image

from visus.draw.sheet import contact_sheet


def test_pictures_keep_their_order_and_shape():
    colours = [(255, 0, 0), (0, 255, 0), (0, 0, 255)]
    sheet = contact_sheet([Image.new("RGB", (80, 40), colour) for colour in colours], columns=2, cell=100)
    assert sheet.width == 2 * 100 + 3 * 8
    assert sheet.getpixel((8 + 50, 8 + 25)) == colours[0]
    assert sheet.getpixel((8 + 100 + 8 + 50, 8 + 25)) == colours[1]
    assert sheet.getpixel((8 + 50, 8 + 50 + 8 + 25)) == colours[2]


def test_captions_take_their_own_room():
    picture = Image.new("RGB", (80, 80))
    assert contact_sheet([picture], captions=["a"]).height > contact_sheet([picture]).height


def test_nothing_to_show_and_wrong_captions_are_refused():
    with pytest.raises(ValueError, match="at least one"):
        contact_sheet([])
    with pytest.raises(ValueError, match="2 captions for 1"):
        contact_sheet([Image.new("RGB", (8, 8))], captions=["a", "b"])


def test_a_caption_stays_below_its_own_picture():
    pictures = [Image.new("RGB", (80, 80), (255, 255, 255))] * 2
    long, short = (
        contact_sheet(pictures, captions=[caption, ""], cell=100, columns=2) for caption in ("an endless name " * 9, "")
    )
    right = (8 + 100 + 4, 0, long.width, long.height)
    assert long.crop(right).tobytes() == short.crop(right).tobytes()
    assert long.tobytes() != short.tobytes()
    assert contact_sheet(pictures[:1], captions=["two\nlines \udcff"]).size
