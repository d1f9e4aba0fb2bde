import base64
import io
import re

from PIL import Image

from pipelines.steps import Step
from tabs.stage import notice, progress
from tabs.watching import View


def test_a_notice_is_escaped_and_errors_are_announced():
    page = notice("prompt is '<script>alert(1)</script>'")
    assert "<script>" not in page and 'role="alert"' in page
    assert 'role="status"' in notice("4 pictures", "plain")


def test_waiting_tells_the_place_in_the_queue():
    assert "Next in line" in progress(View("waiting"))
    assert "1 job before yours, starts in about 7 s" in progress(View("waiting", ahead=1, starts_in=7.2))
    assert "3 jobs before yours" in progress(View("waiting", ahead=3))


def test_starting_names_the_model_that_is_loading():
    page = progress(View("running"), "Loading Tiny <b>painter</b>, 40 %")
    assert "Loading Tiny &lt;b&gt;painter&lt;/b&gt;, 40 %" in page and "moving" in page


def test_running_shows_step_time_left_and_every_candidate():
    previews = tuple(Image.new("RGB", (512, 256), colour) for colour in ("red", "green", "blue"))
    page = progress(View("running", step=Step(3, 12, "keeping 3", previews), elapsed=3.0, left=9.4))
    assert "Step 3 of 12" in page and "keeping 3" in page and "about 9 s left" in page
    assert "width:25%" in page
    frames = re.findall(r'src="data:image/webp;base64,([^"]+)"', page)
    pictures = [Image.open(io.BytesIO(base64.b64decode(frame))) for frame in frames]
    assert [picture.size for picture in pictures] == [(192, 96)] * 3


def test_sixteen_live_candidates_stay_light():
    noise = Image.effect_noise((128, 128), 80).convert("RGB")
    page = progress(View("running", step=Step(1, 12, "", (noise,) * 16)))
    assert len(page) < 200_000


def test_candidates_that_were_given_up_fade_and_keep_their_score():
    previews = (Image.new("RGB", (8, 8)),) * 3
    step = Step(4, 12, "", previews, {"dropped": {1: 3}, "scores": {0: 0.25, 1: 0.125}})
    page = progress(View("running", step=step))
    assert page.count('class="gone"') == 1
    assert "0.250" in page and "0.125" in page
