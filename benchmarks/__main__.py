"""Run benchmarks, print one table, and write `benchmarks/results.json`."""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from importlib import import_module
from pathlib import Path

from benchmarks.bench import Bench
from benchmarks.report import print_table, write_results
from common.errors import AtelierError
from common.settings import Settings
from pipelines.services import build_services

NAMES = (
    "start_up",
    "warm_speed",
    "fast_ranking",
    "rank_agreement",
    "samplers",
    "vqgan_clip",
    "captioning",
    "image_index",
    "interrogator",
    "interrogator_batch",
    "interrogator_pruning",
)  # a module each, `measure(bench)` in it
RESULTS = Path(__file__).with_name("results.json")


def main(argv: Sequence[str]) -> int:
    """The command line; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("name", nargs="?", choices=NAMES, help="one of them; all when left out")
    parser.add_argument("--model", default="", help="a text_to_image model; the first of several steps when left out")
    parser.add_argument("--ranker", default="", help="a ranker; the default one when left out")
    parser.add_argument("--prompts", type=int, default=32, help="how many prompts, at most 32 (default: 32)")
    parser.add_argument("--candidates", type=int, default=16, help="best of how many (default: 16)")
    parser.add_argument("--steps", type=int, help="denoising steps; the model's default when left out")
    parser.add_argument("--size", type=int, help="width and height in pixels; the model's default when left out")
    parser.add_argument("--device", default="auto", choices=("auto", "cpu", "cuda", "mps"))
    parser.add_argument("--out", type=Path, default=RESULTS, metavar="FILE", help="where the figures go")
    arguments = parser.parse_args(argv)
    with tempfile.TemporaryDirectory() as folder:  # the pictures made on the way are of no interest
        settings = replace(
            Settings.from_command_line(["--device", arguments.device], os.environ), output=Path(folder), port=0
        )
        try:
            bench = Bench(
                build_services(settings),
                model=arguments.model,
                ranker=arguments.ranker,
                prompts=arguments.prompts,
                candidates=arguments.candidates,
                steps=arguments.steps,
                size=arguments.size,
            )
            figures = []
            for name in [arguments.name] if arguments.name else NAMES:
                print(f"{name} ...", file=sys.stderr, flush=True)
                figures += import_module(f"benchmarks.{name}").measure(bench)
        except AtelierError as error:
            print(error, file=sys.stderr)
            return 1
    print_table(figures)
    write_results(figures, arguments.out, bench.services.pool.devices[0])
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
