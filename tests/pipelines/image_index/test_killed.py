"""A build that is killed outright, in a process of its own, at several moments."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest

from pipelines.image_index.card import index_folder
from pipelines.image_index.store import ImageIndex
from tests.pipelines.image_index.conftest import RANKER, picture, save

ROOT = Path(__file__).resolve().parents[3]
BUILD = """
import json, sys
from pathlib import Path
from common.settings import Settings
from pipelines.image_index import build, work
from pipelines.image_index.request import BuildIndexRequest
from pipelines.services import build_services
told = json.loads(sys.argv[1])
settings = {**told["settings"], **{name: Path(told["settings"][name]) for name in ("output", "weights", "hub_folder")}}
work.FLUSH_FILES = 4
request = BuildIndexRequest("mine", told["folder"], ranker=told["ranker"])
for event in build.run(request, build_services(Settings(**settings))):
    print(getattr(event, "number", "done"), flush=True)
"""


def build_until(settings, folder: Path, line: str | None) -> list[str]:
    """Build in a process of its own and kill it when it has printed `line`; all it printed."""
    told = {"settings": {k: str(v) if isinstance(v, Path) else v for k, v in asdict(settings).items()}}
    told |= {"folder": str(folder), "ranker": RANKER}
    environ = {**os.environ, "PYTHONPATH": str(ROOT)}
    printed = []
    with subprocess.Popen(
        [sys.executable, "-c", BUILD, json.dumps(told)],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        cwd=ROOT,
        env=environ,
    ) as process:
        for text in process.stdout:
            printed.append(text.strip())
            if text.strip() == line:
                process.send_signal(signal.SIGKILL)
                break
        assert process.wait(60) == (0 if line is None else -signal.SIGKILL)
    return printed


@pytest.mark.slow
def test_an_index_survives_being_killed_and_the_next_build_goes_on(services, build_index, find, tmp_path):
    folder, total = tmp_path / "shots", 40
    for number in range(total):
        save(folder, number, f"picture {number}" if number % 3 == 0 else "")
    picture(7).save(folder / "zz copy.bmp")
    before = 0
    for line in ("16", str(total + 2)):  # after two writes, and before the last putting in order
        build_until(services.settings, folder, line)
        index = ImageIndex.open(index_folder(services.settings, "mine"))
        assert before < len(index) <= total  # each run adds to what the one before left
        before = len(index)
        hits = find(text="a red kite", count=5).hits
        assert len(hits) == 5 and all(np.isfinite(hit.cosine) for hit in hits)
    printed = build_until(services.settings, folder, None)
    assert printed == [str(total + 2), "done"]  # nothing was left to look at
    rows = [row for batch in index.pictures(columns=["picture", "prompt", "copies"]) for row in batch.to_pylist()]
    assert len({row["picture"] for row in rows}) == len(rows) == total
    assert sum(bool(row["prompt"]) for row in rows) == 14 and sum(len(row["copies"]) for row in rows) == 1
    again = build_index(folder)
    assert (again.new, again.unchanged, again.pictures) == (0, total + 1, total)
