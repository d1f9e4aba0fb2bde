"""What every training run shares: a clock, checkpoints that survive, weights averaged over time, honest bookkeeping.

A run is a folder under ``checkpoints/`` with ``last.pt`` (everything needed to go on) and ``log.jsonl`` (what was
measured when). ``--minutes`` bounds one sitting; the next sitting continues where the last stopped.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import platform
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator

from models.families.clipcap_names import PHRASES


def common_arguments(parser: argparse.ArgumentParser, run: str) -> None:
    """The flags that every ``python -m training.<thing>`` understands."""
    parser.add_argument("--data", type=Path, default=Path("data/pictograms"))
    parser.add_argument("--run", type=Path, default=Path("checkpoints") / run, help="folder of this run's checkpoints")
    parser.add_argument("--minutes", type=float, default=10.0, help="how long this sitting trains")
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--device", choices=("auto", "cpu", "cuda"), default="auto")
    parser.add_argument("--threads", type=int, default=0, help="CPU threads; 0 keeps torch's choice")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--export", type=Path, help="write the averaged weights to this folder at the end")


def digest(weights: Path) -> str:
    """Twelve digits that change whenever the safetensors in this folder do, but for what is looked up with them."""
    shards = sorted(path for path in weights.glob("*.safetensors") if path.name != PHRASES)
    return hashlib.blake2b(b"".join(path.read_bytes() for path in shards), digest_size=6).hexdigest()


def make_accelerator(device: str, threads: int) -> Accelerator:
    """accelerate with bf16 where the hardware multiplies it natively (CUDA Ampere+, CPUs with AMX), fp32 elsewhere."""
    if threads:
        torch.set_num_threads(threads)
    use_cpu = device == "cpu" or (device == "auto" and not torch.cuda.is_available())
    if device == "cuda" and not torch.cuda.is_available():
        raise SystemExit("--device cuda was asked for, but torch finds no CUDA device here; use --device cpu.")
    bf16 = torch.ops.mkldnn._is_mkldnn_bf16_supported() and _has_amx() if use_cpu else torch.cuda.is_bf16_supported()
    return Accelerator(cpu=use_cpu, mixed_precision="bf16" if bf16 else "no")


def _has_amx() -> bool:
    check = getattr(torch.cpu, "_is_amx_tile_supported", None)
    return bool(check and check())


def autocast_channels_last(accelerator: Accelerator) -> AbstractContextManager[Any]:
    """The accelerator's autocast, or bf16 on CPUs with AVX512-BF16, from which only channels-last networks gain."""
    check = getattr(torch.cpu, "_is_avx512_bf16_supported", None)
    if accelerator.device.type == "cpu" and check and check():
        return torch.autocast("cpu", torch.bfloat16)
    return accelerator.autocast()


@dataclass
class Progress:
    """How far a run is; saved with every checkpoint and quoted in the model card."""

    steps: int = 0
    pictures: int = 0
    seconds: float = 0.0
    hardware: dict[str, float] = field(default_factory=dict)  # seconds trained on each machine


class TrainingRun:
    """The clock, the checkpoint file and the log of one run."""

    def __init__(self, folder: Path, minutes: float, *, save_every: float = 120.0, log_every: int = 25) -> None:
        self.folder, self.minutes = folder, minutes
        self.save_every, self.log_every = save_every, log_every
        self.progress = Progress()
        self.state: dict[str, Any] = {}  # name -> object with state_dict/load_state_dict
        self.sums: dict[str, float] = {}
        self.added = 0
        folder.mkdir(parents=True, exist_ok=True)

    def track(self, **parts: Any) -> None:
        """Registers what a checkpoint holds (anything with ``state_dict`` and ``load_state_dict``)."""
        self.state.update(parts)

    def begins_with(self, weights: Path | None) -> bool:
        """Whether this run has no checkpoint yet but finds shipped weights in the folder it will export to."""
        return not (self.folder / "last.pt").exists() and weights is not None and (weights / "config.json").exists()

    def resume(self) -> bool:
        """Loads the last checkpoint, if there is one; True when it did."""
        path = self.folder / "last.pt"
        if not path.exists():
            return False
        saved = torch.load(path, map_location="cpu", weights_only=True)
        for name, part in self.state.items():
            if name in saved:
                part.load_state_dict(saved[name])
        self.progress = Progress(**saved["progress"])
        return True

    def save(self) -> None:
        """Writes the checkpoint beside the old one, then swaps: a kill in the middle loses nothing."""
        content = {name: part.state_dict() for name, part in self.state.items()}
        content["progress"] = vars(self.progress)
        partial = self.folder / "last.pt.partial"
        torch.save(content, partial)
        os.replace(partial, self.folder / "last.pt")

    def steps(self, batch: int) -> Iterator[int]:
        """Step numbers until this sitting's minutes are over; saves now and then and at the end."""
        machine = machine_name()
        start = last = saved = time.monotonic()
        while time.monotonic() - start < self.minutes * 60:
            yield self.progress.steps
            now = time.monotonic()
            self.progress.steps += 1
            self.progress.pictures += batch
            self.progress.seconds += now - last
            self.progress.hardware[machine] = self.progress.hardware.get(machine, 0.0) + now - last
            last = now
            if now - saved > self.save_every:
                self.save()
                saved = last = time.monotonic()
        self.save()

    def log(self, **values: torch.Tensor | float) -> None:
        """Adds up losses and writes their mean every ``log_every`` steps."""
        self.added += 1
        for name, value in values.items():
            self.sums[name] = self.sums.get(name, 0.0) + float(torch.as_tensor(value).detach())
        if (self.progress.steps + 1) % self.log_every == 0:
            line = {"step": self.progress.steps + 1, "minutes": round(self.progress.seconds / 60, 2)}
            line |= {name: round(total / self.added, 5) for name, total in self.sums.items()}
            with open(self.folder / "log.jsonl", "a") as file:
                file.write(json.dumps(line) + "\n")
            print(" ".join(f"{name}={value}" for name, value in line.items()), flush=True)
            self.sums.clear()
            self.added = 0


def machine_name() -> str:
    """The processor or GPU that does the work, for the model card."""
    if torch.cuda.is_available():
        return torch.cuda.get_device_name()
    model = next((line for line in _cpuinfo() if line.startswith("model name")), "")
    return f"{model.partition(':')[2].strip() or platform.machine()} ({torch.get_num_threads()} threads)"


def _cpuinfo() -> list[str]:
    path = Path("/proc/cpuinfo")
    return path.read_text().splitlines() if path.exists() else []


def cosine_rate(step: int, warmup: int, total: int, floor: float = 0.05) -> float:
    """Learning-rate factor: linear warm-up, then a cosine down to ``floor`` at ``total`` steps."""
    if step < warmup:
        return (step + 1) / warmup
    share = min((step - warmup) / max(total - warmup, 1), 1.0)
    return floor + (1 - floor) * 0.5 * (1 + float(torch.cos(torch.tensor(share * torch.pi))))
