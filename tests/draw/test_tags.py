from PIL import Image

from visus.draw.tags import Tag, place_tag, write_tags


def overlap(a, b):
    return max(min(a[2], b[2]) - max(a[0], b[0]), 0) * max(min(a[3], b[3]) - max(a[1], b[1]), 0)


def test_a_tag_sits_above_its_box():
    assert place_tag((20, 50, 80, 90), (40, 10), (200, 200), []) == (20, 40, 60, 50)


def test_a_tag_of_a_box_at_the_border_moves_inside_the_box():
    x1, y1, x2, y2 = place_tag((20, 0, 80, 90), (40, 10), (200, 200), [])
    assert (y1, y2) == (0, 10)
    assert (x1, x2) == (20, 60)


def test_tags_of_boxes_at_the_same_place_do_not_cover_each_other():
    placed = []
    for _ in range(6):
        placed.append(place_tag((60, 60, 140, 140), (50, 12), (200, 200), placed))
    assert all(overlap(a, b) == 0 for i, a in enumerate(placed) for b in placed[:i])


def test_a_tag_never_leaves_the_picture():
    for box in [(-20, -20, 5, 5), (190, 190, 230, 230), (0, 0, 200, 200)]:
        x1, y1, x2, y2 = place_tag(box, (60, 14), (200, 200), [(0, 0, 200, 14)])
        assert x1 >= 0
        assert y1 >= 0
        assert x2 <= 200
        assert y2 <= 200


def test_writing_changes_the_pixels_at_the_tag_only():
    picture = Image.new("RGB", (200, 100), (128, 128, 128))
    write_tags(picture, [Tag("cat", (50, 50, 90, 90), (200, 30, 30))], font_size=14)
    changed = picture.point(lambda v: 255 * (v != 128)).convert("L").getbbox()
    assert changed[0] >= 50
    assert changed[3] <= 51
