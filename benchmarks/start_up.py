"""From `python app.py` to a served page, and the memory it holds before the first request."""

from __future__ import annotations

import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from statistics import median

from benchmarks.bench import Bench
from benchmarks.report import Figure

ROOT = Path(__file__).resolve().parent.parent
RUNS = 3


def measure(bench: Bench) -> list[Figure]:
    """The median of a few starts: seconds until the page answers, and resident megabytes then.

    Beside them a bare `import gradio`, which every page of it waits for: one machine's seconds are not another's.
    """
    runs, bare = zip(*((_start(), _bare()) for _ in range(RUNS)), strict=True)
    seconds, theirs = median(run[0] for run in runs), median(bare)
    served = "page served after `python app.py`; theirs: `import gradio` alone"
    megabytes = median(run[1] for run in runs)
    return [
        Figure("start_up", served, seconds, theirs, "s", "at most 4 s", seconds <= 4),
        Figure("start_up_memory", "memory of the idle app", megabytes, None, "MB", "at most 700 MB", megabytes <= 700),
    ]


def _bare() -> float:
    began = time.perf_counter()
    subprocess.run([sys.executable, "-c", "import gradio"], cwd=ROOT, check=True)
    return time.perf_counter() - began


def _start() -> tuple[float, float]:
    import psutil

    command = [sys.executable, "app.py", "--models", "starter", "--device", "cpu", "--port", "0"]
    began = time.perf_counter()
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        try:
            lines = (line for line in process.stdout or () if " is at http" in line)
            address = next(lines, "").rpartition(" ")[2].strip()
            if not address:
                raise RuntimeError("the app did not start")
            urllib.request.urlopen(address, timeout=30).read()
            seconds = time.perf_counter() - began
            return seconds, psutil.Process(process.pid).memory_info().rss / 1e6
        finally:
            process.terminate()
