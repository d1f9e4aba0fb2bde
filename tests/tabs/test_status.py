import json
from types import SimpleNamespace

from jobs.job import QueueStatus, RunningJob
from tabs.status import health, line


def model(title, state, progress=1.0, memory_mb=120.0):
    return SimpleNamespace(name="m", title=title, state=state, progress=progress, memory_mb=memory_mb)


def pool(*models):
    return SimpleNamespace(status=lambda: list(models))


def queue(running=0, waiting=0):
    job = RunningJob("cpu", "t", 1, 2, 0.5)
    return SimpleNamespace(status=lambda: QueueStatus((job,) * running, waiting, ("cpu",)))


def test_nothing_loaded():
    assert "models load on first use" in line(pool(), queue())


def test_loading_is_told_with_its_progress_and_escaped():
    page = line(pool(model("<i>Big</i>", "loading", 0.4)), queue(1))
    assert "loading &lt;i&gt;Big&lt;/i&gt; 40 %" in page and "working" in page


def test_memory_adds_up_and_waiting_jobs_are_counted():
    page = line(pool(model("A", "ready"), model("B", "ready", memory_mb=1000)), queue(1, 3))
    assert "A, B in memory, 1.1 GB" in page and "3 waiting" in page


def test_health_is_plain_json():
    told = json.loads(json.dumps(health(pool(model("A", "ready")), queue(1, 2)), allow_nan=False))
    assert told["running"] == 1 and told["waiting"] == 2 and told["models"][0]["state"] == "ready"
