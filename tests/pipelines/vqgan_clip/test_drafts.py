"""A run that starts from what text → image makes of its words."""

from __future__ import annotations

import shutil
from dataclasses import replace
from typing import Any

import pytest
import torch
from PIL import Image

from common.errors import BadRequest, ModelUnavailable
from pipelines import text_to_image
from pipelines.services import Services
from pipelines.steps import Step, Stop
from pipelines.vqgan_clip import checkpoint, drafts, flight, run
from pipelines.vqgan_clip.flight import FlightRequest
from pipelines.vqgan_clip.opening import opened
from pipelines.vqgan_clip.plain import from_plain, to_plain
from pipelines.vqgan_clip.request import ImagePrompt, VqganClipRequest
from pipelines.vqgan_clip.steering import Steer
from tests.tabs.tiny_pack import tiny_services, tiny_settings


@pytest.fixture
def services(tmp_path) -> Services:
    return tiny_services(tiny_settings(tmp_path))


def asked(services: Services, prompts: str = "a red kite", **more: Any) -> VqganClipRequest:
    more = {"seed": 7, "steps": 3, "judge": "none", **more}
    return VqganClipRequest(prompts, **more).resolve(services.catalog)


def test_words_are_drafted_unless_another_start_is_asked_for(services):
    request = asked(services)
    assert (request.start, request.draft_model) == ("draft", "tiny")
    assert request.resolve(services.catalog) == request
    assert from_plain(to_plain(request)) == request
    assert asked(services, start="noise").draft_model == ""
    assert asked(services, draft_model="tiny-slow").draft_model == "tiny-slow"
    with pytest.raises(BadRequest, match='"tiny-judge" is no model for this; allowed are tiny'):
        asked(services, draft_model="tiny-judge")


@pytest.mark.parametrize("prompts", ["", "fog:-1"])
def test_where_no_words_ask_for_anything_a_spot_is_the_start(services, prompts):
    pull = (ImagePrompt(Image.new("RGB", (32, 32), "red")),)
    assert asked(services, prompts, image_prompts=pull, start="draft").start == "spot"


def test_each_canvas_begins_with_a_draft_of_its_own_in_the_colours_asked_for(services):
    request = asked(services, runs=3)
    pictures = drafts.drafted(request, services).pictures
    assert pictures.shape == (3, 3, 32, 32) and pictures.dtype == torch.float32
    assert (pictures.mean((2, 3)).argmax(1) == 0).all()  # red
    assert not torch.equal(pictures[0], pictures[1])
    alone = drafts.drafted(replace(request, runs=1, seed=8), services).pictures
    assert torch.equal(alone[0], pictures[1])
    blue = drafts.drafted(asked(services, "a blue kite | a red kite:-1 ^ a red kite"), services).pictures
    assert blue.mean((2, 3)).argmax(1).item() == 2  # the first scene, and what is wanted in it
    with opened(request, services) as canvases:
        expected = torch.cat([canvases.vqgan.encode(picture) for picture in pictures.split(1)])
        assert torch.equal(canvases.z, expected.float())
        assert torch.equal(canvases.goal, canvases.z)


def test_of_the_candidates_the_first_clip_chooses(services):
    request = asked(services)
    scored: list[tuple[float, ...]] = []

    class Scorer:
        def scores(self, *args: Any) -> Any:
            scored.append(services.scorer.scores(*args).cosine)
            return services.scorer.scores(*args)

    best = drafts.drafted(request, replace(services, scorer=Scorer())).pictures
    assert len(scored) == 1 and len(scored[0]) == drafts.CANDIDATES
    image = Image.fromarray((best[0] * 255).round().byte().permute(1, 2, 0).numpy())
    again = services.scorer.scores(request.clips[0], [image], "a red kite").cosine[0]
    assert again == pytest.approx(max(scored[0]), abs=0.05) and max(scored[0]) - min(scored[0]) > 0.001


def test_all_of_a_draft_is_on_a_canvas_of_another_shape():
    picture = Image.new("RGB", (64, 64), "white")
    picture.paste("red", (16, 0, 48, 64))
    wide = drafts._on_canvas(picture, (128, 32))
    assert wide.size == (128, 32)
    assert wide.getpixel((4, 16)) == (255, 255, 255) and wide.getpixel((64, 2)) == (255, 0, 0)


def test_a_checkpoint_goes_on_without_a_new_draft(services, tmp_path):
    with opened(asked(services), services) as canvas:
        for _ in range(3):
            canvas.step()
        checkpoint.save(tmp_path / "a.safetensors", canvas)
        z, goal = canvas.z.detach().clone(), canvas.goal.clone()
    request = replace(checkpoint.request_of(tmp_path / "a.safetensors"), steps=6)
    with opened(request, services) as canvas:
        assert torch.equal(canvas.z, z) and torch.equal(canvas.goal, goal)
        assert (canvas.begun.start, canvas.begun.draft_model, canvas.begun.seed) == ("draft", "tiny", 7)


def test_drafting_is_shown_and_stop_leaves_the_draft_as_it_is(services):
    going = run.run(asked(services), services)
    first = next(going)
    assert (first.number, first.total, first.note) == (0, 3, "draft, step 1 of 8") and len(first.previews) == 4
    assert drafts.LATER in going.send(Steer(rate=0.5)).note
    *_, result = [going.send(Stop())]
    assert (result.stopped, result.steps, len(result.pictures)) == (True, 0, 1)
    numbers = [step.number for step in run.run(asked(services), services) if isinstance(step, Step)]
    assert numbers == [0] * 8 + [1, 2, 3]


def test_a_flight_stopped_while_it_is_drafted_shows_its_draft(services):
    going = flight.run(FlightRequest(asked(services), frames=3), services)
    next(going)
    result = going.send(Stop())
    assert (result.stopped, result.frames) == (True, 1) and result.path.is_file()


def test_where_memory_is_short_there_is_one_candidate(services, monkeypatch):
    sizes = []
    begin = text_to_image.start

    def start(model: Any, request: Any) -> Any:
        sizes.append(request.candidates)
        if request.candidates > 1:
            raise MemoryError
        return begin(model, request)

    monkeypatch.setattr(text_to_image, "start", start)
    assert drafts.drafted(asked(services), services).pictures.shape == (1, 3, 32, 32)
    assert sizes == [drafts.CANDIDATES, 1]


def test_a_model_that_is_not_here_is_asked_for_only_by_name(tmp_path):
    services = tiny_services(tiny_settings(tmp_path))
    shutil.rmtree(services.settings.weights / "tiny")
    assert asked(services).draft_model == "tiny-slow"
    shutil.rmtree(services.settings.weights / "tiny-slow")
    assert asked(services).start == "spot"
    with pytest.raises(ModelUnavailable):
        asked(services, draft_model="tiny")
