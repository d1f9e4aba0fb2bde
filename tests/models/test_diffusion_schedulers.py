"""Schedulers by the names people know, made from a model's own config."""

from __future__ import annotations

import pytest
import torch
from diffusers import DDIMScheduler

from common.errors import BadRequest
from models.families.diffusion_schedulers import SCHEDULERS, clean_estimate, make_scheduler, signal_rate

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")  # diffusers' schedulers under NumPy 2
SHAPE = (4, 8, 8)


def config(prediction_type: str = "epsilon") -> dict:
    betas = {"beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear"}
    return dict(DDIMScheduler(prediction_type=prediction_type, **betas).config)


@pytest.mark.parametrize("prediction_type", ["epsilon", "v_prediction", "sample"])
@pytest.mark.parametrize("scheduler", SCHEDULERS)
def test_a_perfect_network_is_predicted_exactly(scheduler, prediction_type):
    """A model output made from a known x0 and noise gives that x0 back, at the first timestep of any scheduler."""
    inner, _ = make_scheduler(scheduler, config(prediction_type))
    inner.set_timesteps(6)
    clean, noise = torch.randn(2, *SHAPE), torch.randn(2, *SHAPE)
    timestep = inner.timesteps[0]
    alpha = signal_rate(inner, timestep)
    sigma = (1 - alpha**2) ** 0.5
    outputs = {"epsilon": noise, "v_prediction": alpha * noise - sigma * clean, "sample": clean}
    mixed = alpha * clean + sigma * noise
    torch.testing.assert_close(
        clean_estimate(mixed, outputs[prediction_type], alpha, prediction_type), clean, rtol=1e-3, atol=1e-3
    )
    assert 0 < alpha < 0.2


def test_unknown_scheduler_lists_the_known():
    with pytest.raises(BadRequest, match=r"'Eular'.*Euler a"):
        make_scheduler("Eular", config())


def test_latents_are_never_clipped():
    """DDIM and DDPM clip to [-1, 1] by default, which ruins latents."""
    for name in SCHEDULERS:
        scheduler, _ = make_scheduler(name, {**config(), "clip_sample": True})
        assert not scheduler.config.get("clip_sample", False), name


def test_the_models_own_betas_and_prediction_type_are_kept():
    for name in SCHEDULERS:
        scheduler, _ = make_scheduler(name, config("v_prediction"))
        assert scheduler.config.prediction_type == "v_prediction", name
        assert scheduler.config.beta_end == 0.012, name
