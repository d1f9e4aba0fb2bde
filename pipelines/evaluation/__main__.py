"""`python -m pipelines.evaluation captions.json results.json`: score captions in COCO's layout and print a table.

Exit status 0, or 2 when a file cannot be read or a value is not allowed.
"""

from __future__ import annotations

import argparse
import csv
import math
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from common.errors import AtelierError
from common.settings import Settings
from pipelines.evaluation.bootstrap import RESAMPLES, Estimate
from pipelines.evaluation.evaluate import Report
from pipelines.evaluation.likeness import PAPER_PREFIX
from pipelines.evaluation.run import EvaluationRequest, run
from pipelines.services import build_services
from pipelines.steps import Step
from safeguards.wording import printable


def main(argv: Sequence[str] | None = None) -> int:
    """Score two files of captions and return the exit status."""
    given = _parser().parse_args(argv)
    settings = Settings(models=given.models, **({"hub_folder": given.hub_folder} if given.hub_folder else {}))
    more = {"ranker": given.ranker, "prefix": given.prefix, "resamples": given.resamples, "seed": given.seed}
    try:
        request = EvaluationRequest.from_files(given.captions, given.results, given.pictures, **more)
        for event in run(request, build_services(settings)):
            if isinstance(event, Step) and sys.stderr.isatty():
                print(f"\r{event.number:,} of {event.total:,} {event.note}", end="", file=sys.stderr)
    except AtelierError as error:
        print(f"python -m pipelines.evaluation: {error}", file=sys.stderr)
        return 2
    print(table(event.estimates))
    for note in event.notes:
        print(printable(note))
    if given.each:
        write_each(event.report, given.each)
        print(f"The scores of each picture are in {given.each}.")
    return 0


def table(estimates: Mapping[str, Estimate]) -> str:
    """The scores as lines of text: metric, score, 95 % interval, pictures."""
    lines = [f"{'metric':<14}{'score':>9}   {'95 % interval':^17}{'pictures':>10}"]
    for name, each in estimates.items():
        between = f"{each.low:.4f} – {each.high:.4f}"
        lines.append(f"{name:<14}{each.value:>9.4f}   {between:^17}{each.count:>10,}")
    return "\n".join(lines)


def write_each(report: Report, path: str | Path) -> None:
    """Write a CSV file with a row for each picture: its key and its score by every metric, empty where it has none."""
    columns = report.each()
    with open(path, "w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["image_id", *columns])
        for row, key in enumerate(report.keys):
            writer.writerow([_cell(key), *(_number(values[row]) for values in columns.values())])


def _cell(key: Any) -> Any:
    # A spreadsheet would run a name that looks like a formula.
    return f"'{key}" if isinstance(key, str) and key[:1] in tuple("=+-@\t\r") else key


def _number(value: float) -> str:
    return "" if math.isnan(value) else f"{value:.6f}"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m pipelines.evaluation",
        description="BLEU, ROUGE-L, CIDEr-D, MiniLM cosine and, with the pictures, CLIPScore of captions.",
    )
    parser.add_argument("captions", help="COCO captions: images and annotations")
    parser.add_argument("results", help="COCO results: a list of image_id and caption")
    parser.add_argument("--pictures", metavar="DIR", help="folder of the pictures that the captions file names")
    parser.add_argument("--ranker", default="", metavar="NAME", help="the CLIP of CLIPScore (default: the app's)")
    parser.add_argument(
        "--prefix",
        default="",
        metavar="WORDS",
        help=f"words before each text CLIP reads; the paper's: {PAPER_PREFIX!r}",
    )
    parser.add_argument("--resamples", type=int, default=RESAMPLES, metavar="N", help="of the bootstrap")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="of the bootstrap")
    parser.add_argument("--each", metavar="FILE.csv", help="also write the scores of each picture")
    parser.add_argument("--models", default="auto", choices=("auto", "starter", "hub"), help="as for app.py")
    parser.add_argument("--hub-folder", type=Path, metavar="DIR", help="as for app.py")
    return parser


if __name__ == "__main__":
    sys.exit(main())
