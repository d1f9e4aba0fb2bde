"""One step against a plain reading of the algorithm, and everything that must not change a result."""

from __future__ import annotations

import pytest
import torch

from common.errors import BadRequest, OutOfMemory
from pipelines.vqgan_clip import cutouts, draw, losses, quantise, starts
from pipelines.vqgan_clip.pictures import Pictures
from pipelines.vqgan_clip.presets import PRESETS
from pipelines.vqgan_clip.request import ImagePrompt, Region
from pipelines.vqgan_clip.steering import MAX_CHANGES, Steer


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


def test_a_step_is_the_algorithm_as_it_is_written_down(optimisation, vqgan, vit):
    """Cut by cut and prompt by prompt, with autograd through everything at once."""
    ours = optimisation(prompts="a red car:2 | fog:-0.5", noise=0.0, tv=0.3, start_weight=0.7, rate=0.1)
    z = ours.z.detach().clone()
    start = z.clone() + 0  # the start pulls from the second step on
    optimiser = torch.optim.Adam([z.requires_grad_()], lr=0.1)
    random = starts.generator(7, "cuts")
    words = [(vit.encode_texts(["a red car"]), 2.0), (vit.encode_texts(["fog"]), -0.5)]
    for _ in range(2):
        moment = ours.step()
        decoded = vqgan.decode(z + (vqgan.quantise(z) - z).detach())
        picture = quantise.clamp(decoded)
        cuts = draw.draw(PRESETS["classic"], 4, (32, 32), [random])
        total = 0.3 * losses.total_variation(picture).sum() + 0.7 * (z - start).square().mean() / 2
        for k in range(4):
            seen = vit.image_features(cutouts.take(picture, cuts.part(k, k + 1), 32)[0])
            for vector, weight in words:
                total = total + weight * 2 * ((seen - vector).norm() / 2).arcsin().square() / 4
        optimiser.zero_grad()
        total.backward()
        optimiser.step()
        with torch.no_grad():
            z.copy_(torch.maximum(torch.minimum(z, vqgan.high), vqgan.low))
        torch.testing.assert_close(moment.pixels, picture.detach(), atol=1e-5, rtol=0)
        assert sum(moment.total) == pytest.approx(total.item(), abs=1e-4)
    torch.testing.assert_close(ours.z.detach(), z.detach(), atol=2e-3, rtol=0)


def test_a_moment_names_every_loss(optimisation):
    ours = optimisation(prompts="a cat | a cat | fog:-1", noise_prompts="5:0.5", runs=2)
    moment = ours.step()
    assert list(moment.losses) == ["a cat", "a cat #2", "fog", "noise 5", "smoothness", "start"]
    assert moment.step == 1 and moment.pixels.shape == (2, 3, 32, 32) and not moment.pixels.requires_grad
    assert moment.losses["a cat"] == moment.losses["a cat #2"] and moment.losses["fog"][0] < 0
    assert moment.total == pytest.approx([sum(row) for row in zip(*moment.losses.values(), strict=True)])


@pytest.mark.parametrize("chunk", [1, 3, 5])
def test_chunks_of_cuts_change_nothing(optimisation, chunk):
    whole, parts = optimisation(cuts=8, noise=0.1), optimisation(cuts=8, noise=0.1, chunk=chunk)
    whole.step(), parts.step()
    torch.testing.assert_close(parts.z.grad, whole.z.grad, atol=1e-6, rtol=1e-4)


def test_the_same_seed_gives_the_same_bytes_and_another_does_not(optimisation):
    first, again, other = (after(optimisation(seed=seed), 3) for seed in (7, 7, 8))
    assert torch.equal(first, again) and not torch.equal(first, other)


def test_a_canvas_among_others_is_what_it_is_alone(optimisation):
    together, alone = after(optimisation(runs=3, seed=5), 3), after(optimisation(seed=7), 3)
    torch.testing.assert_close(together[2:], alone, atol=1e-4, rtol=0)


def test_the_loss_falls(optimisation):
    ours = optimisation(steps=25, cuts=8, rate=0.1)
    totals = [ours.step().total[0] for _ in range(25)]
    assert sum(totals[-5:]) < 0.985 * sum(totals[:5])  # networks of random weights have little to say


@pytest.mark.parametrize("name", ["Adam", "AdamW", "RAdam", "Adagrad", "RMSprop"])
def test_every_optimiser_moves_and_resumes_exactly(optimisation, name):
    ours = optimisation(optimiser=name, runs=2)
    begin = ours.z.detach().clone()
    after(ours, 2)
    state = ours.state_dict()
    end = after(ours, 2)
    other = optimisation(optimiser=name, runs=2, seed=99)
    other.load_state_dict(state)
    assert other.seeds == [7, 8] and torch.equal(after(other, 2), end) and not torch.equal(begin, end)
    assert torch.equal(other.average, ours.average)


def test_a_state_is_a_copy(optimisation):
    ours = optimisation()
    state = ours.state_dict()
    before = {name: value.clone() for name, value in state.items()}
    after(ours, 1)
    assert all(torch.equal(value, before[name]) for name, value in state.items())


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda s: s.pop("z"), 'lacks the entry "z"'),
        (lambda s: s.update(evil=torch.zeros(1)), 'unknown entry "evil"'),
        (lambda s: s.update(z=torch.zeros(1, 4, 9, 8)), "shape 1 × 4 × 9 × 8, this run's has 1 × 4 × 8 × 8"),
        (lambda s: s.update(seeds=torch.zeros(3, dtype=torch.int64)), "its seeds has the shape 3"),
    ],
)
def test_a_state_that_does_not_fit_changes_nothing(optimisation, change, words):
    ours = optimisation()
    after(ours, 1)
    state, before = ours.state_dict(), ours.state_dict()
    change(state)
    with pytest.raises(BadRequest) as refused:
        ours.load_state_dict(state)
    assert words in str(refused.value)
    assert all(torch.equal(value, before[name]) for name, value in ours.state_dict().items())


