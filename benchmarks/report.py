"""Figures, the table they are printed in, and the file they are kept in."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Figure:
    """One measurement: what this app does, what the plain way does (None where there is none), both in `unit`.

    `target` says in words what is wanted; `met` whether it is reached, None where nothing is wanted. `details` are
    numbers behind the figure.
    """

    name: str
    what: str
    ours: float
    theirs: float | None
    unit: str
    target: str = ""
    met: bool | None = None
    details: dict[str, Any] = field(default_factory=dict)

    @property
    def ratio(self) -> float | None:
        """Ours over theirs."""
        return self.ours / self.theirs if self.theirs else None


def print_table(figures: Sequence[Figure]) -> None:
    """One line per figure: what, ours, theirs, ratio, target."""
    rows = [("what", "ours", "theirs", "ratio", "target")]
    for each in figures:
        theirs, ratio = _short(each.theirs), _short(each.ratio)
        verdict = {True: "  met", False: "  MISSED", None: ""}[each.met]
        rows.append((each.what, f"{_short(each.ours)} {each.unit}", theirs, ratio, each.target + verdict))
    widths = [max(len(row[column]) for row in rows) for column in range(5)]
    for number, row in enumerate(rows):
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
        if number == 0:
            print("  ".join("-" * width for width in widths))


def write_results(figures: Sequence[Figure], path: Path, device: str) -> None:
    """Merge the figures into `path`, with facts about this machine beside each, for not all are measured at once."""
    kept = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    facts = machine(device)
    for each in figures:
        table = {key: value for key, value in asdict(each).items() if key != "name"}
        kept[each.name] = {**table, "ratio": each.ratio, "machine": facts}
    path.write_text(json.dumps(kept, indent=1, sort_keys=True) + "\n", encoding="utf-8")


def machine(device: str) -> dict[str, Any]:
    """What a reader needs to know about this machine to compare figures."""
    import torch

    facts = {
        "processor": _processor(),
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "device": torch.cuda.get_device_name(device) if device.startswith("cuda") else device,
    }
    return {**facts, **{name: version(name) for name in ("torch", "diffusers", "open_clip_torch")}}


def _processor() -> str:
    about = Path("/proc/cpuinfo")
    names = [line for line in about.read_text().splitlines() if line.startswith("model name")] if about.exists() else []
    return names[0].partition(":")[2].strip() if names else platform.processor()


def _short(value: float | None) -> str:
    if value is None:
        return "-"
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"
