"""The endpoint `/image_to_prompt`: the view "Picture(s)" for programs, over HTTP, `gradio_client` and MCP.

As in `tabs.api` gradio wants real annotations.
"""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import gradio as gr

from pipelines.image_to_prompt.lists import BUILT_IN
from pipelines.image_to_prompt.rows import ImageToPromptResult
from pipelines.image_to_prompt.table import facts
from tabs.api import all_of, label_arguments, owner_of, result_of
from tabs.image_to_prompt_owned import owned
from tabs.image_to_prompt_request import NUMBERS, make_request
from tabs.rooms import App
from tabs.widgets import refusal


def build_api(app: App, submit: Any) -> None:
    """Register `/image_to_prompt`; `submit(app, owner, request)` gives a job id. Call it inside the Blocks."""
    # Files come in through components, because only components tell clients to upload them first.
    with gr.Column(visible=False):
        files = gr.File(label="files", file_count="multiple", type="filepath")
        methods, mode = gr.Textbox("interrogator", label="text"), gr.Textbox("best", label="text")
        texts = [gr.Textbox("", label="text") for _ in range(3)]
        phrases = gr.File(label="phrases", file_count="multiple", type="filepath")
        artists, index = gr.Checkbox(False, label="yes or no"), gr.Textbox("", label="text")
        prompts = gr.File(label="prompts", type="filepath")
        neighbours = gr.Number(20, label="number")
        ends = [gr.Textbox("", label="text") for _ in range(3)]
        numbers = [gr.Number(None, label="number") for _ in NUMBERS]
        vectors = gr.Checkbox(False, label="yes or no")
        inputs = [files, methods, mode, *texts, phrases, artists, index, prompts, neighbours, *ends, *numbers, vectors]
        # Last, so that callers by place need not change. Tools cannot be handed several files, so they have one.
        inputs += [gr.Textbox("", label="text"), gr.File(label="image", type="filepath")]
        made = gr.JSON(label="Prompts")
        call = _image_to_prompt(app, submit)
        gr.Button().click(call, inputs, made, api_name="image_to_prompt", concurrency_limit=None)
    label_arguments(app.page)


def _image_to_prompt(app: App, submit: Any) -> Any:
    async def image_to_prompt(
        request: gr.Request,
        files: list[str] | None = None,
        methods: str = "interrogator",
        mode: str = "best",
        captioners: str = "",
        lists: str = "",
        start: str = "",
        phrases: list[str] | None = None,
        artists: bool = False,
        index: str = "",
        prompts: str | None = None,
        neighbours: float = 20,
        head: str = "",
        weights: str = "",
        ranker: str = "",
        budget: float | None = None,
        pool: float | None = None,
        most: float | None = None,
        least: float | None = None,
        vectors: bool = False,
        column: str = "",
        image: str | None = None,
    ) -> AsyncIterator[dict]:
        """Find the words that would make a picture, by one method or several side by side.

        A prompt that a generator wrote into a file is always read, and comes first as the method "metadata".

        Args:
            files: the pictures: PNG, JPEG, WebP, GIF, BMP or TIFF, at most 1,000.
            methods: some of "interrogator", "caption", "nearest", "zero_image", "regression", "ensemble", with commas.
            mode: of the interrogator: "best", "fast", "classic", "negative" or "analyse".
            captioners: names of captioners as /models lists them, up to 4 with commas between; "" for the default.
            lists: built-in lists of phrases, with commas between; "" for all, "none" for none.
            start: what the interrogator's prompt begins with; "" lets the captioner or the lists begin.
            phrases: lists of your own: .txt with a phrase a line, .csv with a column "phrase", or .json; at most 20.
            artists: whether phrases may name artists.
            index: name of an image index, for "nearest"; "" where `prompts` is given.
            prompts: a file of prompts (.csv, .tsv, .jsonl or .parquet), for "nearest"; null where `index` is given.
            neighbours: how many neighbours count for "nearest", 1 to 500.
            head: name of the regression head, for "regression".
            weights: of the ensemble, such as "interrogator = 0.6, nearest = 0.4"; "" weighs all evenly.
            ranker: name of a ranker as /models lists them; "" for the default.
            budget: tokens that the interrogator's prompt may have, 8 to 512; null for all that the ranker reads.
            pool: phrases compared at each step, 1 to 500,000; null for what suits the ranker.
            most: phrases at most, 1 to 64; null for what suits the ranker.
            least: phrases at least, 0 to 64; the best prompt on the way is kept; null for what suits the ranker.
            vectors: whether to return each answer's vector in the space of all-MiniLM-L6-v2, too.
            column: of the prompts in the file `prompts`; "" to look for one with a usual name.
            image: one more picture, for tools of the Model Context Protocol, which cannot be handed a list of files.

        Returns:
            {"rows": [{"picture" (from 0), "name", "method" ("caption:NAME" for a captioner), "prompt", "cosine" (-1..1,
            by the ranker), "seconds", "exact", "negative" (what is not there), "grown": {"text", "cosine", "start",
            "terms": [{"phrase", "kind" (its list), "gain" (cosine, when added), "loss" (cosine, when left out)}],
            "curve", "tokens", "limit"} or null,
            "others": [{"text", "cosine"}] best first, "found": {list: [{"phrase", "kind", "cosine", "share" (0..1)}]},
            "note", "error", "vector" (384 numbers or null)}], "pictures", "answered", "ranker", "sources": [[list,
            source, licence]], "seconds", "model", "stopped", "recipe", "notes"}. Without a prompt there is an "error".
        """
        owner = owner_of(request)
        given = dict(zip(NUMBERS, (budget, pool, most, least), strict=True))
        named: dict[str, Any] = {name: _whole(value) for name, value in given.items()}
        named |= {"methods": _names(methods), "mode": mode, "captioners": _names(captioners), "start": start}
        named |= {"lists": _lists(lists), "artists": artists, "weights": weights}
        named |= {"column": column, "neighbours": neighbours}
        settings = app.services.settings
        named |= {"ranker": ranker, "index": owned(settings, owner, index), "head": owned(settings, owner, head)}
        try:
            paths = all_of(files, image)
            made = await asyncio.to_thread(make_request, app.services.catalog, paths, named, phrases, prompts)
            yield answer(await result_of(app, submit(app, owner, made), owner), bool(vectors))
        except Exception as error:
            raise refusal(error) from None

    return image_to_prompt


def answer(result: ImageToPromptResult, vectors: bool = False) -> dict[str, Any]:
    """A result as JSON types."""
    told = ("pictures", "answered", "ranker", "seconds", "model", "stopped")
    rows = []
    for row in result.rows:
        vector = row.vector.tolist() if vectors and row.vector is not None else None
        rows.append({**facts(row), "vector": vector} if vectors else facts(row))
    return {
        "rows": rows,
        **{name: getattr(result, name) for name in told},
        "sources": [list(each) for each in result.sources],
        "recipe": dict(result.recipe),
        "notes": " ".join(result.notes),
    }


def _lists(text: str) -> tuple[str, ...]:
    return () if text.strip() == "none" else _names(text) or BUILT_IN


def _names(text: str) -> tuple[str, ...]:
    return tuple(name.strip() for name in (text or "").split(",") if name.strip())


def _whole(value: float | None) -> Any:
    """JSON may say 5.0 for 5; None stays."""
    return int(value) if value is not None and float(value).is_integer() else value
