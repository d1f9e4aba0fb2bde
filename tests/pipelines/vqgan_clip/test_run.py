"""A whole run: steps, results, recipes, commands, population, memory, and what is left behind."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

from common.errors import AtelierError, BadRequest, Blocked, OutOfMemory
from pipelines.steps import Stop
from pipelines.vqgan_clip import checkpoint, listening, population, progress
from pipelines.vqgan_clip import run as module
from pipelines.vqgan_clip.judging import BIASED
from pipelines.vqgan_clip.optimisation import Optimisation
from pipelines.vqgan_clip.plain import from_plain
from pipelines.vqgan_clip.request import ImagePrompt, VqganClipRequest
from pipelines.vqgan_clip.run import run
from pipelines.vqgan_clip.steering import Pause, Resume, Steer
from safeguards.recipe import read

ASKED = VqganClipRequest("a red car", cuts=4, steps=6, seed=7)


def collect(request, services, says=None, **more):
    """The steps and the result; `says` maps the count of events so far to a command."""
    events, generator = [], run(request, services, **more)
    event = next(generator)
    while True:
        events.append(event)
        try:
            event = generator.send((says or {}).get(len(events)))
        except StopIteration:
            return events[:-1], events[-1]


def pixels(picture) -> np.ndarray:
    return np.asarray(Image.open(picture.path)).astype(int)


def test_a_run_tells_its_steps_and_ends_with_a_picture_and_its_recipe(services):
    seen = []
    steps, result = collect(ASKED, services, watch=seen.append)
    assert [(step.number, step.total) for step in steps] == [(k, 6) for k in range(1, 7)]
    assert steps[0].previews[0].size == (32, 32) and steps[-1].previews
    data = steps[-1].data
    assert list(data["losses"]) == ["a red car", "smoothness", "start"] and len(data["losses"]["a red car"]) == 1
    assert data["at"] == [1, 2, 3, 4, 5, 6] and len(data["curves"]["a red car"]) == 6
    assert (data["rate"], data["cuts"], data["seeds"], data["left"]) == (0.15, 4, [7], 0)
    assert [moment.step for moment in seen] == [1, 2, 3, 4, 5, 6] and seen[0].pixels.shape == (1, 3, 32, 32)
    assert result.model == "Tiny" and not result.stopped and result.steps == 6 and result.seconds > 0
    (picture,) = result.pictures
    recipe = read(picture.path)
    assert (recipe.task, recipe.model, recipe.seed) == ("vqgan_clip", "tiny", 7)
    assert recipe.scores["score"] == pytest.approx(picture.score)
    assert from_plain({**recipe.settings, "seed": recipe.seed}) == replace(ASKED.resolve(services.catalog))
    assert result.recipe["settings"] == recipe.settings and picture.path.parent.name == "vqgan_clip"


def test_the_same_request_gives_the_same_bytes(services):
    first, again = (collect(ASKED, services)[1].pictures[0] for _ in range(2))
    assert np.array_equal(pixels(first), pixels(again)) and first.score == again.score
    other = collect(replace(ASKED, seed=8), services)[1].pictures[0]
    assert not np.array_equal(pixels(first), pixels(other))


def test_the_judge_is_one_that_was_not_optimised(services):
    _, result = collect(ASKED, services)
    assert result.judge_title == services.catalog.get("cnn").title
    assert (result.judge, result.fair) == ("cnn", True) and BIASED not in result.notes
    with services.pool.use("cnn") as judge:
        seen = judge.encode_images([Image.open(result.pictures[0].path)])
        words = judge.encode_texts(["a red car"])
    assert result.pictures[0].score == pytest.approx((seen @ words.T).item(), abs=1e-4)
    _, result = collect(replace(ASKED, judge="none"), services)
    assert (result.judge, result.fair) == ("vit", False) and BIASED in result.notes


def test_several_runs_come_ranked(services):
    steps, result = collect(replace(ASKED, runs=3, refill=False, steps=2), services)
    assert len(steps[0].previews) == 3 and len(steps[0].data["losses"]["a red car"]) == 3
    scores = [picture.score for picture in result.pictures]
    assert scores == sorted(scores, reverse=True) and len({picture.path for picture in result.pictures}) == 3
    assert sorted(picture.seed for picture in result.pictures) == [7, 8, 9] and not result.refills


def test_the_weakest_make_room_for_branches(services, monkeypatch):
    looks = []

    def scores(self, images):
        looks.append(len(images))
        return [0.1, 0.9, 0.5, 0.3][: len(images)]

    monkeypatch.setattr(module.Judge, "scores", scores)
    steps, result = collect(replace(ASKED, runs=4, steps=10), services)
    refills = [(each.step, each.index, each.source) for each in result.refills]
    assert looks == [4] * 9 and refills == [(3, 0, 1), (6, 0, 1)]  # eight on the way, and the end
    assert steps[0].data["scores"] == {} and steps[1].data["scores"] == {0: 0.1, 1: 0.9, 2: 0.5, 3: 0.3}
    assert steps[2].data["scores"] == {1: 0.9, 2: 0.5, 3: 0.3}  # of a new branch nothing is known yet
    assert [each.dropped for each in result.refills] == [7, 11] and [each.seed for each in result.refills] == [11, 12]
    assert steps[2].data["seeds"] == [11, 8, 9, 10] and "made room" in steps[3].note
    assert result.pictures[0].index == 1


def test_a_population_repeats_itself_too(services):
    request = replace(ASKED, runs=3, steps=5)
    first, again = (collect(request, services)[1] for _ in range(2))
    assert first.refills == again.refills and len(first.refills) == 2
    for one, other in zip(first.pictures, again.pictures, strict=True):
        assert one.seed == other.seed and np.array_equal(pixels(one), pixels(other))


def test_a_judge_that_does_not_fit_is_asked_at_the_end(services, monkeypatch):
    scores = module.Judge.scores

    def crowded(self, images):
        if services.pool.status() and any(status.users for status in services.pool.status()):
            raise OutOfMemory("no room")
        return scores(self, images)

    monkeypatch.setattr(module.Judge, "scores", crowded)
    _, result = collect(replace(ASKED, runs=3, steps=5), services)
    assert not result.refills and len(result.pictures) == 3


def test_a_branch_begins_at_its_source(optimisation):
    canvases = optimisation(runs=3)
    for _ in range(2):
        canvases.step()
    before = canvases.state_dict()
    population.branch(canvases, source=1, target=2, seed=50)
    now = canvases.state_dict()
    assert torch.equal(now["z"][:2], before["z"][:2]) and canvases.seeds == [7, 8, 50]
    same = (now["z"][2] == before["z"][1]).all(0).float().mean()
    assert 0.4 < same < 0.9  # most cells are those of the source
    assert torch.equal(now["optimiser.exp_avg"][2], before["optimiser.exp_avg"][1])
    assert not torch.equal(now["random.cuts"][2], before["random.cuts"][1])


def test_rounds():
    assert population.rounds(4, 10, True) == {3, 6}
    assert population.rounds(2, 10, True) == population.rounds(4, 10, False) == frozenset()


def test_stop_keeps_picture_and_checkpoint(services):
    steps, result = collect(ASKED, services, {3: Stop()})
    assert len(steps) == 3 and result.stopped and result.steps == 3 and result.pictures[0].path.is_file()
    assert 3 in result.checkpoints
    again = checkpoint.request_of(result.checkpoints[3])
    steps, resumed = collect(again, services)
    assert [step.number for step in steps] == [4, 5, 6]
    straight = collect(ASKED, services)[1]
    assert np.array_equal(pixels(resumed.pictures[0]), pixels(straight.pictures[0]))
    assert resumed.recipe["settings"] == straight.recipe["settings"]
    _, result = collect(ASKED, services, {6: Stop()})
    assert not result.stopped  # it was finished anyway


def test_a_closed_run_frees_the_models_and_leaves_a_checkpoint_of_its_last_step(services):
    generator = run(replace(ASKED, steps=16), services)
    for _ in range(3):
        next(generator)
    generator.close()
    assert {status.users for status in services.pool.status()} == {0}
    assert {checkpoint.load(path).step for path in (services.settings.output / "vqgan_clip").iterdir()} == {2, 3}


def test_steering_changes_the_run_and_its_recipe_replays_it(services):
    says = {2: Steer(prompts="a dog", rate=0.4), 4: Steer(cuts=8)}
    steps, result = collect(ASKED, services, says)
    assert "a dog" in steps[-1].data["losses"] and steps[-1].data["changes"] == 2 and steps[-1].data["rate"] == 0.4
    assert steps[-1].data["curves"]["a dog"][:2] == [None, None]
    assert [line["step"] for line in result.log] == [2, 4]
    recipe = read(result.pictures[0].path)
    assert recipe.settings["prompts"] == "a red car" and len(recipe.settings["log"]) == 2
    _, again = collect(from_plain({**recipe.settings, "seed": recipe.seed}), services)
    assert np.array_equal(pixels(result.pictures[0]), pixels(again.pictures[0]))
    assert again.recipe["settings"] == result.recipe["settings"]


def test_a_change_that_does_not_fit_is_told_and_the_run_goes_on(services):
    steps, result = collect(ASKED, services, {2: Steer(weight=(5, 1.0))})
    assert "no prompt 5" in steps[2].note and result.steps == 6 and result.log == ()


def test_a_pause_waits_takes_changes_and_ends(services, monkeypatch):
    monkeypatch.setattr(listening, "NAP", 0.0)
    says = {2: Pause(), 4: Steer(rate=0.5), 7: Resume()}
    steps, result = collect(ASKED, services, says)
    assert [step.number for step in steps] == [1, 2, 2, 2, 2, 2, 2, 3, 4, 5, 6]
    assert [bool(step.data.get("paused")) for step in steps[1:8]] == [False, True, True, True, True, True, False]
    assert result.log == ({"step": 2, "rate": 0.5},)
    _, result = collect(ASKED, services, {2: Pause(), 3: Stop()})
    assert result.stopped and result.steps == 2
    monkeypatch.setattr(listening, "LONGEST_PAUSE", -1)
    _, result = collect(ASKED, services, {2: Pause()})
    assert result.stopped and "was paused" in result.notes[0]


def test_losses_that_are_no_numbers_end_the_run_in_plain_words(services, monkeypatch):
    monkeypatch.setattr(progress, "EVERY", 0.0)
    step = Optimisation.step

    def broken(self):
        moment = step(self)
        moment.table = moment.table * float("nan")
        return moment

    monkeypatch.setattr(Optimisation, "step", broken)
    with pytest.raises(AtelierError, match="no numbers any more at step 1"):
        list(run(ASKED, services))


def test_a_disk_that_takes_no_checkpoint_does_not_end_the_run(services, monkeypatch):
    def full(*given):
        raise OSError("no space left")

    monkeypatch.setattr(checkpoint, "save", full)
    _, result = collect(ASKED, services)
    assert not result.checkpoints and any("checkpoint could not be written" in note for note in result.notes)
    assert result.pictures[0].path.is_file()


def test_checkpoints_are_spread_over_the_run(services):
    _, result = collect(replace(ASKED, steps=24), services)
    assert sorted(result.checkpoints) == [3, 6, 9, 12, 15, 18, 21, 24]
    assert all(path.is_file() for path in result.checkpoints.values())


@pytest.mark.parametrize("error", [BadRequest, Blocked])
def test_nothing_is_loaded_for_what_is_refused(services, error, tmp_path):
    words = "a nude child" if error is Blocked else ""
    with pytest.raises(error):
        next(run(VqganClipRequest(words), services))
    with pytest.raises(BadRequest, match=r"no picture|missing"):
        next(run(VqganClipRequest("a", image_prompts=(ImagePrompt(tmp_path / "x.png"),)), services))
    assert services.pool.status() == [] and not services.settings.output.exists()


def test_curves_are_thinned_and_keep_their_first_point(services, monkeypatch):
    monkeypatch.setattr(progress, "POINTS", 4)
    monkeypatch.setattr(progress, "EVERY", 0.0)
    _, result = collect(replace(ASKED, steps=13), services)
    assert result.at == [1, 5, 9, 13] and all(len(values) == 4 for values in result.curves.values())


def test_a_run_without_room_says_so_before_it_begins(services, monkeypatch):
    monkeypatch.setattr("pipelines.vqgan_clip.planner.free_memory_mb", lambda device: 0.5)
    with pytest.raises(OutOfMemory, match="32 × 32 pixels need about"):
        next(run(ASKED, services))
    monkeypatch.setattr("pipelines.vqgan_clip.planner.free_memory_mb", lambda device: 6.0)
    _, result = collect(replace(ASKED, cuts=128, steps=2), services)
    assert any(note.startswith("To fit into 6 MB") for note in result.notes)


def test_colours_come_out_as_asked(tmp_path):
    """With codes that are colours and a ranker that sees them, words can be checked against the picture."""
    from tests.pipelines.vqgan_clip.film_services import film_services

    colours = film_services(tmp_path)
    request = VqganClipRequest("red", model="colours", steps=30, seed=1, start="noise", width=32, height=32, cuts=8)
    _, result = collect(request, colours)
    red, green, blue = pixels(result.pictures[0]).mean((0, 1))
    assert red > green + 60 and red > blue + 60
    assert not result.fair and result.pictures[0].score > 0.8
