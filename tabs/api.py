"""The named endpoints: the rooms for programs, over HTTP, `gradio_client` and MCP.

Gradio makes the schema from signature and docstring, and wants real annotations: no `from __future__` here. Endpoints
are generators of one value because only a generator ends when its caller goes away; its job ends with it.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any

import gradio as gr
from gradio.data_classes import FileData
from gradio.utils import get_function_description, get_function_params

from common.errors import AtelierError
from pipelines.text_to_image import TextToImageRequest
from tabs import rank_images as ranking_room
from tabs import text_to_image as making_room
from tabs.ranking import Row
from tabs.rooms import App
from tabs.text_to_image_controls import FIELDS
from tabs.watching import finished
from tabs.widgets import guarded, refusal, served


def build_api(app: App) -> None:
    """Register `/text_to_image`, `/rank_images` and `/models`. Call it inside the Blocks."""
    gr.api(_text_to_image(app), api_name="text_to_image", concurrency_limit=None)
    label_arguments(app.page)
    gr.api(_models(app), api_name="models", concurrency_limit=None)
    # Pictures come in through a component, because only a component tells clients to upload them first.
    with gr.Column(visible=False):
        files = gr.File(label="Pictures", file_count="multiple", type="filepath")
        prompt = gr.Textbox(label="Prompt")
        ranker = gr.Textbox("", label="Ranker")
        threshold = gr.Number(None, label="Threshold")
        # Tools cannot be handed several files, so they have one.
        image = gr.File(label="Picture", type="filepath")
        best, table = gr.Image(label="Best", format="png", type="filepath"), gr.JSON(label="Ranking")
        gr.Button().click(
            _rank_images(app),
            [files, prompt, ranker, threshold, image],
            [best, table],
            api_name="rank_images",
            concurrency_limit=None,
        )
    label_arguments(app.page)


def label_arguments(page: gr.Blocks) -> None:
    """Give the arguments of the newest endpoint the words of its docstring."""
    # On its API page Gradio would call the arguments of the newest endpoint "1st", "2nd"; its docstring has words.
    newest = page.fns[max(page.fns)]
    described = get_function_description(newest.fn)[1]
    for component, (name, *_) in zip(newest.inputs, get_function_params(newest.fn), strict=True):
        component.label = described[name]


def _text_to_image(app: App) -> Any:
    async def text_to_image(
        request: gr.Request,
        prompt: str,
        negative: str = "",
        model: str = "",
        candidates: int = 4,
        width: int | None = None,
        height: int | None = None,
        steps: int | None = None,
        guidance: float | None = None,
        scheduler: str = "",
        seed: int | None = None,
        ranker: str = "",
        fast_ranking: bool = True,
        threshold: float | None = None,
    ) -> tuple[dict, dict]:
        """Make pictures of a prompt and rank them by CLIP.

        Args:
            prompt: what to show, at most 2,000 characters.
            negative: what not to show; "" for nothing.
            model: name of a text_to_image model as /models lists them; "" for the default.
            candidates: how many pictures to make, 1 to 16.
            width: in pixels; null for the model's default. Limits are in /models.
            height: in pixels; null for the model's default.
            steps: denoising steps; null for the model's default.
            guidance: classifier-free guidance scale, no unit; null for the model's default.
            scheduler: name of a scheduler as /models lists them; "" for the model's default.
            seed: whole number from 0; candidate k uses seed + k. null for a random one, which the result tells.
            ranker: name of a ranker as /models lists them; "" for the default.
            fast_ranking: from 4 candidates on, give up the weaker ones early; the better half, at most 4, is finished.
            threshold: cosine in -1..1 below which a picture fails; null for none.

        Returns:
            The best picture, a PNG that carries its recipe.
            {"candidates": [{"file", "seed", "cosine" (-1..1), "clip_score" (0..2.5), "share" (0..1), "passes"}] best
            first, "best", "mean", "spread" (cosines), "seconds", "model", "stopped", "recipe", "notes", "dropped":
            [{"seed", "cosine" at that time, "dropped_at" (step)}]}.
        """
        values = (negative, model, candidates, width, height, steps, guidance, scheduler, seed)
        named = dict(zip(FIELDS, (prompt, *values, ranker, fast_ranking, threshold), strict=True))
        try:
            made = await asyncio.to_thread(_request, app, named)
            owner = owner_of(request)
            result = await result_of(app, making_room.submit(app, owner, made), owner)
            rows, extra = making_room.rows_of(result.candidates), [{"seed": item.seed} for item in result.candidates]
            best, table = await asyncio.to_thread(_answer, rows, extra, result, making_room.story(result)[1])
            told = ("seed", "cosine", "dropped_at")
            dropped = [{name: getattr(item, name) for name in told} for item in result.dropped]
            yield best, {**table, "dropped": dropped}
        except Exception as error:
            raise refusal(error) from None

    return text_to_image


def _request(app: App, named: Mapping[str, Any]) -> Any:
    return TextToImageRequest(**named).resolve(app.services.catalog)


def _rank_images(app: App) -> Any:
    async def rank_images(
        request: gr.Request,
        files: list[str] | None = None,
        prompt: str = "",
        ranker: str = "",
        threshold: float | None = None,
        image: str | None = None,
    ) -> AsyncIterator[tuple[Any, dict]]:
        """Rank pictures by how well CLIP finds that they show a prompt.

        Args:
            files: the pictures: PNG, JPEG, WebP, GIF, BMP or TIFF.
            prompt: what they should show.
            ranker: name of a ranker as /models lists them; "" for the default.
            threshold: cosine in -1..1 below which a picture fails; null for none.
            image: one more picture, for tools of the Model Context Protocol, which cannot be handed a list of files.

        Returns:
            The best picture.
            {"candidates": [{"file", "name", "cosine" (-1..1), "clip_score" (0..2.5), "share" (0..1), "passes"}] best
            first, "best", "mean", "spread" (cosines), "seconds", "model", "stopped", "recipe", "notes"}.
        """
        try:
            paths = all_of(files, image)
            made = await asyncio.to_thread(ranking_room.make_request, app, paths, prompt, ranker, threshold)
            owner = owner_of(request)
            result = await result_of(app, ranking_room.submit(app, owner, made), owner)
            rows = ranking_room.rows_of(result)
            extra = [{"name": row.label} for row in rows]
            best, table = await asyncio.to_thread(_answer, rows, extra, result, ranking_room.story(result)[1])
            yield best["path"], table
        except Exception as error:
            raise refusal(error) from None

    return rank_images


def _models(app: App) -> Any:
    @guarded
    def models() -> list[dict]:
        """List the models of this app, with the limits and defaults of their controls.

        Returns:
            [{"name", "title", "role", "pack", "licence", "here" (files are on this machine), "download_mb",
            "memory_mb", "controls": {name: {"minimum", "maximum", "step", "default"} or [words]}}].
        """
        catalog = app.services.catalog
        return [
            {
                "name": spec.name,
                "title": spec.title,
                "role": spec.role,
                "pack": spec.pack,
                "licence": spec.licence,
                "here": catalog.is_available(spec),
                "download_mb": spec.download_mb,
                "memory_mb": spec.memory_mb,
                "controls": {k: list(v) if isinstance(v, tuple) else vars(v) for k, v in spec.controls.items()},
            }
            for spec in catalog.all()
        ]

    return models


async def result_of(app: App, job_id: str, owner: str) -> Any:
    """The result of a job, once it has ended. Raises AtelierError when there is none."""
    view = await finished(app.jobs, job_id, owner)
    if view.state != "done":
        raise AtelierError(view.error or "This job was taken out of the queue.")
    return view.result


def _answer(rows: Sequence[Row], extra: Sequence[Mapping[str, Any]], result: Any, notes: str) -> tuple[Any, dict]:
    files = [FileData(path=served(row.path), orig_name=row.label, mime_type="image/png").model_dump() for row in rows]
    measured, ranked = ("cosine", "clip_score", "share", "passes"), zip(files, rows, extra, strict=True)
    table = {
        "candidates": [
            {"file": file, **more, **{name: getattr(row, name) for name in measured}} for file, row, more in ranked
        ],
        **{name: getattr(result, name) for name in ("best", "mean", "spread", "seconds", "model", "stopped")},
        **{"recipe": dict(result.recipe), "notes": notes},
    }
    return files[0], table


def all_of(files: Sequence[str] | None, one: str | None) -> list[str]:
    """The files of a call: a list, and the one that tools are handed because they cannot be handed a list."""
    return [*(files or ()), *([one] if one else ())]


def owner_of(request: gr.Request | None) -> str:
    """The owner of the jobs of a program's session."""
    return f"api-{getattr(request, 'session_hash', None) or 'mcp'}"
