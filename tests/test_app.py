"""Starting, serving and ending: what `python app.py` does around the rooms."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import httpx
import psutil
import pytest

import app
from common.errors import AtelierError
from tests.tabs.tiny_pack import tiny_services, tiny_settings

ROOT = Path(app.__file__).parent
HEAVY = ("torch", "diffusers", "transformers", "open_clip", "timm", "torchvision")
# CPU seconds, because a wall clock would also measure whatever else the machine is doing. A core that is shared counts
# more of them for the same work, so a plain `import gradio` beside the start says how slow this one is just now.
START_SECONDS, START_GRADIO_IMPORTS, START_MB = 4.0, 1.4, 700


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return probe.getsockname()[1]


def run(code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=60, check=False
    )


def test_importing_the_app_does_nothing():
    said = run("import sys, app; print([name for name in sys.argv + list(sys.modules) if name in ('gradio', 'torch')])")
    assert said.stdout.strip() == "[]" and said.stderr == ""


def test_importing_the_rooms_imports_nothing_heavy():
    said = run(f"import sys, tabs.layout; print([name for name in {HEAVY!r} if name in sys.modules])")
    assert said.stdout.strip() == "[]", said.stderr


def test_gradio_is_imported_without_its_side_effects():
    said = run(
        "import inspect, os, app; before = inspect.getfile; app.import_gradio()\n"
        "print(inspect.getfile is before, os.environ['GRADIO_ANALYTICS_ENABLED'])"
    )
    assert said.stdout.split() == ["True", "False"], said.stderr


@pytest.mark.slow
def test_the_page_is_served_quickly_and_lightly(tmp_path):
    port = free_port()
    command = [sys.executable, "app.py", "--port", str(port), "--models", "starter", "--output", str(tmp_path)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        try:
            said = process.stdout.readline()
            assert f"http://127.0.0.1:{port}" in said, said + process.stdout.read()
            page = httpx.get(f"http://127.0.0.1:{port}/", timeout=30)
            times, memory = psutil.Process(process.pid).cpu_times(), psutil.Process(process.pid).memory_info()
            maps = {Path(each.path).name for each in psutil.Process(process.pid).memory_maps()}
        finally:
            process.terminate()
    plain = float(run("import gradio, time; print(time.process_time())").stdout)
    print(f"served after {times.user + times.system:.1f} CPU seconds with {memory.rss / 1e6:.0f} MB")
    print(f"importing gradio alone takes {plain:.1f} CPU seconds")
    assert page.status_code == 200 and "CLIP Atelier" in page.text
    assert memory.rss / 1e6 <= START_MB
    assert times.user + times.system <= max(START_SECONDS, START_GRADIO_IMPORTS * plain)
    assert not any(name.startswith("libtorch") for name in maps)


def test_health_tells_queue_and_models(atelier):
    health = httpx.get(f"{atelier.url}healthz").json()
    assert health["ok"] is True
    assert set(health) == {"ok", "running", "waiting", "models"}
    json.dumps(health, allow_nan=False)


def test_what_the_public_must_not_reach(atelier):
    assert httpx.get(f"{atelier.url}monitoring/summary").status_code == 403
    info = httpx.get(f"{atelier.url}gradio_api/info").json()
    assert not info["unnamed_endpoints"]
    skipped = httpx.post(f"{atelier.url}gradio_api/run/models", json={"data": []})
    assert skipped.status_code == 404
    video = {"video": ("a.mp4", b"0", "video/mp4")}
    assert httpx.post(f"{atelier.url}gradio_api/process_recording", files=video).status_code == 404


def test_an_upload_above_the_limit_is_refused(atelier):
    megabytes = int(atelier.services.settings.max_upload_mb) + 1
    files = {"files": ("big.png", b"\0" * (megabytes * 1_050_000), "image/png")}
    assert httpx.post(f"{atelier.url}gradio_api/upload", files=files, timeout=60).status_code == 413


def test_a_taken_port_is_one_sentence(tmp_path):
    from jobs.queue import JobQueue

    jobs = JobQueue(["cpu"])
    with socket.create_server(("127.0.0.1", 0)) as taken:
        services = tiny_services(tiny_settings(tmp_path, port=taken.getsockname()[1]))
        with pytest.raises(AtelierError, match=r"^Port \d+ is taken\. Try another one: --port \d+$"):
            app.launch(services, jobs)
    jobs.close()


def test_mcp_without_its_package_is_one_sentence(tmp_path, monkeypatch):
    monkeypatch.setattr(app, "find_spec", lambda name: None)
    with pytest.raises(AtelierError, match=r'pip install "gradio\[mcp\]"'):
        app.launch(tiny_services(tiny_settings(tmp_path, mcp=True)), None)


@pytest.mark.parametrize("error", [RuntimeError("Could not reach the link server.\nmore"), OSError()])
def test_a_link_that_cannot_be_made_is_one_line_and_the_page_goes_on(atelier, monkeypatch, capsys, error):
    def fail(*arguments):
        print("a page of log", file=sys.stderr)
        raise error

    monkeypatch.setattr("gradio.networking.setup_tunnel", fail)
    line = app.share(atelier.page)
    assert line.startswith("No public link: ") and line.endswith(atelier.url) and "\n" not in line
    assert "log" not in capsys.readouterr().err
    assert httpx.get(atelier.url).status_code == 200


def test_a_link_is_told(atelier, monkeypatch):
    monkeypatch.setattr("gradio.networking.setup_tunnel", lambda *arguments: "https://abc.gradio.live")
    monkeypatch.setattr(atelier.page, "share", False)
    monkeypatch.setattr(atelier.page, "share_url", None, raising=False)
    assert app.share(atelier.page).endswith("https://abc.gradio.live")


def test_a_login_closes_the_page(tmp_path):
    from jobs.queue import JobQueue

    jobs = JobQueue(["cpu"])
    page, url = app.launch(tiny_services(tiny_settings(tmp_path, auth=("ann", "secret"))), jobs)
    try:
        assert httpx.get(f"{url}gradio_api/info").status_code == 401
        session = httpx.Client(base_url=url)
        assert session.post("login", data={"username": "ann", "password": "wrong"}).status_code == 400
        assert session.post("login", data={"username": "ann", "password": "secret"}).status_code == 200
        assert session.get("gradio_api/info").status_code == 200
    finally:
        page.close()
        jobs.close()


def test_the_process_ends_cleanly_when_interrupted(tmp_path):
    port = free_port()
    command = [sys.executable, "app.py", "--port", str(port), "--models", "starter", "--output", str(tmp_path)]
    process = subprocess.Popen(
        command,
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        # A shell's background jobs are born deaf to Ctrl+C and hand that on; a person's terminal is what we test.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),  # noqa: PLW1509 (it starts no thread)
    )
    try:
        assert "http" in process.stdout.readline()
        time.sleep(0.5)
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=60)
    finally:
        process.kill()  # whatever went wrong above, the suite must not wait for it
        process.wait()
    assert "Traceback" not in errors
