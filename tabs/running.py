"""Run, stop and come back: what the primary button of every room does.

The handler submits a job and watches it. The visitor's browser remembers the job's id and the settings, so a page that
was refreshed, or a phone that slept, finds both again.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, Any, Protocol

import gradio as gr

from common.errors import AtelierError
from safeguards.quota import keep_within, output_path
from safeguards.zips import zip_files
from tabs import stage as wall
from tabs.ranking import Row
from tabs.results import Results
from tabs.rooms import App, Parcel
from tabs.visits import is_mine, on_coming_back
from tabs.watching import View, leave, watch
from tabs.widgets import guarded, known_browser, sentence

if TYPE_CHECKING:
    from gradio.components import Component

    from pipelines.steps import Command, Result

Updates = dict[Any, Any]
Story = tuple[str, str]  # the sentence about a result, and what else there is to say about it


# What is shown in a room that is just being laid out may be lost (gradio 6.31), so a page that was opened a moment ago
# takes each look at a job for the first one.
SETTLED_SECONDS = 5.0


class Companion(Protocol):
    """What a room shows beside a running job: `outputs` are its components.

    `follow` gives their updates from one look at the job to the next (None before the first), `rest` those of a room
    in which nothing runs.
    """

    outputs: list[Any]

    def follow(self, view: View, before: View | None) -> Updates: ...

    def rest(self) -> Updates: ...


class Runner:
    """Connects a room's buttons, its stage and its results with its jobs.

    `draw(view, loading)` is the HTML of a job that waits or runs, `companion` what else a room shows meanwhile.
    """

    def __init__(
        self,
        app: App,
        room: str,
        run: gr.Button,
        stop: gr.Button,
        stage: gr.HTML,
        results: Results,
        draw: Callable[[View, str], str] = wall.progress,
        companion: Companion | None = None,
    ) -> None:
        self.app, self.room = app, room
        self.run, self.stop, self.stage, self.results = run, stop, stage, results
        self._draw, self._companion = draw, companion
        beside = [] if companion is None else companion.outputs
        self.outputs: list[Component] = [run, stop, stage, *results.outputs, *beside]

    def connect(
        self,
        submit: Callable[..., Awaitable[str]],
        on_result: Callable[[Result], Updates],
        inputs: Sequence[Component],
        extra: Sequence[Component] = (),
        remember: Callable[[Sequence[Any]], Mapping[str, Any]] | None = None,
    ) -> None:
        """`submit(owner, *values of inputs)` gives a job id; `on_result(result)` updates `outputs` and `extra`.

        `remember(values)` gives the settings to keep in the browser until the next visit.
        """
        browser, parcel = self.app.browser, self.results.parcel
        outputs = [browser, *self.outputs, *extra]

        async def on_run(memory: Any, before: Parcel | None, *values: Any) -> AsyncIterator[Updates]:
            """Reads every control of the room; fills the stage while the job runs, then the wall."""
            memory = known_browser(memory)
            try:
                job_id = await submit(memory["owner"], *values)
            except Exception as error:  # whatever it is, it must not cost the visitor what already hangs there
                yield self._failed(sentence(error), before)
                return
            memory["jobs"][self.room] = job_id
            memory["settings"][self.room] = dict(remember(values)) if remember else {}
            fresh = gr.Button("Stop", visible=True, interactive=True)
            yield {browser: memory, **self._busy(View("waiting")), self.stop: fresh}
            async for updates in self._watch(job_id, memory["owner"], on_result, before):
                yield updates

        async def on_return(memory: Any) -> AsyncIterator[Updates]:
            """A page was opened: show the job that this browser started last, if it is still known."""
            memory = known_browser(memory)
            if not is_mine(self.app.jobs, memory, self.room):
                return
            job_id, settled = memory["jobs"][self.room], monotonic() + SETTLED_SECONDS
            async for updates in self._watch(job_id, memory["owner"], on_result, None, settled):
                yield updates

        @guarded
        async def on_stop(memory: Any) -> Updates:
            """Ends the job of this browser; the run's own handler then shows what there is."""
            memory = known_browser(memory)
            if job_id := memory["jobs"].get(self.room):
                self.app.jobs.stop(job_id, owner=memory["owner"])
            return {self.stop: gr.Button("Stopping …", interactive=False)}

        quiet = {"show_progress": "hidden", "api_visibility": "private", "concurrency_limit": None}
        self.run.click(on_run, [browser, parcel, *inputs], outputs, **quiet)
        self.stop.click(on_stop, browser, self.stop, **quiet)
        on_coming_back(self.app, self.room, on_return, outputs)

    def tell(self, memory: Any, command: Command) -> None:
        """Say something to the job that this browser started last. Raises BadRequest when it is not known any more."""
        memory = known_browser(memory)
        self.app.jobs.command(memory["jobs"].get(self.room, ""), command, owner=memory["owner"])

    def hang(
        self, rows: Sequence[Row], prompt: str, threshold: float | None, story: Story, given_up: Sequence[Row] = ()
    ) -> Updates:
        """The updates that show a result: its rows, what is told about it, and the buttons at rest."""
        settings = self.app.services.settings
        folder = Path(settings.output) / "zips"
        archive = None
        if len(rows) > 1:
            folder.mkdir(parents=True, exist_ok=True)
            # Named by us, never after an upload: two visitors' files may both be called image.png.
            archive = zip_files([Path(row.path) for row in rows], output_path(folder, ".zip"))
            keep_within(Path(settings.output), settings.output_quota_gb * 1e9, [archive])
        return {
            **self._rest(),
            self.stage: gr.HTML(wall.notice(story[0], "plain", story[1]), visible=True),
            **self.results.show(rows, prompt, threshold, archive, given_up),
        }

    async def _watch(
        self,
        job_id: str,
        owner: str,
        on_result: Callable[[Result], Updates],
        before: Parcel | None,
        settled: float = 0.0,
    ) -> AsyncIterator[Updates]:
        view, seen = View("waiting"), None
        try:
            async for view in watch(self.app.jobs, job_id):
                if view.state == "done":
                    yield await asyncio.to_thread(on_result, view.result)
                elif view.ended:
                    yield self._failed(view.error or "This job was taken out of the queue.", before)
                else:
                    yield await asyncio.to_thread(self._busy, view, seen)
                seen = view if monotonic() > settled else None
        except AtelierError as error:
            yield self._failed(str(error), before)
        finally:
            if not view.ended:
                leave(self.app.jobs, job_id, owner)

    def _busy(self, view: View, seen: View | None = None) -> Updates:
        return {
            self.run: gr.Button(visible=False),
            self.stop: gr.Button(visible=True),
            self.stage: gr.HTML(self._draw(view, self._loading()), visible=True),
            **self.results.hide(),
            **({} if self._companion is None else self._companion.follow(view, seen)),
        }

    def _rest(self) -> Updates:
        beside = {} if self._companion is None else self._companion.rest()
        return {self.run: gr.Button(visible=True), self.stop: gr.Button(visible=False), **beside}

    def _failed(self, text: str, before: Parcel | None) -> Updates:
        shown = gr.HTML(wall.notice(text), visible=True)
        return {**self._rest(), self.stage: shown, **self.results.again(before)}

    def _loading(self) -> str:
        for model in self.app.services.pool.status():
            if model.state == "loading":
                return f"Loading {model.title}, {100 * model.progress:.0f} %"
        return ""
