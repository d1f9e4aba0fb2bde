from __future__ import annotations

from dataclasses import replace

import pytest

from pipelines.steps import Stop
from pipelines.vqgan_clip import trial
from pipelines.vqgan_clip.request import VqganClipRequest
from tests.pipelines.vqgan_clip.conftest import ASKED


def test_a_trial_tells_pace_and_memory_and_leaves_nothing(services):
    *steps, result = trial.run(VqganClipRequest(cuts=4, runs=3, steps=900), services)
    assert [step.number for step in steps] == [1, 2, 3, 4] and not result.stopped
    assert 0 < result.pace < result.seconds
    small, large = (result.footprint.peak_mb((32, 32 * k), 1, 4 * k) for k in (1, 2))
    assert small > 0 and large == pytest.approx(2 * small)
    assert result.footprint.peak_mb((32, 32), 3, 4) == pytest.approx(3 * small)
    assert not services.settings.output.exists()


def test_its_memory_is_what_a_run_plans_with(services):
    from pipelines.vqgan_clip.run import run

    *_, result = trial.run(ASKED, services)
    step = next(run(replace(ASKED, runs=2, steps=1), services))
    assert result.footprint.peak_mb((32, 32), 2, ASKED.cuts) == pytest.approx(step.data["planned_mb"], rel=0.01)


def test_a_trial_can_be_stopped(services):
    running = trial.run(ASKED, services)
    assert next(running).number == 1
    result = running.send(Stop())
    assert isinstance(result, trial.TrialResult) and result.stopped and result.pace > 0
