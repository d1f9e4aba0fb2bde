"""What a run is given besides its words: pictures, masks, regions, several CLIPs, scenes."""

from __future__ import annotations

import pytest
import torch

from pipelines.vqgan_clip import starts
from pipelines.vqgan_clip.pictures import Pictures
from pipelines.vqgan_clip.request import ImagePrompt, Region


def pixels(seed: int, height: int = 32, width: int = 32) -> torch.Tensor:
    return torch.randint(0, 256, (3, height, width), generator=starts.generator(seed, "x"), dtype=torch.uint8)


def left_half() -> torch.Tensor:
    mask = torch.zeros(32, 32, dtype=torch.uint8)
    mask[:, :16] = 255
    return mask


def after(optimisation, steps: int) -> torch.Tensor:
    for _ in range(steps):
        optimisation.step()
    return optimisation.z.detach().clone()


def test_showing_other_pixels_keeps_the_optimisers_moments(optimisation, vqgan):
    ours = optimisation()
    after(ours, 2)
    before, z = ours.state_dict(), ours.z.detach().clone()
    shown = pixels(3)[None] / 255
    ours.show(shown, keep=0.25)
    now = ours.state_dict()
    torch.testing.assert_close(now["z"], 0.75 * vqgan.encode(shown) + 0.25 * z, atol=1e-5, rtol=0)
    assert torch.equal(now["average"], now["z"]) and int(now["averaged"]) == 0
    assert torch.equal(now["optimiser.exp_avg"], before["optimiser.exp_avg"]) and int(now["step"]) == 2


def test_a_strong_pull_brings_z_to_the_pixels_and_lets_go(optimisation, vqgan):
    ours = optimisation(steps=40, prompts="a cat:0.001 | b", rate=0.3)
    goal = vqgan.encode(pixels(3)[None] / 255)
    far = (ours.z.detach() - goal).square().mean()
    ours.pull(pixels(3)[None] / 255, 1000)
    after(ours, 30)
    assert (ours.z.detach() - goal).square().mean() < far / 10
    ours.pull(None, 0)
    assert ours.step().losses["start"] == [0]


def test_a_start_picture_pulls_with_its_weight_and_decay(optimisation, vqgan):
    pictures = Pictures(start=pixels(4))
    ours = optimisation(pictures, start="perlin", start_weight=2.0, start_decay=1.0, steps=3)
    goal = vqgan.encode(pixels(4)[None] / 255)
    expected = (ours.z.detach() - goal).square().mean()
    assert ours.step().losses["start"][0] == pytest.approx(expected.item(), rel=1e-4)
    ours.step()
    assert ours.step().losses["start"] == [0]  # all of the weight is gone


def test_what_is_frozen_stays(optimisation):
    pictures = Pictures(start=pixels(4), freeze=left_half())
    ours = optimisation(pictures, start="image", start_image="", rate=0.5)
    z = ours.z.detach().clone()
    moved = after(ours, 3)
    assert torch.equal(moved[..., :4], z[..., :4]) and not torch.equal(moved[..., 4:], z[..., 4:])
    assert torch.equal(ours.picture()[0, :, :, :16], pixels(4)[:, :, :16] / 255)


def test_without_a_start_picture_the_first_canvas_is_what_stays(optimisation):
    ours = optimisation(Pictures(freeze=left_half()), runs=2)
    first = ours.picture()
    after(ours, 2)
    now = ours.picture()
    torch.testing.assert_close(now[..., :16], first[..., :16])
    assert not torch.allclose(now[..., 16:], first[..., 16:])


def test_a_region_is_painted_and_the_rest_left(optimisation):
    regions = (Region("a dog", ""),)
    ours = optimisation(Pictures(regions=(left_half(),)), prompts="a cat:0.0001 | b:0.0001", regions=regions, cuts=16)
    moment = ours.step()
    assert "a dog (region 1)" in moment.losses
    canvas = moment.pixels.requires_grad_()
    ours.gradient._prompts(canvas, ours._look()[0])
    assert canvas.grad[..., :16].abs().mean() > 5 * canvas.grad[..., 16:].abs().mean()


def test_an_image_prompt_is_nearest_to_itself(optimisation):
    """The loss towards a picture is small when the canvas shows that picture."""
    prompts = (ImagePrompt("", 1.0), ImagePrompt("", 1.0))
    calm = {"image_prompts": prompts, "prompts": "", "start": "image", "start_image": "", "noise": 0, "cuts": 16}
    ours = optimisation(Pictures(start=pixels(4), prompts=(pixels(4), pixels(9) // 8)), **calm)
    found = ours.step().losses
    assert list(found)[:2] == ["image prompt 1", "image prompt 2"]
    assert found["image prompt 1"][0] < found["image prompt 2"][0]


def test_several_clips_share_the_weight(optimisation, vit, cnn):
    both, one, other = (
        optimisation(clips=clips, noise=0).step().losses["a red car"][0] for clips in ([vit, cnn], [vit], [cnn])
    )
    assert both == pytest.approx((one + other) / 2, abs=1e-5)


def test_stories_and_schedules_follow_the_steps(optimisation):
    ours = optimisation(prompts="a cat ^ a dog", steps=8, fade=0.5, cuts=4, cuts_end=11)
    labels = [next(iter(ours.step().losses)) for _ in range(8)]
    assert labels == ["a cat"] * 3 + ["a dog"] * 5
    assert [ours.eye.count(step) for step in range(9)] == [4, 5, 6, 7, 8, 9, 10, 11, 11]


def test_every_region_gets_a_cut(optimisation):
    regions = tuple(Region(f"thing {k}", "") for k in range(6))
    ours = optimisation(Pictures(regions=(left_half(),) * 6), regions=regions, cuts=4)
    assert ours.eye.count(0) == 7 and all(values != [0] for values in list(ours.step().losses.values())[:7])
