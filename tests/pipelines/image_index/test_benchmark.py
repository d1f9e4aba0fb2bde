"""The benchmark at a small size: that it runs and says what it measured; no times are judged here."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks import image_index as benchmark
from pipelines.image_index import store


def test_it_measures_both_kinds_of_vectors(monkeypatch):
    for name, value in {"ROWS": 2_000, "QUESTIONS": 8, "WARM_UP": 2}.items():
        monkeypatch.setattr(benchmark, name, value)
    monkeypatch.setattr(store, "EXACT_UP_TO", 500)
    figures = {figure.name: figure for figure in benchmark.measure(None)}
    assert set(figures) == {
        f"image_index_{kind}_{what}" for kind in ("pictures", "noise") for what in ("time", "recall")
    }
    for kind in ("pictures", "noise"):
        time, recall = figures[f"image_index_{kind}_time"], figures[f"image_index_{kind}_recall"]
        assert time.ours > 0 and time.theirs > 0 and time.details["rows"] == 2_000 and "2,000 rows of 512" in time.what
        assert time.details["p5_ms"] <= time.ours <= time.details["p95_ms"]
        assert recall.ours >= 0.98 and recall.met


def test_its_vectors_are_what_it_says():
    pictures, noise = (benchmark.vectors(kind, 400, 1) for kind in ("pictures", "noise"))
    for rows in (pictures, noise):
        assert rows.dtype == np.float32 and np.linalg.norm(rows, axis=1) == pytest.approx(np.ones(400), abs=1e-5)
    assert (noise @ noise.T).mean() < 0.01 and (pictures @ pictures.T).mean() > 0.2
    assert not np.array_equal(noise, benchmark.vectors("noise", 400, 2))
    found = benchmark._brute_force(noise, noise[7])
    assert found[0] == 7 and len(found) == 10
