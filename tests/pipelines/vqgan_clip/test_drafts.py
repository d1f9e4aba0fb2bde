"""A run that starts from what text → image makes of its words."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch
from PIL import Image

from common.errors import BadRequest
from pipelines.services import Services
from pipelines.vqgan_clip import checkpoint, drafts
from pipelines.vqgan_clip.opening import opened
from pipelines.vqgan_clip.plain import from_plain, to_plain
from pipelines.vqgan_clip.request import ImagePrompt, VqganClipRequest
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
    pictures = drafts.drafted(request, services)
    assert pictures.shape == (3, 3, 32, 32) and pictures.dtype == torch.float32
    assert (pictures.mean((2, 3)).argmax(1) == 0).all()  # red
    assert not torch.equal(pictures[0], pictures[1])
    alone = drafts.drafted(replace(request, runs=1, seed=8), services)
    assert torch.equal(alone[0], pictures[1])
    blue = drafts.drafted(asked(services, "a blue kite | a red kite:-1 ^ a red kite"), services)
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

    best = drafts.drafted(request, replace(services, scorer=Scorer()))
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
        assert canvas.begun.start == "draft"
