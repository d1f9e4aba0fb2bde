"""The room VQGAN+CLIP as a visitor uses it."""

import re
import time

import numpy as np
import pytest
from PIL import Image

from common.video import VideoWriter
from tests.browser.conftest import PHONE

pytestmark = pytest.mark.browser


@pytest.fixture
def enter(visit):
    """`enter(size, dark)`: someone who opened the room."""

    def arrive(*about, **more):
        me = visit(*about, **more)
        me.page.get_by_role("tab", name="VQGAN+CLIP").click()
        prompts(me).wait_for()
        return me

    return arrive


def prompts(me):
    return me.page.get_by_label("Prompts", exact=True)


def paint(me, words: str | None = None, **numbers: int) -> None:
    """Set sliders by their labels, then press the button."""
    for label, value in numbers.items():
        me.page.get_by_label(f"number input for {label}").locator("visible=true").fill(str(value))
    if words is not None:
        prompts(me).fill(words)
    me.page.get_by_role("button", name="Paint", exact=True).click()


def shown(me, selector: str):
    return me.page.locator(selector).locator("visible=true")


def choose(me, mode: str) -> None:
    me.page.get_by_role("radio", name=mode).click()


def download(me, name: str, path):
    with me.page.expect_download() as got:
        me.page.get_by_role("button", name=name).locator("visible=true").click()
    got.value.save_as(path)
    return path


def test_a_prompt_gives_ranked_pictures_their_film_and_checkpoints(enter, tmp_path):
    me = enter()
    shown(me, ".block.atelier-forecast").get_by_text("film of").wait_for()
    me.shoot("vqgan-empty")
    paint(me, "red:2 | blue:-0.5", Steps=10, Canvases=3)
    me.wait_for_pictures(3)
    captions = me.page.locator(".atelier-wall .caption-label").locator("visible=true").all_inner_texts()
    scores = [float(re.split(r"\s+·\s+", text)[1]) for text in captions]
    assert scores == sorted(scores, reverse=True)
    me.page.wait_for_function("() => [...document.querySelectorAll('video')].some(v => v.offsetParent && v.videoWidth)")
    assert shown(me, ".losses polyline").count() >= 2
    assert download(me, "Download the checkpoint", tmp_path / "a.safetensors").stat().st_size > 1000
    assert download(me, "Download the film", tmp_path / "a.mp4").stat().st_size > 1000
    shown(me, ".block.atelier-forecast").get_by_text("memory about").wait_for()
    me.shoot("vqgan-result")


def test_pause_steer_resume_and_stop(enter):
    me = enter()
    paint(me, "red", Steps=2000)
    shown(me, ".losses").wait_for()
    me.page.get_by_role("button", name="Pause").click()
    me.page.get_by_text(re.compile(r"Paused · Step")).wait_for()
    at = shown(me, ".progress .words span").first.inner_text()
    me.shoot("vqgan-paused")
    me.page.get_by_label("Prompts from here on").fill("blue")
    shown(me, ".atelier-steering").get_by_label("Learning rate").fill("0.05")
    me.page.get_by_role("button", name="Apply").click()
    me.page.get_by_text("Taken: it is done before the next step").wait_for()
    shown(me, ".changes").wait_for()
    assert shown(me, ".progress .words span").first.inner_text() == at
    me.page.get_by_role("button", name="Apply").click()
    me.page.get_by_text("Nothing is changed here yet").wait_for()
    me.page.get_by_role("button", name="Resume").click()
    shown(me, ".losses").get_by_text("blue").wait_for()
    me.page.keyboard.press("Escape")
    me.wait_for_pictures(1)
    me.page.get_by_text("Stopped early").wait_for()
    assert "learning rate 0.05" in shown(me, ".changes").inner_text()


def test_a_picture_and_a_film_bring_their_settings_back(enter, tmp_path):
    me = enter()
    me.page.get_by_label("Seed", exact=True).locator("visible=true").fill("77")
    paint(me, "yellow | white:0.5", Steps=7)
    me.wait_for_pictures(1)
    for number, button in enumerate(("Download the best", "Download the film")):
        path = download(me, button, tmp_path / ("a.png", "a.mp4")[number])
        other = enter()
        other.page.locator(".atelier-drop-any input[type=file]").first.set_input_files(path)
        other.page.get_by_text("All settings are restored").wait_for()
        assert prompts(other).input_value() == "yellow | white:0.5"
        assert other.page.get_by_label("number input for Steps").locator("visible=true").input_value() == "7"
        assert other.page.get_by_label("Seed", exact=True).locator("visible=true").input_value() == "77"


def test_a_run_goes_on_from_its_checkpoint(enter):
    me = enter()
    paint(me, "red", Steps=6)
    me.wait_for_pictures(1)
    me.page.get_by_role("button", name="Continue from here").click()
    steps = me.page.get_by_label("number input for Steps").locator("visible=true")
    me.page.wait_for_function("box => box.value === '9'", arg=steps.element_handle())
    paint(me, "blue")
    me.page.get_by_text("after 9 steps").wait_for()
    assert "prompts blue" in shown(me, ".changes").inner_text()  # it branched off


