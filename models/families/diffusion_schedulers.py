"""The schedulers offered to people, by the names people know, and what our sampling loop must know about each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from common.errors import BadRequest

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True)
class SchedulerChoice:
    """A diffusers scheduler class, settings laid over the model's own scheduler config, and options of each step."""

    class_name: str
    settings: Mapping[str, Any] = field(default_factory=dict)
    step_options: Mapping[str, Any] = field(default_factory=dict)


_DPM = "DPMSolverMultistepScheduler"
_ODE = {"algorithm_type": "dpmsolver++", "solver_order": 2}
_SDE = {"algorithm_type": "sde-dpmsolver++", "solver_order": 2}

SCHEDULERS: dict[str, SchedulerChoice] = {
    "DPM++ 2M": SchedulerChoice(_DPM, {**_ODE, "use_karras_sigmas": False}),
    "DPM++ 2M Karras": SchedulerChoice(_DPM, {**_ODE, "use_karras_sigmas": True}),
    "DPM++ 2M SDE": SchedulerChoice(_DPM, {**_SDE, "use_karras_sigmas": False}),
    "DPM++ 2M SDE Karras": SchedulerChoice(_DPM, {**_SDE, "use_karras_sigmas": True}),
    "UniPC": SchedulerChoice("UniPCMultistepScheduler"),
    "DEIS": SchedulerChoice("DEISMultistepScheduler"),
    "Euler": SchedulerChoice("EulerDiscreteScheduler"),
    "Euler a": SchedulerChoice("EulerAncestralDiscreteScheduler"),
    "Heun": SchedulerChoice("HeunDiscreteScheduler"),
    "DPM2": SchedulerChoice("KDPM2DiscreteScheduler"),
    "DPM2 a": SchedulerChoice("KDPM2AncestralDiscreteScheduler"),
    "DDIM": SchedulerChoice("DDIMScheduler"),
    "DDIM eta 1": SchedulerChoice("DDIMScheduler", step_options={"eta": 1.0}),
    "DDPM": SchedulerChoice("DDPMScheduler"),
    # The Runge-Kutta warm-up of PNDM costs twelve model calls; Stable Diffusion has always run without it.
    "PNDM": SchedulerChoice("PNDMScheduler", {"skip_prk_steps": True}),
    "LCM": SchedulerChoice("LCMScheduler"),
}

# Latents are not confined to [-1, 1], yet clipping there is the default of some scheduler classes.
_FOR_LATENTS = {"clip_sample": False, "thresholding": False}


def make_scheduler(name: str, config: Mapping[str, Any]) -> tuple[Any, dict[str, Any]]:
    """A fresh scheduler `name` that keeps the betas and prediction type of a model's own scheduler `config`.

    Returns the scheduler and the keyword options to hand to every `scheduler.step`.
    Raises BadRequest when no scheduler has that name.
    """
    if name not in SCHEDULERS:
        raise BadRequest(f"There is no scheduler {name!r}. Available: {', '.join(SCHEDULERS)}.")
    import inspect

    import diffusers

    choice = SCHEDULERS[name]
    scheduler_class = getattr(diffusers, choice.class_name)
    known = inspect.signature(scheduler_class.__init__).parameters
    settings = {key: value for key, value in {**_FOR_LATENTS, **choice.settings}.items() if key in known}
    return scheduler_class.from_config(dict(config), **settings), dict(choice.step_options)


def calls_per_step(scheduler: Any, steps: int) -> list[list[torch.Tensor]]:
    """The scheduler's timesteps grouped by visible step: Heun and DPM2 call the model twice in a step, others once.

    `steps` is what `set_timesteps` was called with. Each timestep is a 0-d tensor.
    """
    timesteps = list(scheduler.timesteps)
    # PNDM evaluates its first step twice and lists one timestep more than asked for.
    first = 1 + max(0, len(timesteps) - steps) if scheduler.order == 1 else scheduler.order
    return [timesteps[:first]] + [
        timesteps[start : start + scheduler.order] for start in range(first, len(timesteps), scheduler.order)
    ]


def signal_rate(scheduler: Any, timestep: torch.Tensor) -> float:
    """Alpha of the next model call: how much of the clean latents is in the scaled model input, alpha²+sigma² = 1.

    Call it before `scheduler.step`, and after `scale_model_input` has been called for this timestep.
    """
    import torch

    scale = float(scheduler.scale_model_input(torch.ones(1), timestep))
    if scale < 1:  # schedulers in sigma space (Euler, Heun, DPM2) scale by exactly alpha
        return scale
    sigmas = getattr(scheduler, "sigmas", None)
    if isinstance(sigmas, torch.Tensor):  # DPM++, UniPC, DEIS: timesteps are rounded, sigmas are exact
        begin = scheduler.begin_index or 0  # where the first step will start
        sigma = float(sigmas[begin if scheduler.step_index is None else scheduler.step_index])
        return (1 + sigma**2) ** -0.5
    return float(scheduler.alphas_cumprod[int(timestep)]) ** 0.5


def clean_estimate(
    model_input: torch.Tensor, model_output: torch.Tensor, alpha: float, prediction_type: str
) -> torch.Tensor:
    """The clean latents x0 that a model output implies; all tensors (n, C, h, w).

    `model_input` is what `scale_model_input` gave, alpha·x0 + sigma·noise. Raises ValueError on an unknown type.
    """
    sigma = max(0.0, 1 - alpha**2) ** 0.5
    if prediction_type == "epsilon":
        return (model_input - sigma * model_output) / max(alpha, 1e-6)
    if prediction_type == "v_prediction":
        return alpha * model_input - sigma * model_output
    if prediction_type == "sample":
        return model_output
    raise ValueError(f"prediction_type {prediction_type!r} is not one of epsilon, v_prediction, sample")


def prune_scheduler(scheduler: Any, indices: torch.Tensor, shape: torch.Size) -> None:
    """Keep only the rows `indices` of everything per-candidate that a scheduler remembers between steps.

    `shape` (n, C, h, w) is the batch before pruning; only tensors of exactly that shape are per-candidate (a table
    of sigmas may well have n entries too). Found by looking, so that a new scheduler needs no entry anywhere.
    """
    for name, value in vars(scheduler).items():
        pruned = _prune(value, indices, shape)
        if pruned is not value:
            setattr(scheduler, name, pruned)


def _prune(value: Any, indices: torch.Tensor, shape: torch.Size) -> Any:
    import torch

    if isinstance(value, torch.Tensor):
        return value[indices.to(value.device)] if value.shape == shape else value
    if isinstance(value, list | tuple) and any(isinstance(item, torch.Tensor) for item in value):
        return type(value)(_prune(item, indices, shape) for item in value)
    return value
