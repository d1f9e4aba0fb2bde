"""Everything that the next step of an optimisation depends on, as tensors by name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from common.errors import BadRequest
from pipelines.vqgan_clip.optimisers import make_optimiser, memory, set_memory
from safeguards.wording import shown

if TYPE_CHECKING:
    from torch import Tensor

    from pipelines.vqgan_clip.optimisation import Optimisation

OPTIMISER, RANDOM = "optimiser.", "random."


def read(optimisation: Optimisation) -> dict[str, Tensor]:
    """Copies, on the CPU.

    `z`, `average`, `goal` (B, C, h, w); `step`, `averaged` (how many steps the average holds), `seeds` (B,) int64;
    `pull` float64, -1 for that of the request; `optimiser.*`; `random.*` (B, bytes) uint8.
    """
    import torch

    pull = -1.0 if optimisation.pull_weight is None else optimisation.pull_weight
    tensors = {"z": optimisation.z.detach(), "average": optimisation.average, "goal": optimisation.goal}
    tensors |= {
        "step": torch.tensor(optimisation.step_number),
        "averaged": torch.tensor(optimisation.averaged),
        "seeds": torch.tensor(optimisation.seeds),
        "pull": torch.tensor(pull, dtype=torch.float64),
    }
    tensors |= {OPTIMISER + name: value for name, value in memory(optimisation.optimiser).items()}
    for purpose, generators in optimisation.random.items():
        tensors[RANDOM + purpose] = torch.stack([generator.get_state() for generator in generators])
    return {name: value.detach().to("cpu", copy=True).contiguous() for name, value in tensors.items()}


def write(optimisation: Optimisation, state: Mapping[str, Tensor]) -> None:
    """Bring the optimisation to a state that `read` gave. Nothing is changed unless all of it fits.

    Raises BadRequest for a name that is unknown or missing, and for a shape of another canvas, model or number of runs.
    """
    import torch

    now = read(optimisation)
    _check(optimisation, state, now)
    with torch.no_grad():
        optimisation.z.copy_(state["z"])
        optimisation.average.copy_(state["average"])
    optimisation.goal = state["goal"].to(optimisation.z.device, copy=True)
    optimisation.step_number, optimisation.averaged = int(state["step"]), int(state["averaged"])
    optimisation.seeds = [int(seed) for seed in state["seeds"]]
    pull = float(state["pull"])
    optimisation.pull_weight = None if pull < 0 else pull
    names = [name for name in state if name.startswith(OPTIMISER)]
    set_memory(optimisation.optimiser, {name.removeprefix(OPTIMISER): state[name] for name in names})
    for purpose, generators in optimisation.random.items():
        for k, (generator, row) in enumerate(zip(generators, state[RANDOM + purpose], strict=True)):
            if row.shape == generator.get_state().shape:
                generator.set_state(row.clone())
            else:  # made on another kind of device, where nothing can be continued exactly
                generator.manual_seed(optimisation.seeds[k] + optimisation.step_number)


def _check(optimisation: Optimisation, state: Mapping[str, Tensor], now: Mapping[str, Tensor]) -> None:
    now = {**now, **_remembered(optimisation)}
    needed = {name for name in now if not name.startswith(OPTIMISER)}
    if any(name.startswith(OPTIMISER) for name in state):  # all of them or none
        needed = set(now)
    if missing := sorted(needed - set(state)):
        raise BadRequest(f"This checkpoint lacks the entry {shown(missing[0])}, so nothing can go on from it.")
    for name in sorted(state, key=lambda name: name != "z"):  # the first to complain is the one that people know
        value = state[name]
        if name not in now:
            raise BadRequest(f"This checkpoint has an unknown entry {shown(name)}; it was made by another program.")
        alike = slice(0, 1) if name.startswith(RANDOM) else slice(None)  # the states of generators differ by device
        if name in now and value.shape[alike] != now[name].shape[alike]:
            shapes = f"its {name} has the shape {_sizes(value)}, this run's has {_sizes(now[name])}"
            raise BadRequest(
                f"The checkpoint does not fit: {shapes}. Use the model, the size and the number of runs that it was "
                "made with."
            )
        if value.dtype != now[name].dtype or not value.isfinite().all():
            raise BadRequest(f"The entry {shown(name)} of this checkpoint is damaged, so nothing can go on from it.")
    if int(state["step"]) < 0 or int(state["averaged"]) < 0:
        raise BadRequest("This checkpoint says that fewer than 0 steps are done, so nothing can go on from it.")


def _remembered(optimisation: Optimisation) -> dict[str, Tensor]:
    """What an optimiser of this kind remembers after a step, by name, as something to compare with."""
    import torch

    z = torch.zeros_like(optimisation.z, device="cpu", requires_grad=True)
    z.grad = torch.zeros_like(z)
    optimiser = make_optimiser(optimisation.request.optimiser, z, 0.1)
    optimiser.step()
    return {OPTIMISER + name: value for name, value in memory(optimiser).items()}


def _sizes(tensor: Tensor) -> str:
    return " × ".join(map(str, tensor.shape)) or "a single number"
