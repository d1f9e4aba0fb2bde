from __future__ import annotations

import pytest
import torch

from pipelines.vqgan_clip import starts


def test_each_purpose_and_seed_has_numbers_of_its_own():
    def first(seed: int, purpose: str) -> float:
        return torch.rand(1, generator=starts.generator(seed, purpose)).item()

    values = {first(seed, purpose) for seed in (0, 1, 2**40, 2**63 - 1) for purpose in ("start", "cuts", "noise")}
    assert len(values) == 12
    assert first(1, "cuts") == first(1, "cuts")


@pytest.mark.parametrize("make", [starts.perlin, starts.gradient, starts.flat, starts.spot])
def test_pictures_to_start_from(make):
    picture, other = (make(48, 72, starts.generator(seed, "start")) for seed in (1, 2))
    assert picture.shape == (1, 3, 48, 72) and picture.min() >= 0 and picture.max() <= 1
    assert not torch.equal(picture, other)
    assert torch.equal(picture, make(48, 72, starts.generator(1, "start")))
    # smooth: no neighbour is far away
    assert max(picture.diff(dim=-1).abs().max(), picture.diff(dim=-2).abs().max()) < 0.25


def test_a_spot_is_round_strong_and_in_the_middle():
    picture = starts.spot(64, 96, starts.generator(3, "start"))[0]
    ground, figure = picture[:, 0, 0], picture[:, 32, 48]
    assert ground.mean() > 0.8 and figure.max() - figure.min() > 0.35
    inside = (picture - ground[:, None, None]).abs().amax(0) > 0.5 * (figure - ground).abs().max()
    assert inside.float().sum().item() == pytest.approx(3.14159 * (0.3 * 64) ** 2, rel=0.05)
    assert torch.equal(inside, inside.flip(0)) and torch.equal(inside, inside.flip(1))


def test_perlin_noise_has_all_lightnesses_and_is_zero_at_corners_of_its_cells():
    picture = starts.perlin(64, 64, starts.generator(1, "start"))
    assert picture.amin((0, 2, 3)).tolist() == [0, 0, 0]
    assert picture.amax((0, 2, 3)).tolist() == pytest.approx([1, 1, 1])
    octave = starts._gradient_noise(64, 64, 4, starts.generator(1, "start"))
    assert octave[:, ::16, ::16].abs().max() < 1e-6 and octave.std() > 0.1


@pytest.mark.parametrize("start", ["noise", "perlin", "gradient", "flat", "spot", "image"])
def test_first_latents_are_codes(vqgan, start):
    picture = torch.rand(1, 3, 32, 48)
    z = starts.first_latent(vqgan, start, (32, 48), 5, picture)
    assert z.shape == (1, 4, 8, 12) and z.dtype == torch.float32
    assert torch.equal(vqgan.quantise(z), z)
    again = starts.first_latent(vqgan, start, (32, 48), 5, picture)
    assert torch.equal(z, again)
    if start == "image":
        assert torch.equal(z, vqgan.encode(picture))
    else:
        assert not torch.equal(z, starts.first_latent(vqgan, start, (32, 48), 6, picture))
