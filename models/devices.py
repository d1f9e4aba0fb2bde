"""Which devices there are, how much they hold, and in which precision they are fastest."""

from __future__ import annotations

import gc
import platform
import sys
import time
from functools import cache
from pathlib import Path

from common.errors import BadRequest
from common.settings import Settings

_NVIDIA_DRIVER = ("/dev/nvidiactl", "/dev/dxg", "/proc/driver/nvidia/version", "C:/Windows/System32/nvcuda.dll")


def find_devices(settings: Settings) -> tuple[str, ...]:
    """The devices to work on: every CUDA card ("cuda:0", ...), or "mps", or "cpu".

    Asks torch only when a driver suggests an accelerator: importing torch takes seconds that the page of a CPU machine
    does not have. Raises BadRequest when the device that the settings name is not there.
    """
    wanted = settings.device
    if wanted in ("auto", "cuda") and has_cuda():
        import torch

        return tuple(f"cuda:{index}" for index in range(torch.cuda.device_count()))
    if wanted in ("auto", "mps") and _has_mps():
        return ("mps",)
    if wanted in ("auto", "cpu"):
        return ("cpu",)
    raise BadRequest(f"device is {wanted!r}, but this machine has none that torch can use; try --device cpu.")


def has_cuda() -> bool:
    """True when torch can use a CUDA card."""
    if "torch" not in sys.modules and not any(Path(path).exists() for path in _NVIDIA_DRIVER):
        return False
    import torch

    return torch.cuda.is_available()


def _has_mps() -> bool:
    if sys.platform != "darwin" or platform.machine() != "arm64":
        return False
    import torch

    return torch.backends.mps.is_available()


def memory_budget_mb(settings: Settings, device: str) -> float:
    """Megabytes that loaded models may take on `device`: the setting, else 90 % of a CUDA card, else 60 % of RAM."""
    if settings.max_memory_gb is not None:
        return settings.max_memory_gb * 1024
    if device.startswith("cuda"):
        import torch

        return 0.9 * torch.cuda.get_device_properties(device).total_memory / 2**20
    return 0.6 * _ram_bytes() / 2**20


def _ram_bytes() -> int:
    import psutil

    total = psutil.virtual_memory().total
    limit = Path("/sys/fs/cgroup/memory.max")  # in a container the machine's RAM is not all ours
    text = limit.read_text().strip() if limit.is_file() else "max"
    return min(total, int(text)) if text.isdigit() else total


def pick_precision(settings: Settings, device: str) -> str:
    """ "fp32", "bf16" or "fp16" for `device`: the setting, else what this hardware is fast in."""
    if settings.precision != "auto":
        return settings.precision
    if device.startswith("cuda"):
        import torch

        # bf16 has the range of fp32, so decoders that overflow in fp16 (black pictures) are safe where it is native.
        return "bf16" if torch.cuda.get_device_capability(device) >= (8, 0) else "fp16"
    return "bf16" if device == "cpu" and _cpu_likes_bf16() else "fp32"


@cache
def _cpu_likes_bf16() -> bool:
    """Probe a product of two matrices in both precisions: many CPUs accept bf16, only those with AMX gain by it."""
    import torch

    def best_seconds(dtype: torch.dtype) -> float:
        matrix = torch.ones(512, 512, dtype=dtype)
        seconds = []
        for _ in range(4):  # the first pays for setting the kernel up
            start = time.perf_counter()
            torch.mm(matrix, matrix)
            seconds.append(time.perf_counter() - start)
        return min(seconds)

    return best_seconds(torch.bfloat16) * 2 < best_seconds(torch.float32)


def free_memory(device: str) -> None:
    """Give memory of dropped models back to `device`, so that the next one can have it."""
    gc.collect()  # models hold themselves in reference cycles
    if device.startswith("cuda"):
        import torch

        torch.cuda.empty_cache()


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error says that memory ran out; on a CPU torch raises a plain RuntimeError.

    By name, because importing torch to ask would take seconds.
    """
    named = any(kind.__name__ in ("OutOfMemoryError", "MemoryError") for kind in type(error).__mro__)
    return named or (isinstance(error, RuntimeError) and "can't allocate memory" in str(error))


def free_memory_mb(device: str) -> float:
    """Megabytes that can still be taken on `device`."""
    import torch

    if device.startswith("cuda"):
        cached = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
        return (torch.cuda.mem_get_info(device)[0] + cached) / 2**20
    if device.startswith("mps"):
        return (torch.mps.recommended_max_memory() - torch.mps.current_allocated_memory()) / 2**20
    return _free_ram_mb()


def _free_ram_mb() -> float:
    import psutil

    free = psutil.virtual_memory().available
    limit, used, table = (Path("/sys/fs/cgroup", name) for name in ("memory.max", "memory.current", "memory.stat"))
    # In a container the machine's memory is not all ours; what it holds of files it gives back when asked.
    if limit.is_file() and limit.read_text().strip().isdigit():
        lines = (line.split() for line in table.read_text().splitlines())
        files = sum(int(value) for name, value in lines if name == "inactive_file")
        free = min(free, int(limit.read_text()) - int(used.read_text()) + files)
    return max(free, 0) / 2**20
