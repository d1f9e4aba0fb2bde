import numpy as np
import pytest
from PIL import Image

from common.errors import BadRequest
from pipelines.vqgan_clip.flight import FlightRequest
from pipelines.vqgan_clip.interpolate import InterpolateRequest
from pipelines.vqgan_clip.making_of import MakingOfRequest
from pipelines.vqgan_clip.request import VqganClipRequest
from tabs import vqgan_clip_painting as painting
from tabs.vqgan_clip_request import make


@pytest.fixture
def made(room):
    """`made(**changes)`: the request of the room's first values, with some changed."""
    first = {**room.named([None] * len(room.parts)), "prompts": "a red car"}
    return lambda **changes: make(
        {**first, **{name.replace("__", "."): v for name, v in changes.items()}}, room.services
    )


def painted(colour: str, alpha: int = 191, size: tuple[int, int] = (64, 64)) -> dict:
    """What an editor holds whose left half is painted."""
    layer = Image.new("RGBA", size)
    layer.paste((*bytes.fromhex(colour[1:]), alpha), (0, 0, size[0] // 2, size[1]))
    return {"background": None, "layers": [layer], "composite": None}


RED, BLUE, KEEP = painting.REGIONS[0][1], painting.REGIONS[1][1], painting.KEEP[1]


def test_the_first_values_film_the_making_of_a_picture(made):
    request = made(seed="7")
    assert isinstance(request, MakingOfRequest) and request.image.seed == 7
    assert (request.image.model, request.image.clips, request.image.width) == ("tiny-vqgan", ("tiny-judge",), 32)
    assert isinstance(made(film__making_of=False), VqganClipRequest)


def test_a_flight_reads_its_table(made):
    request = made(mode="flight", flight__camera=[["0", 1.1, "", "", 3], [20, 1, 0, 0, 0]], flight__frames=24, runs=3)
    assert isinstance(request, FlightRequest) and request.image.runs == 1
    assert request.camera == "0: 1.1, 0, 0, 3\n20: 1, 0, 0, 0"


def test_a_film_between_pictures(made, tmp_path):
    for name in "ab":
        Image.new("RGB", (40, 40), "red").save(tmp_path / f"{name}.png")
    request = made(mode="between", prompts="", between__pictures=[str(tmp_path / "a.png"), str(tmp_path / "b.png")])
    assert isinstance(request, InterpolateRequest) and len(request.pictures) == 2 and request.total == 25


def test_paint_becomes_masks_of_the_canvas(made):
    request = made(width=32, height=16, painting=painted(RED), **{"region.1": "a boat"}).image
    mask = np.asarray(request.regions[0].mask)
    assert request.regions[0].prompts == "a boat" and mask.shape == (16, 32)
    assert (mask[:, :15] == 255).all() and (mask[:, 17:] == 0).all()
    assert made(painting=painted(KEEP)).image.freeze.size == (32, 32)


def test_what_a_soft_brush_leaves_at_its_edge_is_not_painted(made):
    assert made(painting=painted(KEEP, alpha=20)).image.freeze is None


def test_overlapping_colours_count_as_the_nearest(made):
    violet, parts = painting.masks(painted("#1088f0"), (32, 32))
    assert violet is None and list(parts) == [2]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"prompts": ""}, "holds no words"),
        ({"prompts": "car:inf"}, "weight"),
        ({"seed": "x"}, "seed is 'x'"),
        ({"cuts_end": "many"}, "last number of cut-outs is 'many'"),
        ({"log": "{"}, "changes on the way"),
        ({"image_weights": "1, 2"}, "2 weights for 0 image prompts"),
        ({"region.1": "a boat"}, "nothing is painted red"),
        ({"painting": painted(BLUE)}, "painted blue, but there are no words"),
        ({"mode": "restyle"}, "no video"),
        ({"mode": "between"}, "number of pictures to go between is 0"),
        ({"mode": "flight", "flight.camera": [[99, 1, 0, 0, 0]]}, "goes on to frame 99"),
        ({"start": "image"}, "no picture is given"),
        ({"start": "checkpoint"}, "no checkpoint is given"),
    ],
)
def test_what_cannot_be_done_is_one_sentence(made, changes, words):
    with pytest.raises(BadRequest, match=words):
        made(**changes)


def test_a_draft_wants_no_prompt_yet(room):
    assert make(room.named([None] * len(room.parts)), room.services, drafted=True).image.prompts == "draft"


def test_words_that_are_sent_mean_themselves_and_unwanted_ones_push_away():
    from pipelines.vqgan_clip.prompts import parse
    from tabs.rooms import Parcel
    from tabs.vqgan_clip_wiring import as_wish

    assert as_wish(Parcel()) == ""
    ((wish,),) = parse(as_wish(Parcel(prompt="a clock | 10:30")))
    assert (wish.text, wish.weight) == ("a clock | 10:30", 1)
    ((unwanted,),) = parse(as_wish(Parcel(negative="fog, haze")))
    assert unwanted.text == "fog, haze" and unwanted.weight < 0
