"""The scripts in examples/, as a reader would run them."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

ROOT = Path(__file__).resolve().parent.parent


def run_example(name: str, folder: Path, *words: str) -> list[str]:
    """The lines that `python -m examples.NAME WORDS` prints, run inside `folder`."""
    command = [sys.executable, "-m", f"examples.{name}", *words]
    environ = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, cwd=folder, env=environ, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stderr[-1000:]
    return done.stdout.splitlines()


@pytest.fixture
def starter() -> None:
    """Skips where the starter pack's weights are not here."""
    from common.settings import Settings
    from models.catalog import Catalog

    catalog = Catalog.scan(Settings())
    specs = [spec for spec in catalog.all() if spec.pack == "starter"]
    roles = {spec.role for spec in specs}
    if not {"text_to_image", "ranker"} <= roles or not all(map(catalog.is_available, specs)):
        pytest.skip("the starter models are not here")


def test_scripts_stay_short():
    scripts = sorted((ROOT / "examples").glob("*.py"))
    assert len(scripts) >= 3
    for script in scripts:
        assert 10 <= len(script.read_text(encoding="utf-8").splitlines()) <= 25, script.name


def test_api_client(atelier, tmp_path):
    lines = run_example("api_client", tmp_path, atelier.url, "a red kite")
    scores = [float(line.split()[0]) for line in lines if "seed" in line and line[0] in "0123456789-"]
    assert len(scores) == 4 and scores == sorted(scores, reverse=True)
    assert Image.open(tmp_path / "best.png").size == (64, 64)


@pytest.mark.slow
def test_text_to_image_and_then_rank_images(starter, tmp_path):
    lines = run_example("text_to_image", tmp_path, "a red car")
    files = [line.split("  ", 1)[1] for line in lines if line.endswith(".png")]
    assert len(files) == 8 and all((tmp_path / name).is_file() for name in files)
    ranked = run_example("rank_images", tmp_path, "a red car", *reversed(files))
    assert [line.rsplit("  ", 1)[1].strip() for line in ranked] == files
