import asyncio
from types import SimpleNamespace

from jobs.queue import JobQueue
from tabs import vqgan_clip_forecast as forecast
from tabs.rooms import App
from tabs.vqgan_clip_request import make
from tests.tabs.tiny_pack import tiny_services, tiny_settings


def first(room, **changes):
    return {**room.named([None] * len(room.parts)), **changes}


def test_steps_length_and_size_are_told_before_anything_is_known(room):
    app = App(room.services, None)
    told = asyncio.run(forecast.line(app, first(room, steps=60)))
    assert "60 steps of 32 × 32 pixels" in told and "film of 5.9 s" in told and "MB" in told
    assert "time is told after a first run" in told


def test_more_work_takes_more_time(room):
    app = App(room.services, None)
    small, large = (
        make(first(room, prompts="x", steps=steps, runs=runs), room.services) for steps, runs in ((10, 1), (40, 2))
    )
    forecast.learn(app, small, 2.0)
    assert "about 20 seconds" in forecast.told(app, small)
    assert "about 2.7 minutes" in forecast.told(app, large)


def test_what_cannot_be_done_is_told_in_its_place(room):
    app = App(room.services, None)
    assert "Upload a video" in asyncio.run(forecast.line(app, first(room, mode="restyle")))
    assert "cut-outs" in asyncio.run(forecast.line(app, first(room, cuts_end="999")))


def test_opening_the_room_teaches_pace_and_memory(room, tmp_path):
    services, jobs = tiny_services(tiny_settings(tmp_path / "app")), JobQueue(["cpu"])
    app = App(services, jobs)
    try:
        asyncio.run(forecast.try_out(app, first(room)))
    finally:
        jobs.close()
    told = asyncio.run(forecast.line(app, first(room)))
    assert "memory about" in told and "time is told" not in told
    assert not list(services.settings.output.rglob("*.png")) and not list(services.settings.output.rglob("*.mp4"))


def test_nobody_waits_for_a_trial(room):
    busy = SimpleNamespace(status=lambda: SimpleNamespace(running=(1,), waiting=0))
    app = App(room.services, busy)
    asyncio.run(forecast.try_out(app, first(room)))
    assert app.learnt == {}


def test_a_trial_gives_way_to_whoever_paints(room):
    stopped = []
    app = App(room.services, SimpleNamespace(stop=lambda job_id, owner: stopped.append((job_id, owner))))
    forecast.give_way(app)
    app.learnt[forecast.TRIAL] = "seven"
    forecast.give_way(app)
    forecast.give_way(app)
    assert stopped == [("seven", "atelier")]
