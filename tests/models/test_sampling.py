"""The denoising loop against diffusers' own, with a real UNet of a few thousand weights."""

from __future__ import annotations

import pytest
import torch
from diffusers import AutoencoderKL, DDIMScheduler, EulerDiscreteScheduler, UNet2DConditionModel

from models.families.diffusion_schedulers import SCHEDULERS
from models.families.sampling import Conditioning, Sampling

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")  # diffusers' schedulers under NumPy 2
SHAPE = (4, 8, 8)
BETAS = {"beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear"}


@pytest.fixture(scope="module")
def unet() -> UNet2DConditionModel:
    torch.manual_seed(0)
    return UNet2DConditionModel(
        block_out_channels=(8, 16),
        layers_per_block=1,
        sample_size=8,
        in_channels=4,
        out_channels=4,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
        cross_attention_dim=16,
        attention_head_dim=4,
        norm_num_groups=4,
    ).eval()


def config(prediction_type: str = "epsilon", **more: object) -> dict:
    return dict(DDIMScheduler(prediction_type=prediction_type, **BETAS, **more).config)


def run(unet, seeds=(1, 2, 3), steps=6, guidance=2.0, scheduler="DPM++ 2M", prediction_type="epsilon", **more):
    generator = torch.Generator().manual_seed(7)
    words = Conditioning(
        {"states": torch.randn(1, 5, 16, generator=generator)}, {"states": torch.randn(1, 5, 16, generator=generator)}
    )
    return Sampling(
        lambda latents, t, told: unet(latents, t, encoder_hidden_states=told["states"]).sample,
        lambda latents: latents[:, :3] / 8 + 0.5,
        words.repeat(len(seeds)),
        seeds=seeds,
        latent_shape=SHAPE,
        steps=steps,
        guidance=guidance,
        scheduler=scheduler,
        scheduler_config=config(prediction_type),
        **more,
    )


def finish(sampling: Sampling) -> torch.Tensor:
    while sampling.done < sampling.total:
        sampling.step()
    return sampling._latents


@pytest.mark.parametrize("scheduler", SCHEDULERS)
def test_one_visible_step_per_step_asked_for(unet, scheduler):
    sampling = run(unet, seeds=[5], steps=6, scheduler=scheduler)
    finish(sampling)
    assert sampling.total == sampling.done == 6
    with pytest.raises(RuntimeError, match="all 6 steps"):
        sampling.step()


@pytest.mark.parametrize(("prediction_type", "after"), [("epsilon", 1), ("epsilon", 3), ("v_prediction", 3)])
@pytest.mark.parametrize("scheduler", SCHEDULERS)
def test_pruned_in_the_middle_equals_alone(unet, scheduler, prediction_type, after):
    settings = {"scheduler": scheduler, "prediction_type": prediction_type}
    pruned = run(unet, seeds=(1, 2, 3, 4), **settings)
    for _ in range(after):
        pruned.step()
    pruned.keep([3, 1])
    assert (pruned.size, pruned.seeds) == (2, (4, 2))
    survivors = finish(pruned)
    for row, seed in enumerate((4, 2)):
        alone = run(unet, seeds=(seed,), **settings)
        torch.testing.assert_close(survivors[row], finish(alone)[0], rtol=1e-3, atol=1e-3)
    assert (survivors[0] - survivors[1]).abs().mean() > 0.01  # the seeds differ, or the comparison would mean nothing


