"""CLIP Atelier: start the page. `python app.py --help` lists the flags; a Hugging Face Space runs this same file."""

from __future__ import annotations

import contextlib
import functools
import inspect
import io
import os
import socket
import sys
from collections.abc import Iterator, Sequence
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from common.errors import AtelierError
from common.settings import Settings

if TYPE_CHECKING:
    import gradio as gr

    from jobs.queue import JobQueue
    from pipelines.services import Services


def main(argv: Sequence[str]) -> int:
    """Serve until interrupted; returns the exit status."""
    settings = Settings.from_command_line(argv, os.environ)
    import_gradio(settings.mcp)
    try:
        services, jobs = build(settings)
        page, url = launch(services, jobs)
    except AtelierError as error:
        print(error, file=sys.stderr)
        return 1
    print(f"CLIP Atelier is at {url}", flush=True)
    if settings.share:
        print(share(page), flush=True)
    try:
        page.block_thread()
    finally:
        jobs.close()
    return 0


def import_gradio(with_mcp: bool = True) -> None:
    """Import gradio without its side effects: it would report home, and write a stub file beside every component.

    The stubs are for gradio's own developers and take a third of its import time (1.2 of 3.2 s on one machine). It
    passes over classes whose file it cannot find, which is therefore what it is told, and nobody else is. The MCP
    package takes half a second more; gradio does without where it is not installed, which is what it believes
    unless it is wanted.
    """
    os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")  # read while it is imported
    find = inspect.getfile

    def find_for_others(thing: Any) -> str:
        if sys._getframe(1).f_globals.get("__name__") == "gradio.component_meta":
            raise OSError("no stub files")
        return find(thing)

    inspect.getfile = find_for_others
    if hidden := not with_mcp and "mcp" not in sys.modules:
        sys.modules["mcp"] = None  # type: ignore[assignment]  # "not there" in the words of Python's import
    try:
        import gradio  # noqa: F401
    finally:
        inspect.getfile = find
        if hidden:
            del sys.modules["mcp"]


def build(settings: Settings) -> tuple[Services, JobQueue]:
    """What the rooms are handed: the services, and the queue of a worker per device."""
    from jobs.queue import JobQueue
    from models.devices import find_devices
    from pipelines.services import build_services

    jobs = JobQueue(
        find_devices(settings),
        max_waiting=settings.queue_size,
        max_per_owner=settings.per_owner,
        keep_seconds=60 * settings.keep_minutes,
    )
    return build_services(settings), jobs


@contextlib.contextmanager
def _remembered_signatures() -> Iterator[None]:
    """Gradio asks for the signature of a component's class each time it writes one down, which took half a second."""
    signature = inspect.signature
    inspect.signature = functools.cache(signature)
    try:
        yield
    finally:
        inspect.signature = signature


@_remembered_signatures()
def launch(services: Services, jobs: JobQueue, **options: Any) -> tuple[gr.Blocks, str]:
    """Serve the page from a background thread; returns it and its address. `options` go to `build_page`.

    Raises AtelierError when the port is taken or the MCP part of gradio is not installed.
    """
    from tabs.layout import build_page
    from tabs.theme import PAGE_SCRIPT, STYLE_SHEET, make_theme

    settings = services.settings
    if settings.mcp and find_spec("mcp") is None:
        raise AtelierError('--mcp needs the MCP part of gradio. Get it with: pip install "gradio[mcp]"')
    with _without_server():
        page = build_page(services, jobs, **options)
        page.queue(api_open=False, default_concurrency_limit=8)
    try:
        _, url, _ = page.launch(
            server_name=settings.host,
            server_port=settings.port or _free_port(settings.host),
            auth=settings.auth,
            max_threads=200,  # watchers of jobs hold a slot each; the default of 40 starves the page
            max_file_size=f"{settings.max_upload_mb:g}mb",
            show_error=False,
            enable_monitoring=False,
            run_history=False,
            ssr_mode=False,
            pwa=False,
            share=False,
            _frontend=False,  # means: do not give up where a busy machine needs three seconds for the page
            mcp_server=settings.mcp,
            footer_links=["api", "settings"],
            theme=make_theme(),
            css_paths=STYLE_SHEET,
            js=PAGE_SCRIPT.read_text(encoding="utf-8"),
            app_kwargs={"routes": _routes(services, jobs)},
            prevent_thread_lock=True,
            quiet=True,
        )
    except OSError as error:
        if "empty port" not in str(error):
            raise
        raise AtelierError(f"Port {settings.port} is taken. Try another one: --port {settings.port + 1}") from None
    return page, url


@contextlib.contextmanager
def _without_server() -> Iterator[None]:
    """Gradio (6.31) makes a server for the page as laid out, one for its queue, and at the launch the one that serves.

    The first two are never used, and made the page start half a second later.
    """
    from gradio.routes import App

    create = App.create_app
    App.create_app = staticmethod(lambda *args, **kwargs: None)
    try:
        yield
    finally:
        App.create_app = staticmethod(create)


def share(page: gr.Blocks) -> str:
    """Make the public link of a page that is being served; one line that tells it, or why there is none."""
    from gradio import networking

    # The tunnel prints its whole log when it fails; one sentence is enough.
    log = io.StringIO()
    try:
        with contextlib.redirect_stderr(log), contextlib.redirect_stdout(log):
            link = networking.setup_tunnel(page.server_name, page.server_port, page.share_token, None, None)
    except Exception as error:  # no internet, a firewall, a refused download, a changed service: all end the same way
        cause = error.__cause__ or error
        reason = (str(cause).strip().splitlines() or [type(cause).__name__])[0].rstrip(".")
        return f"No public link: {reason}. The page keeps running at {page.local_url}"
    page.share, page.share_url = True, link
    return f"Public link, for up to a week: {link}"


def _free_port(host: str) -> int:
    # Gradio takes a port of 0 for its own address, so the choice is made here.
    with socket.create_server((host, 0)) as probe:
        return probe.getsockname()[1]


def _routes(services: Services, jobs: JobQueue) -> list[Any]:
    """What is answered before gradio is asked: a health check, and a "no" where gradio offers what no room needs."""
    from starlette.responses import JSONResponse
    from starlette.routing import Route

    from tabs.status import health

    async def healthz(request: Any) -> JSONResponse:
        return JSONResponse(health(services.pool, jobs))

    async def closed(request: Any) -> JSONResponse:
        return JSONResponse({"detail": "Not found"}, status_code=404)

    # Every gradio app converts uploaded screen recordings with ffmpeg, for anyone who asks.
    recording = Route("/gradio_api/process_recording", closed, methods=["POST"])
    return [Route("/healthz", healthz), recording]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
