"""What people can do on the page besides looking: teach, correct, make; and that keys, eyes and fingers manage."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from chromium import NEEDS_BROWSER
from server.pages import look, opened
from server.tiny import GENERATOR, image_bytes

pytestmark = NEEDS_BROWSER

FAINT = """() => {
    const numbers = (colour) => colour.match(/[\\d.]+/g).map(Number);
    const linear = (one) => (one / 255 <= 0.04045 ? one / 255 / 12.92 : ((one / 255 + 0.055) / 1.055) ** 2.4);
    const light = ([r, g, b]) => 0.2126 * linear(r) + 0.7152 * linear(g) + 0.0722 * linear(b);
    const over = (top, share, below) => top.slice(0, 3).map((one, i) => share * one + (1 - share) * below[i]);
    const behind = (node) => {
        if (!node) return [255, 255, 255];
        const [r, g, b, a = 1] = numbers(getComputedStyle(node).backgroundColor);
        return a === 1 ? [r, g, b] : over([r, g, b], a, behind(node.parentElement));
    };
    const faint = [], walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    while (walker.nextNode()) {
        const node = walker.currentNode.parentElement;
        const unseen = !node.checkVisibility({ checkOpacity: false, checkVisibilityCSS: true });
        if (!walker.currentNode.data.trim() || unseen || node.closest("svg, :disabled, option, script")) continue;
        const style = getComputedStyle(node), back = behind(node);
        let share = 1;
        for (let one = node; one; one = one.parentElement) share *= Number(getComputedStyle(one).opacity);
        const [a, b] = [light(over(numbers(style.color), share, back)), light(back)].sort((x, y) => y - x);
        const ratio = (a + 0.05) / (b + 0.05), large = parseFloat(style.fontSize) >= 24;
        if (ratio < (large ? 3 : 4.5)) faint.push(`${ratio.toFixed(2)} ${walker.currentNode.data.trim().slice(0, 40)}`);
    }
    return faint;
}"""
"""The texts whose contrast is less than what WCAG 2.2 asks for at level AA."""

SMALL = """(least) => [...document.querySelectorAll("button, select, summary, .button, input[type=range]")]
    .filter((one) => one.checkVisibility()).map((one) => [one, one.getBoundingClientRect()])
    .filter(([, { width, height }]) => width < least || height < least)
    .map(([one, { width, height }]) => `${one.textContent.trim() || one.id} ${width} x ${height}`)"""


def sent(name: str, seed: int) -> Any:
    return {"name": f"{name}_{seed}.png", "mimeType": "image/png", "buffer": image_bytes(seed)}


def teach(page: Any) -> None:
    """Fills the form with two classes, and sends it."""
    page.click("#teach summary")
    for place, name in enumerate(("mug", "bowl")):
        row = page.locator(".lesson").nth(place)
        row.locator("input[type=text]").fill(name)
        row.locator("input[type=file]").set_input_files([sent(name, 10 * place + seed) for seed in range(2)])
    page.fill("#taught-name", "dishes")
    page.click("#teach-now")


def test_teaching_new_classes(page: Any) -> None:
    teach(page)
    page.wait_for_selector("#lesson:has-text('knows mug (2 images), bowl (2 images)')")
    assert page.input_value("#model").startswith("dishes")
    assert Path(page.inner_text("#lesson").split("kept in ")[1].rstrip("."), "weights.safetensors").is_file()
    page.set_input_files("#file", [sent("mug", 0)])
    page.wait_for_selector(".side .item:has-text('mug')")
    assert page.locator(".side .item").first.inner_text().startswith("mug")


def test_what_is_missing_to_teach_is_said(page: Any) -> None:
    page.click("#teach summary")
    for press, line in (("", "Name two classes or more."), ("mug", "Name two classes or more.")):
        page.locator(".lesson input[type=text]").first.fill(press)
        page.click("#teach-now")
        assert page.inner_text("#lesson.bad") == line
    page.locator(".lesson input[type=text]").nth(1).fill("mug")
    page.click("#teach-now")
    assert page.inner_text("#lesson.bad") == "mug has no image."
    for place in range(2):
        page.locator(".lesson input[type=file]").nth(place).set_input_files([sent("mug", place)])
    page.click("#teach-now")
    assert page.inner_text("#lesson.bad") == "Two classes are called mug."
    page.locator(".thumbs button").first.click()
    page.locator(".lesson .away").nth(1).click()
    assert (page.locator(".thumbs button").count(), page.locator(".lesson").count()) == (0, 1)
    page.click("#more-classes")
    assert page.evaluate("document.activeElement.ariaLabel") == "Name of class 2"


def test_images_that_were_made_can_be_taken_away(page: Any) -> None:
    page.select_option("#model", GENERATOR)
    page.fill("#phrase", "a red ball on top of a table")
    page.keyboard.press("Enter")
    page.wait_for_selector("#images figure:nth-child(4) img")
    facts = page.inner_text("#made-by")
    assert all(word in facts for word in (GENERATOR, "licence", "cpu", " ms"))
    assert " 0 ms" not in facts
    with page.expect_download() as download:
        page.click("#images figure:first-child a")
    assert download.value.suggested_filename == "a_red_ball_on_top_of_a_table_1.png"
    page.fill("#phrase", "")  # what is copied is what was made
    for button, word in (("curl", "phrase=a+red+ball"), ("Python", "painter.generate(")):
        page.click(f"#copy-phrase-{button.lower()}")
        page.wait_for_selector(f"#made:has-text('{button}'):has-text('copied')")
        assert word in page.evaluate("navigator.clipboard.readText()")


def test_a_descriptor_shows_its_neighbours_at_once(page: Any) -> None:
    look(page, "descriptor")
    page.wait_for_selector("#neighbours figure img")
    assert "A descriptor of" in page.inner_text(".side h2")


def test_an_image_that_fails_leaves_nothing_of_the_one_before(page: Any) -> None:
    look(page, "boxes")
    page.set_input_files("#file", [{"name": "bad.png", "mimeType": "image/png", "buffer": b"no image"}])
    page.wait_for_selector("#status.bad")
    assert page.locator("section.pane").count() == 0
    assert page.locator("#actions").is_hidden()
    page.set_input_files("#file", [{"name": "long.png", "mimeType": "image/png", "buffer": b"x" * 1_100_000}])
    assert "this server takes 1 MB" in page.inner_text("#status.bad")


def tab_to(page: Any, selector: str, most: int = 400) -> None:
    """Presses the tab key until an element has the focus, and sees each stop on the way marked."""
    for _ in range(most):
        page.keyboard.press("Tab")
        stop = page.evaluate(
            """(selector) => {
                const one = document.activeElement;
                const ring = one.closest(".button") ?? one;
                return [one.matches(selector), getComputedStyle(ring).outlineStyle, one.outerHTML.slice(0, 80)];
            }""",
            selector,
        )
        assert stop[1] != "none", f"no ring around {stop[2]}"
        if stop[0]:
            return
    raise AssertionError(f"no way by keys to {selector}")


def test_correcting_with_the_keys_alone(page: Any) -> None:
    page.wait_for_selector("#examples button:nth-child(6)")
    tab_to(page, "#examples button")
    page.keyboard.press("Enter")
    page.wait_for_selector(".side .item")
    tab_to(page, "#threshold")
    for _ in range(100):  # fewer boxes are fewer stops on the way
        if page.locator(".side .item").count() <= 8:
            break
        page.keyboard.press("ArrowRight")
    if not page.locator(".side .item").count():
        page.keyboard.press("ArrowLeft")
    tab_to(page, ".chip")
    tab_to(page, "#correct")
    page.keyboard.press("Enter")
    for _ in range(100):
        page.keyboard.press("Shift+Tab")
        if page.evaluate("document.activeElement.matches('.side .item')"):
            break
    index = page.evaluate("document.activeElement.dataset.index")
    page.keyboard.press("Enter")
    box = f".frame svg g[data-index='{index}'] rect"
    assert page.evaluate("document.activeElement.dataset.index") == index  # in a list that is a new one
    x = float(page.get_attribute(box, "x"))
    page.keyboard.press("ArrowLeft" if x > 10 else "ArrowRight")
    moved = float(page.get_attribute(box, "x"))
    assert moved != x
    page.keyboard.press("Control+z")
    assert float(page.get_attribute(box, "x")) == x
    count = page.locator(".side .item").count()
    page.keyboard.press("Delete")
    assert page.locator(".side .item").count() == count - 1
    page.keyboard.press("Escape")
    assert page.evaluate("document.activeElement.id") == "correct"
    assert page.locator(".side .item").count() == count
    page.keyboard.press("Enter")
    assert page.locator(".side .item").count() == count - 1  # what was corrected is still there


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_texts_have_contrast(browser: Any, address: str, scheme: str) -> None:
    with opened(browser, address, color_scheme=scheme) as page:
        for name in ("boxes", "pixels", "graphs"):
            look(page, name)
            page.locator(".chip").first.click()
            assert page.evaluate(FAINT) == []
        page.click("#correct")
        page.click("#teach summary")
        page.click("#teach-now")
        assert page.evaluate(FAINT) == []
        page.set_input_files("#file", [{"name": "bad.png", "mimeType": "image/png", "buffer": b"no image"}])
        page.wait_for_selector("#status.bad")
        assert page.evaluate(FAINT) == []
        for path in ("/browse", "/docs"):
            page.goto(address + path)
            page.wait_for_selector(".tile, .request")
            assert page.evaluate(FAINT) == []


def test_fingers_find_what_they_press_and_nothing_scrolls_sideways(browser: Any, address: str) -> None:
    phone = {"viewport": {"width": 420, "height": 860}, "has_touch": True, "is_mobile": True}
    with opened(browser, address, **phone) as page:
        for name in ("boxes", "shapes", "graphs"):
            look(page, name)
            assert page.evaluate(SMALL, 30) == []
            assert page.evaluate("document.documentElement.scrollWidth <= 420")
            assert page.evaluate("document.querySelector('.side').clientHeight < innerHeight"), "what is below is near"
        page.click("#correct")
        page.click("#teach summary")
        assert page.evaluate(SMALL, 30) == []
        assert page.evaluate("document.documentElement.scrollWidth <= 420")
        page.goto(f"{address}/browse")
        page.wait_for_selector(".tile")
        for view in ("images", "classes", "labels"):
            page.click(f"#view-{view}")
            assert page.evaluate(SMALL, 30) == []
            assert page.evaluate("document.documentElement.scrollWidth <= 420")


@pytest.mark.parametrize(("motion", "moves"), [("reduce", False), ("no-preference", True)])
def test_nothing_moves_for_those_who_want_none(browser: Any, address: str, motion: str, moves: bool) -> None:
    with opened(browser, address, reduced_motion=motion) as page:
        look(page, "boxes")
        page.evaluate("document.getElementById('panes').classList.add('busy')")
        assert page.evaluate("document.getAnimations().length > 0") == moves


def test_the_page_opens_in_a_second(browser: Any, address: str) -> None:
    """Few requests and little to send; and where the machine has nothing else to do, the time itself."""
    times = []
    for _ in range(3):
        with opened(browser, address) as page:
            times.append(page.evaluate("performance.getEntriesByType('navigation')[0].loadEventEnd"))
            files = page.evaluate(
                "performance.getEntriesByType('resource').filter(({ name }) => name.includes('/page/'))"
                ".map(({ decodedBodySize }) => decodedBodySize)"
            )
    assert 5 < len(files) <= 12
    assert 20_000 < sum(files) < 120_000
    if os.getloadavg()[0] < (os.cpu_count() or 1):
        assert min(times) < 1000


def test_marking_a_label_and_turning_pages_while_images_arrive(page: Any, address: str) -> None:
    page.goto(f"{address}/browse")
    page.wait_for_selector(".tile:nth-child(6)")
    page.focus("#threshold")
    page.keyboard.press("Home")
    page.focus(".tile:nth-child(2)")
    key = page.get_attribute(".tile:nth-child(2)", "data-key")
    page.evaluate("draw()")  # as when more images were looked at
    assert page.evaluate("document.activeElement.dataset.key") == key
    page.keyboard.press("Enter")
    page.wait_for_selector("#large[open] .seen")
    page.evaluate("view.order.reverse()")  # another order, as when a worse image came
    assert page.evaluate("openPlace()") == page.locator(".tile").count() - 2
    page.keyboard.press("Escape")
    page.focus("#most")
    page.keyboard.press("Home")
    assert " 0 right" in page.inner_text("#totals").replace(":", ": ")
    page.select_option("#size", "large")
    page.click("#view-labels")
    assert page.locator(".suspect, .nothing").count() > 0
