"""Pause, resume and steer: what may be said to a run while it goes on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import gradio as gr

from common.errors import BadRequest
from pipelines.vqgan_clip.steering import Pause, Resume, Steer
from tabs.stage import notice
from tabs.watching import View, look
from tabs.widgets import guarded, known_browser, sentence, typed_number

if TYPE_CHECKING:
    from tabs.running import Runner
    from tabs.vqgan_clip_controls import Controls

TAKES = "Taken: it is done before the next step, and noted below the curves."


class Steering:
    """The buttons and the panel that show while something is painted; a `running.Companion`.

    What a run starts from is folded away meanwhile, so that the canvases stand below the button.
    """

    def __init__(self, controls: Controls) -> None:
        self._inputs = controls.groups

    def build_buttons(self) -> None:
        """Pause and resume, beside Stop."""
        self.pause = gr.Button("Pause", size="lg", visible=False, elem_classes="atelier-pause")
        self.resume = gr.Button("Resume", variant="primary", size="lg", visible=False, elem_classes="atelier-resume")

    def build_panel(self) -> None:
        """The panel with what may be changed."""
        with gr.Column(visible=False, elem_classes="atelier-steering") as self.panel:
            self.prompts = gr.Textbox(label="Prompts from here on", max_lines=4)
            with gr.Row(elem_classes="atelier-fields"):
                self.rate = gr.Number(None, label="Learning rate", placeholder="as it is", min_width=120)
                self.cuts = gr.Number(None, label="Cut-outs", placeholder="as they are", precision=0, min_width=120)
                self.pull = gr.Number(None, label="Pull to the start", placeholder="as it is", min_width=120)
                self.number = gr.Number(1, label="Prompt number", precision=0, min_width=120)
                self.weight = gr.Textbox(label="Its new weight", placeholder="as it is", max_lines=1, min_width=120)
                self.apply = gr.Button("Apply", variant="primary", elem_classes="atelier-apply", min_width=120)
            self.said = gr.HTML(visible=False)
        self._fields = [self.rate, self.cuts, self.pull, self.weight]
        self.outputs = [self.pause, self.resume, self.panel, self.prompts, *self._fields, self.said]
        self.outputs.append(self._inputs["inputs"])

    def follow(self, view: View, before: View | None) -> dict[Any, Any]:
        """Show the panel from the first step on, filled as the run stands, and the button that fits."""
        now, then = _state(view), None if before is None else _state(before)
        if now == then and before is not None:
            return {}
        going = now in ("painting", "paused")
        updates: dict[Any, Any] = {
            self.pause: gr.Button(visible=now == "painting"),
            self.resume: gr.Button(visible=now == "paused"),
            self.panel: gr.Column(visible=going),
        }
        if before is None:
            updates[self._inputs["inputs"]] = gr.Accordion(open=False)
        if going and then not in ("painting", "paused") and view.step is not None:
            updates[self.prompts] = view.step.data.get("prompts", "")
            updates |= dict.fromkeys(self._fields)
            updates[self.weight], updates[self.said] = "", gr.HTML(visible=False)
        return updates

    def rest(self) -> dict[Any, Any]:
        """Nothing runs, so nothing can be said to it."""
        hidden = gr.Button(visible=False)
        return {self.pause: hidden, self.resume: hidden, self.panel: gr.Column(visible=False)}

    def connect(self, runner: Runner) -> None:
        """Send what is pressed to the job of this browser."""
        app, quiet = runner.app, {"show_progress": "hidden", "api_visibility": "private", "concurrency_limit": None}

        @guarded
        def on_pause(memory: Any) -> dict[Any, Any]:
            """Waits at the step it is at."""
            runner.tell(memory, Pause())
            return {self.pause: gr.Button(visible=False), self.resume: gr.Button(visible=True)}

        @guarded
        def on_resume(memory: Any) -> dict[Any, Any]:
            """Goes on."""
            runner.tell(memory, Resume())
            return {self.pause: gr.Button(visible=True), self.resume: gr.Button(visible=False)}

        def on_apply(memory: Any, *values: Any) -> dict[Any, Any]:
            """Reads the panel; what differs from how the run stands is changed before its next step."""
            try:
                job = known_browser(memory)["jobs"].get(runner.room, "")
                runner.tell(memory, _change(values, look(app.jobs, job)))
            except Exception as error:  # whatever it is, the run goes on
                return {self.said: gr.HTML(notice(sentence(error)), visible=True)}
            cleared = dict.fromkeys(self._fields[:-1])
            return {**cleared, self.weight: "", self.said: gr.HTML(notice(TAKES, "plain"), visible=True)}

        self.pause.click(on_pause, app.browser, [self.pause, self.resume], **quiet)
        self.resume.click(on_resume, app.browser, [self.pause, self.resume], **quiet)
        fields = [self.prompts, self.rate, self.cuts, self.pull, self.number, self.weight]
        self.apply.click(on_apply, [app.browser, *fields], [*self._fields, self.said], **quiet)


def _state(view: View) -> str:
    if view.state != "running" or view.step is None or "prompts" not in view.step.data:
        return "waiting"  # or making a film in which nothing is painted
    return "paused" if view.step.data.get("paused") else "painting"


def _change(values: Any, view: View) -> Steer:
    """What the values of the panel change in a run as it stands. Raises BadRequest for what is not allowed."""
    prompts, rate, cuts, pull, number, weight = values
    now = view.step.data if view.step is not None else {}
    new = {
        "prompts": prompts if (prompts or "") != now.get("prompts", "") else None,
        "rate": rate if rate != now.get("rate") else None,
        "cuts": cuts if cuts != now.get("cuts") else None,
        "start_weight": pull,
    }
    weight = typed_number(weight, "weight", float)
    if weight is not None:
        new["weight"] = (number, weight)
    if all(value is None for value in new.values()):
        raise BadRequest("Nothing is changed here yet. Give at least one new value.")
    return Steer(**new)