@pytest.mark.parametrize("scheduler", SCHEDULERS)
def test_a_table_as_long_as_the_batch_is_not_pruned(unet, scheduler):
    """With n candidates and n sigmas, only the candidates' tensors may lose rows."""
    probe = run(unet, seeds=[1], steps=4, scheduler=scheduler)._scheduler
    lengths = {len(table) for table in (probe.timesteps, getattr(probe, "sigmas", None)) if table is not None}
    for count in lengths:
        sampling = run(unet, seeds=range(count), steps=4, scheduler=scheduler)
        sampling.step()
        sampling.keep([0])
        alone = run(unet, seeds=[0], steps=4, scheduler=scheduler)
        torch.testing.assert_close(finish(sampling), finish(alone), rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("prediction_type", ["epsilon", "v_prediction"])
@pytest.mark.parametrize("scheduler", SCHEDULERS)
def test_predicted_is_what_the_scheduler_itself_predicts(unet, scheduler, prediction_type):
    sampling = run(unet, scheduler=scheduler, prediction_type=prediction_type)
    inner = sampling._scheduler
    seen = []
    step = inner.step

    def recording(*args, **kwargs):
        out = step(*args, **kwargs)
        own = getattr(out, "pred_original_sample", None)
        if own is None and hasattr(inner, "model_outputs") and inner.config.get("algorithm_type") != "deis":
            own = inner.model_outputs[-1]  # DPM++ and UniPC keep x0 predictions
        seen.append(own)
        return out

    inner.step = recording
    # PNDM and DEIS keep noise predictions only and LCM says nothing: the first principles test below covers them.
    while sampling.done < sampling.total:
        sampling.step()
        if seen[-1] is not None:
            torch.testing.assert_close(sampling._clean, seen[-1], rtol=2e-3, atol=2e-3)
    assert scheduler in ("PNDM", "DEIS", "LCM") or any(own is not None for own in seen)


def test_guidance_of_one_skips_the_negative_prompt(unet):
    rows = []

    def denoise(latents, t, told):
        rows.append(len(latents))
        return unet(latents, t, encoder_hidden_states=told["states"]).sample

    for guidance in (1.0, 0.0, 3.0):
        sampling = run(unet, steps=2, guidance=guidance)
        sampling._denoise = denoise
        finish(sampling)
    assert rows == [3, 3, 3, 3, 6, 6]


def test_slices_change_nothing(unet):
    whole, sliced = run(unet), run(unet, max_rows=2, decode_rows=1)
    torch.testing.assert_close(finish(whole), finish(sliced), rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(whole.predicted(), sliced.predicted(), rtol=1e-4, atol=1e-4)


def test_equals_the_plain_diffusers_loop(unet):
    """Euler with guidance, written out as any diffusers pipeline does it."""
    sampling = run(unet, seeds=[11], steps=5, guidance=4.0, scheduler="Euler")
    words, nothing = sampling._conditioning.given["states"], sampling._conditioning.absent["states"]
    scheduler = EulerDiscreteScheduler.from_config(config())
    scheduler.set_timesteps(5)
    latents = torch.randn((1, *SHAPE), generator=torch.Generator().manual_seed(11)) * scheduler.init_noise_sigma
    with torch.no_grad():
        for t in scheduler.timesteps:
            doubled = scheduler.scale_model_input(torch.cat([latents] * 2), t)
            absent, given = unet(doubled, t, encoder_hidden_states=torch.cat([nothing, words])).sample.chunk(2)
            latents = scheduler.step(absent + 4.0 * (given - absent), t, latents).prev_sample
    torch.testing.assert_close(finish(sampling), latents, rtol=1e-4, atol=1e-4)


def test_predicted_needs_a_step_and_ends_at_the_latents(unet):
    sampling = run(unet)
    with pytest.raises(RuntimeError, match="before the first step"):
        sampling.predicted()
    sampling.step()
    midway = sampling.predicted()
    assert midway.shape == (3, 3, 8, 8)
    assert midway.dtype == torch.float32
    assert midway.min() >= 0
    assert midway.max() <= 1
    finish(sampling)
    torch.testing.assert_close(sampling.predicted(), (sampling._latents[:, :3] / 8 + 0.5).clamp(0, 1))


@pytest.mark.parametrize("indices", [[], [0, 0], [3], [-1]])
def test_keep_refuses_nonsense(unet, indices):
    with pytest.raises(ValueError, match="cannot keep"):
        run(unet).keep(indices)


def test_keep_reorders_conditioning():
    pair = Conditioning({"a": torch.arange(3.0)[:, None]}, {"a": -torch.arange(3.0)[:, None]})
    assert pair.select(torch.tensor([2, 0])).doubled()["a"].flatten().tolist() == [-2, 0, 2, 0]
    with pytest.raises(ValueError, match="negative"):
        Conditioning({"a": torch.zeros(1, 1)}).doubled()


def test_wide_vae_slices_do_not_matter():
    """decode is called with at most decode_rows rows, by a real AutoencoderKL."""
    torch.manual_seed(0)
    vae = AutoencoderKL(block_out_channels=(8,), norm_num_groups=4, latent_channels=4, sample_size=8).eval()
    rows = []

    def decode(latents):
        rows.append(len(latents))
        return vae.decode(latents).sample / 2 + 0.5

    words = Conditioning({"states": torch.zeros(5, 1, 1)})
    sampling = Sampling(
        lambda latents, t, told: torch.zeros_like(latents),
        decode,
        words,
        seeds=range(5),
        latent_shape=SHAPE,
        steps=2,
        guidance=0,
        scheduler="DDIM",
        scheduler_config=config(),
        decode_rows=2,
    )
    finish(sampling)
    assert sampling.predicted().shape == (5, 3, 8, 8)
    assert rows == [2, 2, 1]


@pytest.mark.parametrize("name", ["DPM++ 2M", "DDIM", "Euler", "Euler a", "UniPC"])
def test_painting_over_an_origin_keeps_the_more_of_it_the_less_strength_it_has(unet, name):
    origin = torch.randn(3, *SHAPE, generator=torch.Generator().manual_seed(5))
    distances = []
    for strength in (0.1, 0.5, 0.9):
        sampling = run(unet, scheduler=name, origin=origin, strength=strength)
        assert sampling.total == 6
        sampling.step()
        assert sampling.predicted().isfinite().all()
        distances.append(float((finish(sampling) - origin).square().mean()))
    assert distances == sorted(distances) and distances[0] < 0.5 * distances[2]


def test_painting_over_an_origin_is_the_end_of_a_longer_ddim_run(unet):
    origin = torch.randn(2, *SHAPE, generator=torch.Generator().manual_seed(5))
    ours = finish(run(unet, seeds=(1, 2), steps=6, guidance=1.0, scheduler="DDIM", origin=origin, strength=0.6))
    scheduler = DDIMScheduler.from_config(config(), clip_sample=False)
    scheduler.set_timesteps(10)
    noise = torch.stack([torch.randn(SHAPE, generator=torch.Generator().manual_seed(seed)) for seed in (1, 2)])
    generator = torch.Generator().manual_seed(7)
    states = torch.randn(1, 5, 16, generator=generator).expand(2, -1, -1)
    latents = scheduler.add_noise(origin, noise, scheduler.timesteps[4].expand(2))
    with torch.no_grad():
        for timestep in scheduler.timesteps[4:]:
            output = unet(latents, timestep, encoder_hidden_states=states).sample
            latents = scheduler.step(output, timestep, latents).prev_sample
    torch.testing.assert_close(ours, latents, atol=1e-4, rtol=1e-4)
