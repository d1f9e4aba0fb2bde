"""One step against a plain reading of the algorithm, and everything that must not change a result."""

from __future__ import annotations

import pytest
import torch

from common.errors import BadRequest
from pipelines.vqgan_clip import cutouts, draw, losses, quantise, starts
from pipelines.vqgan_clip.presets import PRESETS


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


def test_of_many_spots_the_one_that_the_prompts_like_best_is_the_start(optimisation, vqgan):
    prompt = "a red car"
    ours, other = (optimisation(prompts=text, start="spot") for text in (prompt, "fog:2 | a cat:-1"))
    spots = starts.spots(32, 32, starts.generator(7, "start"))
    disliked = ours.eye.dislike(spots)
    assert disliked.shape == (starts.SPOTS,) and disliked.argmin() != other.eye.dislike(spots).argmin()
    assert torch.equal(ours.z, vqgan.encode(spots[disliked.argmin()][None]).float())
    assert not torch.equal(ours.z, other.z)
    assert torch.equal(ours.z, optimisation(prompts=prompt, start="spot").z)
