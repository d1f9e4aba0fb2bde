"""The endpoint `/vqgan_clip`: the room for programs. As in `tabs.api` gradio wants real annotations."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from typing import Any

import gradio as gr
from gradio.data_classes import FileData

from common.errors import BadRequest
from pipelines import limits
from pipelines.vqgan_clip import ranges
from pipelines.vqgan_clip.camera import rows_of
from safeguards.wording import shown
from tabs.api import label_arguments, owner_of, result_of
from tabs.rooms import App
from tabs.vqgan_clip_controls import MODES, NOT_KEPT, Controls
from tabs.vqgan_clip_forecast import learn_from
from tabs.vqgan_clip_request import AnyRequest, make
from tabs.vqgan_clip_results import pictures_of, story
from tabs.widgets import record, refusal, served

FRAMES = {"flight": "flight.frames", "between": "between.frames"}
FILM_STEPS = {"flight": "flight.steps_per_frame", "restyle": "restyle.steps_per_frame"}


def build_api(app: App, controls: Controls, submit: Any) -> None:
    """Register `/vqgan_clip`. Call it inside the Blocks, when all controls are there."""
    # Files come in through components, because only a component tells clients to upload them first.
    with gr.Column(visible=False):
        files = [gr.File(type="filepath", label=name) for name in ("start_image", "checkpoint", "video")]
        pictures = gr.File(type="filepath", file_count="multiple", label="pictures")
        words = [gr.Textbox(value, label="text") for value in ("", "picture", "", "", "")]
        numbers = [gr.Number(None, label="number") for _ in range(6)]
        inputs = [words[0], words[1], *files, pictures, words[2], words[3], *numbers[:4]]
        inputs += [gr.Number(1), words[4], *numbers[4:], gr.Textbox("0: 1.02"), record()]
        best, film = gr.Image(label="Best", format="png", type="filepath"), gr.File(label="Film")
        gr.Button().click(
            _vqgan_clip(app, controls, submit),
            inputs,
            [best, film, gr.JSON(label="Table")],
            api_name="vqgan_clip",
            concurrency_limit=None,
        )
    label_arguments(app.page)


def _vqgan_clip(app: App, controls: Controls, submit: Any) -> Any:
    async def vqgan_clip(
        request: gr.Request,
        prompt: str = "",
        mode: str = "picture",
        start_image: str | None = None,
        checkpoint: str | None = None,
        video: str | None = None,
        pictures: list[str] | None = None,
        model: str = "",
        clips: str = "",
        width: float | None = None,
        height: float | None = None,
        steps: float | None = None,
        seed: float | None = None,
        canvases: float = 1,
        film: str = "",
        fps: float | None = None,
        frames: float | None = None,
        camera: str = "0: 1.02",
        settings: dict | None = None,
    ) -> AsyncIterator[tuple[Any, Any, dict]]:
        """Optimise pictures or a film towards words (VQGAN+CLIP).

        Args:
            prompt: "text:weight | text", weights -100..100, "^" between the scenes of a story; 2,000 characters.
            mode: "picture", "flight" (a camera moves), "restyle" (a video) or "between" (from picture to picture).
            start_image: picture to start from; null for the model's usual start.
            checkpoint: .safetensors file of a run to go on from, up to `steps` in all.
            video: video to restyle: MP4, MOV, WebM, MKV, AVI or moving GIF.
            pictures: 2 to 64 pictures or checkpoints to go between, in their order.
            model: name of a vqgan model as /models lists them; "" for the default.
            clips: names of rankers to please, "|" between them; "" for the default.
            width: in pixels; null for the model's default, or for the shape of the video.
            height: in pixels; null likewise.
            steps: steps of a picture, 1 to 100,000; in "flight" and "restyle" those of each frame, 1 to 1,000.
            seed: whole number from 0; canvas k uses seed + k. null for a random one, which the result tells.
            canvases: how many pictures to paint at once, 1 to 8, ranked at the end.
            film: "mp4", "gif" or "webp"; "" for no film of a picture's making, and MP4 in the other modes.
            fps: frames a second, 1 to 120 (GIF: 50); null for 12.
            frames: of a flight, or from one picture to the next.
            camera: rows "frame: zoom, pan x %, pan y %, rotate degrees", ";" between them, each frame's move.
            settings: more settings by the names in a recipe, such as {"cuts": 16, "rate": 0.1, "restyle.pull": 2}.

        Returns:
            The best picture, or the last frame of a film, a PNG that carries its recipe.
            The film, or null.
            {"pictures": [{"file", "seed", "score" (-1..1)}] best first, "checkpoints": {step: file}, "curves": {prompt:
            [loss]}, "at": [step], "log", "seconds", "model", "stopped", "recipe", "notes"}.
        """
        given = {"prompts": prompt, "mode": mode, "model": model, "width": width, "height": height, "runs": canvases}
        given |= {"start_image": start_image, "checkpoint": checkpoint, "restyle.video": video, "film.fps": fps}
        given |= {"between.pictures": pictures, "seed": _seed(seed), "steps": steps, "frames": frames}
        given |= {"clips": [name.strip() for name in clips.split("|") if name.strip()], "film.form": film}
        try:
            made = await asyncio.to_thread(_request, app, controls, given, camera, settings)
            owner = owner_of(request)
            result = await result_of(app, submit(app, owner, made), owner)
            learn_from(app, result)
            yield await asyncio.to_thread(_answer, result)
        except Exception as error:
            raise refusal(error) from None

    return vqgan_clip


def _seed(seed: float | None) -> str:
    return "" if seed is None else f"{seed:.0f}" if float(seed).is_integer() else str(seed)


def _request(app: App, controls: Controls, given: dict[str, Any], camera: str, settings: Any) -> AnyRequest:
    """The resolved request. Raises BadRequest for a name or value that is not allowed."""
    mode, steps, frames, film = given["mode"], given.pop("steps"), given.pop("frames"), given.pop("film.form")
    if mode not in MODES:
        raise BadRequest(f"The mode is {shown(mode)}; allowed are {', '.join(MODES)}.")
    spec = limits.model(app.services.catalog, "vqgan", given["model"])
    named = controls.named([None] * len(controls.parts)) | ranges.defaults(spec) | {"width": None, "height": None}
    named |= {"film.making_of": bool(film), "film.form": film or "mp4"}
    named |= {"restyle.shape": given["width"] is None and given["height"] is None}
    if given["start_image"]:
        named["start"] = "image"
    if given["checkpoint"]:
        named["start"] = "checkpoint"
    named |= {name: value for name, value in given.items() if value is not None and (value or name not in USUAL)}
    named |= {"steps" if mode == "picture" else FILM_STEPS.get(mode, ""): steps} if steps is not None else {}
    named |= {FRAMES.get(mode, ""): _whole(frames)} if frames is not None else {}
    named["flight.camera"] = rows_of(camera)
    return make(named | _more(controls, settings), app.services)


USUAL = ("model", "clips")  # empty for the usual ones


def _whole(value: float) -> float:
    return int(value) if float(value).is_integer() else value


def _more(controls: Controls, settings: Any) -> dict[str, Any]:
    """Settings by the names of the controls. Raises BadRequest for a name that there is not."""
    if not isinstance(settings or {}, Mapping):
        raise BadRequest('The settings must be a table of names and values, such as {"cuts": 16}.')
    known = sorted(set(controls.parts) - NOT_KEPT - {"mode", "prompts", "flight.camera"})
    for name in settings or {}:
        if name not in known:
            raise BadRequest(f"There is no setting {shown(name)}; there are {', '.join(known)}.")
    return dict(settings or {})


def _answer(result: Any) -> tuple[Any, Any, dict]:
    rows = pictures_of(result)
    files = [served(row.path) for row in rows]
    table = {
        "pictures": [
            {"file": _file(file), "seed": _number(row.label), "score": row.cosine}
            for file, row in zip(files, rows, strict=True)
        ],
        "checkpoints": {str(step): _file(served(path)) for step, path in result.checkpoints.items() if path.is_file()},
        **{name: getattr(result, name) for name in ("curves", "at", "seconds", "model", "stopped")},
        **{"log": list(result.log), "recipe": dict(result.recipe), "notes": story(result)[1]},
    }
    film = getattr(result, "path", None)
    return files[0] if files else None, served(film) if film else None, table


def _number(label: str) -> int | None:
    digits = label.removeprefix("seed ")
    return int(digits) if digits.isdigit() else None


def _file(path: str) -> dict[str, Any]:
    return FileData(path=path).model_dump()
