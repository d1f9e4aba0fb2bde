"""What a run leaves on the wall: film, pictures by the judge's score, checkpoints, and the way on from them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import gradio as gr

from pipelines.vqgan_clip import prompts as grammar
from pipelines.vqgan_clip.interpolate import MODE as BETWEEN
from pipelines.vqgan_clip.making_of import MakingOfResult
from pipelines.vqgan_clip.run import VqganClipResult
from safeguards.admit_video import duration
from tabs.ranking import Row
from tabs.results import Results
from tabs.rooms import App
from tabs.vqgan_clip_stage import changes, curves
from tabs.widgets import served

if TYPE_CHECKING:
    from pipelines.vqgan_clip.film import FilmResult

    AnyResult = VqganClipResult | FilmResult

LAST = "Last frame"


class Outcome(Results):
    """The wall of this room. `going_on` and `as_start` are the buttons that begin a new run from what hangs here."""

    def __init__(self, app: App, room: str) -> None:
        self.checkpoints = gr.State({})
        super().__init__(app, room, "Pictures, best first")
        self.outputs += [self.film, self.moving, self.film_file, self.step, self.checkpoint, self.checkpoints]
        self.outputs += [self.going_on, self.as_start]
        self.step.input(
            lambda step, kept: gr.DownloadButton(value=kept.get(step)),
            [self.step, self.checkpoints],
            self.checkpoint,
            show_progress="hidden",
            api_visibility="private",
            queue=False,
        )

    def build_beside(self) -> None:
        """The film: a video, or a moving picture."""
        self.film = gr.Video(
            label="Film", show_label=False, visible=False, interactive=False, autoplay=True, loop=True, buttons=[],
            elem_classes="atelier-film",
        )  # fmt: skip
        self.moving = gr.Image(
            label="Film", show_label=False, visible=False, interactive=False, type="filepath", buttons=[],
            elem_classes="atelier-film",
        )  # fmt: skip

    def build_actions(self) -> None:
        """Downloads of film and checkpoint, and the ways on."""
        self.film_file = gr.DownloadButton("Download the film", size="sm", visible=False)
        self.as_start = gr.Button("Start from this picture", size="sm", visible=False)
        self.going_on = gr.Button("Continue from here", size="sm", visible=False)
        self.step = gr.Dropdown(
            [], label="Checkpoint", show_label=False, container=False, visible=False, filterable=False, min_width=130,
            elem_classes="atelier-checkpoints",
        )  # fmt: skip
        self.checkpoint = gr.DownloadButton("Download the checkpoint", size="sm", visible=False)

    def fill(self, result: AnyResult, hung: Mapping[Any, Any]) -> dict[Any, Any]:
        """The updates that show a result; `hung` are those of its pictures and the buttons."""
        film = result.path if not isinstance(result, VqganClipResult) else None
        film = None if film is None or not film.is_file() else served(film)
        is_video = film is not None and film.endswith(".mp4")
        kept = {f"step {step}": served(path) for step, path in result.checkpoints.items() if Path(path).is_file()}
        last = next(reversed(kept), None)
        has_pictures = bool(pictures_of(result))
        course = curves(result.at, result.curves) + changes(result.log)
        return {
            **hung,
            self.column: gr.Column(visible=bool(film or has_pictures)),
            self.film: gr.Video(film if is_video else None, visible=is_video),
            self.moving: gr.Image(None if is_video else film, visible=film is not None and not is_video),
            self.film_file: gr.DownloadButton(value=film, visible=film is not None),
            self.scores: f'<div class="course">{course}</div>' if course else "",
            self.checkpoints: kept,
            self.step: gr.Dropdown(list(kept), value=last, visible=bool(kept)),
            self.checkpoint: gr.DownloadButton(value=kept.get(last or ""), visible=bool(kept)),
            self.going_on: gr.Button(visible=bool(kept)),
            self.as_start: gr.Button(visible=has_pictures),
        }

    def captions(self, rows: Sequence[Row]) -> list[tuple[str, str]]:
        """A film's last frame has no score."""
        return [(row.path, row.label) for row in rows] if rows and rows[0].label == LAST else super().captions(rows)

    def columns(self, count: int) -> int:
        """One or two, for half of the wall is the film's."""
        return min(count, 2)

    def score_report(self, rows: Sequence[Row], threshold: float | None, given_up: Sequence[Row]) -> str:
        """Nothing here: captions hold the judge's scores."""
        return ""


def pictures_of(result: AnyResult) -> list[Row]:
    """The finished pictures, best first; of a film its last frame."""
    if isinstance(result, MakingOfResult):
        return pictures_of(result.made)
    if isinstance(result, VqganClipResult):
        made = [picture for picture in result.pictures if picture.path is not None]
        return [Row(str(picture.path), f"seed {picture.seed}", picture.score, 0.0, 0.0) for picture in made]
    return [Row(str(result.picture), LAST, 0.0, 0.0, 0.0)] if result.picture else []


def story(result: AnyResult) -> tuple[str, str]:
    """What was made, by what and in how long; and what else there is to say about it. Plain text."""
    picture = result.made if isinstance(result, MakingOfResult) else result
    words = []
    if isinstance(picture, VqganClipResult):
        count = len(picture.pictures)
        words.append(f"{count} picture{'s' * (count != 1)} after {picture.steps:,} steps")
    if not isinstance(result, VqganClipResult):
        length = f"{result.length:.1f} s" if result.length < 60 else duration(round(result.length))
        words.append(f"a film of {result.frames:,} frames, {length}")
    seed = result.recipe.get("seed")
    made = f"{' and '.join(words)} by {result.model} in {result.seconds:.1f} s" + (
        f", seed {seed}." if seed is not None else "."
    )
    more = list(result.notes)
    if isinstance(picture, VqganClipResult):
        judged = "judged by" if picture.fair else "scored by"
        more.insert(0, f"Pictures {judged} {picture.judge_title}.")
        more += [f"Canvas {each.index + 1} began anew at step {each.step}." for each in picture.refills]
    if scenes := getattr(result, "measures", {}).get("scenes"):
        measured = result.measures
        more.append(
            f"{scenes:.0f} scene{'s' * (scenes != 1)}; from frame to frame a pixel changes by "
            f"{100 * measured['change']:.1f} %, in the source by {100 * measured['source_change']:.1f} %."
        )
    made = made[0].upper() + made[1:]
    return ("Stopped early: " if result.stopped else "") + made, " ".join(dict.fromkeys(more))


def settings_of(result: AnyResult) -> dict[str, Any]:
    """The settings in the recipe of a result."""
    return dict(result.recipe.get("settings", {}))


def prompt_of(result: AnyResult) -> str:
    """The words that a result was made from, for the rooms that it is sent to: what its last scene asks for first."""
    settings = settings_of(result)
    if settings.get("film", {}).get("mode") == BETWEEN:
        return ""
    scenes = grammar.parse(settings["prompts"]) if str(settings.get("prompts", "")).strip() else ((),)
    return next((prompt.text for prompt in scenes[-1] if prompt.weight > 0), "")