def test_z_stays_in_the_box_of_the_codes(optimisation, vqgan):
    z = after(optimisation(rate=10), 2)
    assert (z >= vqgan.low).all() and (z <= vqgan.high).all() and (z == vqgan.low).any()


def test_the_picture_is_that_of_the_average(optimisation, vqgan):
    ours = optimisation(ema=0.5, rate=0.5)
    seen = []
    for _ in range(3):
        ours.step()
        seen.append(ours.z.detach().clone())
    weights = torch.tensor([0.25, 0.5, 1.0])  # 0.5 ** (steps ago)
    expected = sum(w * z for w, z in zip(weights / weights.sum(), seen, strict=True))
    torch.testing.assert_close(ours.average, expected, atol=1e-5, rtol=0)
    torch.testing.assert_close(ours.picture(), vqgan.decode(vqgan.quantise(ours.average)).clamp(0, 1))
    plain = optimisation(ema=0.0)
    after(plain, 2)
    torch.testing.assert_close(plain.picture(), vqgan.decode(vqgan.quantise(plain.z)).clamp(0, 1).detach())


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


def test_changes_take_effect_are_logged_and_replayed(optimisation):
    ours = optimisation(steps=6)
    after(ours, 2)
    ours.steer(Steer(prompts="a dog | fog:-1", rate=0.5))
    ours.steer(Steer(weight=(2, -3.0), cuts=6))
    moment = ours.step()
    assert list(moment.losses)[:2] == ["a dog", "fog"] and moment.losses["fog"][0] < moment.losses["a dog"][0] * -2
    assert ours.optimiser.param_groups[0]["lr"] == 0.5 and ours.eye.count(5) == 6
    end = after(ours, 2)
    assert [line["step"] for line in ours.log] == [2, 2] and ours.log[0]["prompts"] == "a dog | fog:-1"
    again = optimisation(steps=6, log=tuple(ours.log))
    assert torch.equal(after(again, 5), end) and again.log == ours.log
    assert not torch.equal(after(optimisation(steps=6), 5), end)


def test_nobody_changes_a_run_without_end(optimisation):
    ours = optimisation()
    for _ in range(MAX_CHANGES):
        ours.steer(Steer(rate=0.1))
    with pytest.raises(BadRequest, match="changed 200 times"):
        ours.steer(Steer(rate=0.2))


def test_a_change_that_does_not_fit_changes_nothing(optimisation):
    ours = optimisation()
    with pytest.raises(BadRequest, match="no prompt 4"):
        ours.steer(Steer(weight=(4, 1.0), rate=5.0))
    assert ours.log == [] and ours.request.rate == 0.2 and ours.optimiser.param_groups[0]["lr"] == 0.2


def _fails(times: int):
    """`cutouts.take`, which runs out of memory so many times."""
    left, take = [times], cutouts.take

    def maybe(*given, **named):
        if left[0] > 0:
            left[0] -= 1
            raise RuntimeError("[enforce fail at alloc_cpu.cpp:117] DefaultCPUAllocator: can't allocate memory")
        return take(*given, **named)

    return maybe


def test_out_of_memory_halves_the_chunk_and_goes_on_from_the_same_z(optimisation, monkeypatch):
    expected = after(optimisation(cuts=8, noise=0.1), 3)
    ours = optimisation(cuts=8, noise=0.1)
    after(ours, 1)
    monkeypatch.setattr(cutouts, "take", _fails(2))
    z = after(ours, 2)
    assert ours.gradient.chunk == 2 and ours.step_number == 3
    torch.testing.assert_close(z, expected, atol=1e-4, rtol=0)


def test_when_nothing_is_left_to_halve_it_says_so_and_z_is_kept(optimisation, monkeypatch, vqgan):
    ours = optimisation(cuts=4)
    before = ours.z.detach().clone()
    monkeypatch.setattr(cutouts, "take", _fails(4))
    try:
        with pytest.raises(OutOfMemory, match="Choose a smaller size"):
            ours.step()
        assert ours.gradient.checkpointed and ours.gradient.chunk == 1 and torch.equal(ours.z.detach(), before)
        ours.step()  # with memory again it goes on
    finally:
        vqgan.checkpoint(False)


def test_other_errors_are_not_mistaken_for_memory(optimisation, monkeypatch):
    ours = optimisation()
    monkeypatch.setattr(cutouts, "take", lambda *given, **named: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        ours.step()


def test_of_many_spots_the_one_that_the_prompts_like_best_is_the_start(optimisation, vqgan):
    prompt = "a red car"
    ours, other = (optimisation(prompts=text, start="spot") for text in (prompt, "fog:2 | a cat:-1"))
    spots = starts.spots(32, 32, starts.generator(7, "start"))
    disliked = ours.eye.dislike(spots)
    assert disliked.shape == (starts.SPOTS,) and disliked.argmin() != other.eye.dislike(spots).argmin()
    assert torch.equal(ours.z, vqgan.encode(spots[disliked.argmin()][None]).float())
    assert not torch.equal(ours.z, other.z)
    assert torch.equal(ours.z, optimisation(prompts=prompt, start="spot").z)
