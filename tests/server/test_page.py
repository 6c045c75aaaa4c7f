"""The pages in a real headless Chromium: each kind of system, clicked through with mouse and keys."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from chromium import NEEDS_BROWSER
from server.pages import listening, look
from server.tiny import GENERATOR, RECIPE_OF, image_bytes, make_run

pytestmark = NEEDS_BROWSER


@pytest.mark.parametrize("name", RECIPE_OF)
def test_each_kind_of_system_is_shown(page: Any, name: str) -> None:
    look(page, name)
    facts = page.inner_text("figcaption")
    assert all(word in facts for word in (name, "licence", "cpu", " ms"))
    shape = name in ("shapes", "parts")
    assert page.locator("canvas.turn").count() == int(shape)
    if shape:
        before = page.locator("canvas.turn").screenshot()
        page.focus("canvas.turn")
        page.keyboard.press("ArrowLeft")
        page.wait_for_timeout(200)
        assert page.locator("canvas.turn").screenshot() != before
    if name in ("boxes", "outlines", "graphs"):
        assert page.locator(".frame svg g[data-index]").count() == page.locator(".side .item").count() > 0
    if name == "graphs":
        assert page.locator(".graph svg g[data-index]").count() > 0
    if name == "pixels":
        assert page.locator("#filter .chip").count() > 0
    if name in ("things", "shapes"):
        assert page.locator(".side .bar").count() > 1


def test_slider_and_filter_ask_for_nothing(page: Any) -> None:
    look(page, "boxes")
    before = page.locator(".side .item").count()
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url) if "/api/predict" in request.url else None)
    page.locator("#filter .chip").first.click()
    assert page.locator("#filter .chip[aria-pressed='false']").count() == 1
    assert page.locator(".side .item").count() < before
    page.locator("#filter .chip[aria-pressed='false']").click()
    assert page.locator(".side .item").count() == before
    page.focus("#threshold")
    page.keyboard.press("End")
    assert page.locator(".side .item").count() == 0
    assert "move the slider" in page.inner_text(".side")
    page.keyboard.press("Home")
    assert page.locator(".side .item").count() >= before
    assert asked == []


def test_hovering_links_the_list_and_the_outline(page: Any) -> None:
    look(page, "outlines")
    page.locator(".side .item").first.hover()
    index = page.locator(".side .item").first.get_attribute("data-index")
    assert float(page.locator(f".frame svg g[data-index='{index}'] rect").first.get_attribute("stroke-width")) > 0
    faded = page.locator(".frame svg g[opacity='0.25']").count()
    assert faded == page.locator(".frame svg g[data-index]").count() - 1
    assert page.locator(".side .item.on").count() == 1


def test_what_is_copied(page: Any) -> None:
    look(page, "outlines")

    def copied(button: str) -> str:
        page.click(button)
        page.wait_for_selector("#status:has-text('copied')")
        text: str = page.evaluate("navigator.clipboard.readText()")
        page.focus("#words") if page.locator("#words").is_visible() else None
        return text

    records = json.loads(copied("#copy-json"))
    assert records
    assert {"image_id", "category_id", "bbox", "score", "segmentation"} <= records[0].keys()
    assert "/api/predict?model=outlines" in copied("#copy-curl")
    assert "visus.load(" in copied("#copy-python")
    page.click("#copy-png")
    page.wait_for_selector("#status:has-text('drawing was')")


def test_a_correction_is_saved_beside_the_model(page: Any, address: str) -> None:
    look(page, "boxes")
    page.click("#correct")
    page.locator(".side .item").first.click()
    page.select_option(".tools select", "cat")
    frame = page.locator(".frame")
    frame.scroll_into_view_if_needed()
    page.locator(".side .item").first.click()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Shift+ArrowDown")
    count = page.locator(".side .item").count()
    page.click("text=Add a box")
    assert page.locator(".side .item").count() == count + 1
    page.keyboard.press("Delete")
    page.click("text=Save as COCO")
    page.wait_for_selector("#status:has-text('Saved:')")
    place = Path(page.inner_text("#status").split("Saved: ")[1].split(" has ")[0])
    content = json.loads(place.read_text())
    assert len(content["images"]) == 1
    names = {one["id"]: one["name"] for one in content["categories"]}
    assert "cat" in [names[one["category_id"]] for one in content["annotations"]]


def test_two_models_on_one_image(page: Any) -> None:
    page.select_option("#model", "boxes")
    page.select_option("#other", "outlines")
    page.wait_for_selector("#examples button")
    page.click("#examples button:first-child")
    page.wait_for_selector("section.pane[aria-label='outlines'] .side h2")
    assert page.locator("section.pane").count() == 2
    assert page.locator("#other option[value='shapes']").is_disabled()


def test_drop_paste_choose_and_camera(page: Any, tmp_path: Path) -> None:
    file = tmp_path / "mine.png"
    file.write_bytes(image_bytes(5))
    page.set_input_files("#file", str(file))
    page.wait_for_selector(".side h2")
    encoded = list(image_bytes(6))
    for event, field in (("paste", "clipboardData"), ("drop", "dataTransfer")):
        page.evaluate("document.getElementById('panes').replaceChildren()")
        page.evaluate(
            """([bytes, event, field]) => {
                const data = new DataTransfer();
                data.items.add(new File([new Uint8Array(bytes)], `${event}.png`, { type: "image/png" }));
                const made = event === "paste" ? new ClipboardEvent("paste", { clipboardData: data, bubbles: true })
                    : new DragEvent("drop", { dataTransfer: data, bubbles: true, cancelable: true });
                document.body.dispatchEvent(made);
            }""",
            [encoded, event, field],
        )
        page.wait_for_selector(".side h2")
    page.evaluate("document.getElementById('panes').replaceChildren()")
    page.click("#camera")
    page.wait_for_selector("#webcam video")
    page.wait_for_timeout(800)
    page.click("#shoot")
    page.wait_for_selector(".side h2")
    assert page.locator("#webcam").is_hidden()


def test_neighbours_and_questions(page: Any) -> None:
    look(page, "graphs")
    page.click("#alike")
    page.wait_for_selector("#neighbours figure")
    assert page.locator("#neighbours img").count() == 3
    page.fill("#words", "how many dogs are there?")
    page.click("text=Ask >> nth=-1")
    page.wait_for_selector("#said:not(:empty)")
    page.fill("#words", "how many unicorns are there?")
    page.keyboard.press("Enter")
    page.wait_for_selector("#said.bad")


def test_images_are_made_of_a_phrase(page: Any) -> None:
    page.select_option("#model", GENERATOR)
    assert page.locator("#sources").is_hidden()
    page.fill("#phrase", "a red ball on top of a table")
    page.keyboard.press("Enter")
    page.wait_for_selector("#images figure:nth-child(4) img")
    page.fill("#phrase", "a unicorn")
    page.keyboard.press("Enter")
    page.wait_for_selector("#made.bad")


def test_a_bad_file_is_one_line(page: Any, tmp_path: Path) -> None:
    (tmp_path / "bad.png").write_bytes(b"no image")
    page.set_input_files("#file", str(tmp_path / "bad.png"))
    page.wait_for_selector("#status.bad")
    assert "not an image" in page.inner_text("#status")


def test_every_control_has_a_name_and_the_phone_needs_no_sideways_scrolling(page: Any) -> None:
    look(page, "graphs")
    nameless = page.evaluate(
        """() => [...document.querySelectorAll("button, select, input, a, img")].filter((one) =>
            !(one.textContent.trim() || one.ariaLabel || one.title || one.labels?.length
                || one.tagName === "IMG" && one.hasAttribute("alt")))
            .map((one) => one.outerHTML)"""
    )
    assert nameless == []
    page.set_viewport_size({"width": 420, "height": 860})
    page.wait_for_timeout(200)
    assert page.evaluate("document.documentElement.scrollWidth <= 420")


def test_browsing_a_run(page: Any, address: str) -> None:
    page.goto(f"{address}/browse")
    page.wait_for_selector(".tile:nth-child(6)")
    page.focus("#threshold")
    page.keyboard.press("Home")
    page.select_option("#kind", "missed")
    assert " 0 right" in page.inner_text("#totals").replace(":", ": ")
    page.select_option("#kind", "")
    page.select_option("#sort", "index")
    page.locator(".tile").first.click()
    first = page.inner_text("#name")
    page.keyboard.press("ArrowRight")
    assert page.inner_text("#name") != first
    page.keyboard.press("Escape")
    page.click("#view-labels")
    page.focus("#threshold")
    page.keyboard.press("Home")
    page.locator(".suspect .open").first.click()
    assert page.locator("#large[open] .seen").is_visible()
    page.keyboard.press("Escape")
    page.locator(".suspect button[aria-pressed]").first.click()
    assert page.inner_text("#marked") == "1 marked"
    page.click("#save")
    page.wait_for_selector("#status:has-text('Saved:')")


def test_browsing_by_class_by_overlap_and_by_keys(page: Any, address: str) -> None:
    page.goto(f"{address}/browse")
    page.wait_for_selector(".tile:nth-child(6)")
    page.focus("#threshold")
    page.keyboard.press("Home")
    rights = "view.images.flatMap(judged).filter(({ state }) => state === 'right').length"
    before = page.evaluate(rights)
    page.focus("#iou")
    with page.expect_request("**/api/browse?since=0&iou=0.95"):
        page.keyboard.press("End")
    page.wait_for_function("() => view.iou === 0.95 && view.images.length === 6")
    assert page.evaluate(rights) <= before
    page.click("#view-classes")
    assert "an IoU from 0.95" in page.inner_text("#totals")
    missed = page.locator("#classes tbody td:nth-child(5)").all_inner_texts()
    page.click("#classes th button:has-text('Missed')")
    ordered = page.locator("#classes tbody td:nth-child(5)").all_inner_texts()
    assert ordered == sorted(missed, key=int, reverse=True)
    assert page.get_attribute("#classes th:nth-child(5)", "aria-sort") == "descending"
    name = page.inner_text("#classes tbody tr:first-child .link")
    page.locator("#classes tbody .link").first.click()
    assert page.input_value("#class") == name
    assert page.get_attribute("#view-images", "aria-pressed") == "true"
    page.select_option("#class", "")
    page.select_option("#sort", "random")
    order = "[...document.querySelectorAll('.tile')].map(({ dataset }) => dataset.key)"
    shown = page.evaluate(order)
    page.evaluate("draw()")
    assert page.evaluate(order) == shown, "the same until it is asked for again"
    page.focus(".tile:first-child")
    page.keyboard.press("ArrowRight")
    assert page.evaluate("document.activeElement.dataset.key") == shown[1]
    page.keyboard.press("Enter")
    wide = page.locator("#large .seen").bounding_box()["width"]
    page.keyboard.press("+")
    assert page.locator("#large .seen").bounding_box()["width"] == pytest.approx(1.25 * wide, abs=2)
    page.keyboard.press("-")
    assert page.locator("#large .seen").bounding_box()["width"] == pytest.approx(wide, abs=2)
    page.keyboard.press("Escape")
    boxes = page.locator(".tile rect").count()
    page.click("#key button:has-text('missed')")
    assert page.locator(".tile rect").count() < boxes


def test_a_token_is_asked_for_and_kept(browser: Any, tmp_path: Path) -> None:
    from visus.server.loaded import Models
    from visus.server.settings import Settings
    from visus.server.state import State

    state = State(Settings(token="sésame"), Models([str(make_run(tmp_path, "boxes"))], device="cpu", max_pixels=10**7))
    with listening(state) as address:
        context = browser.new_context()
        opened = context.new_page()
        opened.goto(address)
        opened.wait_for_selector("#token-dialog[open]")
        opened.fill("#token", "sésame")
        opened.keyboard.press("Enter")
        opened.wait_for_selector("#model option", state="attached")
        opened.wait_for_selector("#examples img")
        context.close()