def test_a_camera_flight(enter):
    me = enter()
    choose(me, "Camera flight")
    shown(me, ".atelier-camera").wait_for()
    me.page.get_by_role("button", name="Show the camera's way").click()
    shown(me, "video").wait_for()
    for label, value in {"Frames": 4, "First steps": 3, "Steps per frame": 2}.items():
        shown(me, ".atelier-inputs").get_by_label(label, exact=True).locator("visible=true").first.fill(str(value))
    paint(me, "green")
    me.page.get_by_text(re.compile("A film of 4 frames")).wait_for()
    me.shoot("vqgan-flight")


def test_a_video_is_restyled(enter, tmp_path):
    with_red = VideoWriter(tmp_path / "clip.mp4", 8.0)
    for k in range(6):
        frame = np.zeros((32, 48, 3), np.float32)
        frame[:, 6 * k : 6 * k + 12, 0] = 1
        with_red.add(frame)
    with_red.close()
    me = enter()
    choose(me, "Restyle a video")
    me.page.locator(".atelier-inputs input[type=file]").locator("nth=0").set_input_files(tmp_path / "clip.mp4")
    shown(me, ".block.atelier-forecast").get_by_text("film of").wait_for()
    for label in ("Steps at each scene", "Steps per frame"):
        shown(me, ".atelier-inputs").get_by_label(label, exact=True).locator("visible=true").first.fill("2")
    paint(me, "blue")
    me.page.get_by_text(re.compile("A film of 9 frames")).wait_for()
    assert "1 scene" in shown(me, ".notice").first.inner_text()


def test_a_film_between_pictures(enter, tmp_path):
    for name, colour in (("a", "red"), ("b", "blue")):
        Image.new("RGB", (40, 40), colour).save(tmp_path / f"{name}.png")
    me = enter()
    choose(me, "Between pictures")
    me.page.locator(".atelier-inputs input[type=file][multiple]").set_input_files(
        [tmp_path / "a.png", tmp_path / "b.png"]
    )
    shown(me, ".block.atelier-forecast").get_by_text("25 frames").wait_for()
    assert not prompts(me).is_visible()
    paint(me)
    me.page.get_by_text(re.compile("A film of 25 frames")).wait_for()


def test_what_cannot_be_done_is_one_sentence_and_costs_nothing(enter):
    me = enter()
    paint(me, "red", Steps=4)
    me.wait_for_pictures(1)
    for words, told in (("", "holds no words"), ("red:inf", "weight of"), ("red:0", "All weights")):
        paint(me, words)
        me.page.get_by_role("alert").get_by_text(told).wait_for()
        assert me.pictures.first.is_visible()
    me.shoot("vqgan-error")


def test_paint_gives_a_part_its_own_words(enter):
    me = enter()
    me.page.get_by_text("Paint what stays").click()
    canvas = shown(me, ".atelier-paint canvas").first
    canvas.wait_for()
    canvas.scroll_into_view_if_needed()
    me.page.locator(".atelier-paint button[aria-label=Brush]").click()
    time.sleep(1)  # until the editor, which draws on its own clock, has taken the brush
    box = canvas.bounding_box()
    middle = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    me.page.mouse.move(*middle)
    me.page.mouse.down()
    me.page.mouse.move(middle[0] + 30, middle[1] + 10, steps=4)
    me.page.mouse.up()
    paint(me, "blue", Steps=4)
    me.page.get_by_role("alert").get_by_text("Something is painted red, but there are no words for it").wait_for()
    me.page.get_by_label("What is painted red").fill("red")
    paint(me)
    me.wait_for_pictures(1)
    assert shown(me, ".losses").get_by_text("red (region 1)").is_visible()


def test_pictures_of_another_room_become_the_start(enter):
    me = enter()
    me.page.get_by_role("tab", name="Text → image").click()
    me.generate("a red balloon")
    me.wait_for_pictures(4)
    me.page.get_by_role("button", name="Paint on from it").click()
    shown(me, ".atelier-start img").first.wait_for()
    paint(me, "blue", Steps=3)
    me.page.get_by_text("1 picture after 3 steps").wait_for()


def test_a_refreshed_page_finds_run_and_settings_again(enter):
    me = enter()
    paint(me, "green", Steps=1500)
    shown(me, ".losses").wait_for()
    me.reload()
    me.page.get_by_role("tab", name="VQGAN+CLIP").click()
    shown(me, ".losses").wait_for()
    assert prompts(me).input_value() == "green"
    assert me.page.get_by_label("Prompts from here on").input_value() == "green"
    me.page.get_by_role("button", name="Stop").click()
    me.wait_for_pictures(1)


@pytest.mark.parametrize("dark", [False, True])
def test_a_phone_scrolls_in_one_direction_only(enter, dark):
    me = enter(PHONE, dark)
    name = f"vqgan-phone-{'dark' if dark else 'light'}"
    me.shoot(f"{name}-empty")
    paint(me, "red", Steps=800, Canvases=2)
    shown(me, ".losses").wait_for()
    assert me.page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
    me.shoot(f"{name}-running")
    me.page.get_by_role("button", name="Stop").click()
    me.wait_for_pictures(2)
    assert me.page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
    me.shoot(f"{name}-result")
