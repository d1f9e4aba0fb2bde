"""The optimisers to choose from, and what has to be done to their memory when a canvas is replaced."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch
    from torch import Tensor

OPTIMISERS = ("Adam", "AdamW", "RAdam", "Adagrad", "RMSprop")


def make_optimiser(name: str, z: Tensor, rate: float) -> torch.optim.Optimizer:
    """torch's optimiser of that name for the one tensor `z`, its other settings as torch has them."""
    import torch

    return getattr(torch.optim, name)([z], lr=rate)


def set_rate(optimiser: torch.optim.Optimizer, rate: float) -> None:
    for group in optimiser.param_groups:
        group["lr"] = rate


def memory(optimiser: torch.optim.Optimizer) -> dict[str, Tensor]:
    """What the optimiser remembers of its past, by name: moments of z's shape and the count of steps."""
    import torch

    (state,) = optimiser.state.values() or ({},)
    return {name: torch.as_tensor(value) for name, value in state.items() if value is not None}


def set_memory(optimiser: torch.optim.Optimizer, remembered: dict[str, Tensor]) -> None:
    """Give the optimiser the memory of another one of its kind; nothing for one that has made no step."""
    (group,) = optimiser.param_groups
    (z,) = group["params"]
    if remembered:
        # Counts of steps stay on the CPU, where torch keeps them.
        optimiser.state[z] = {
            name: value.clone().to(z.device if value.shape == z.shape else "cpu") for name, value in remembered.items()
        }


def copy_memory(optimiser: torch.optim.Optimizer, source: int, target: int) -> None:
    """Let canvas `target` remember what canvas `source` does."""
    (z,) = optimiser.param_groups[0]["params"]
    for value in memory(optimiser).values():
        if value.shape == z.shape:
            value[target] = value[source]
