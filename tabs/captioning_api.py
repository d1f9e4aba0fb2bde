"""The endpoint `/caption`: the captioning room for programs, over HTTP, `gradio_client` and MCP.

As in `tabs.api` gradio wants real annotations.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping
from typing import Any

import gradio as gr

from pipelines.captioning.rows import CaptionResult, CaptionRow
from tabs.api import all_of, label_arguments, owner_of, result_of
from tabs.captioning_request import make_request
from tabs.rooms import App
from tabs.widgets import refusal

NUMBERS = (
    "count", "max_tokens", "beams", "groups", "diversity", "length_penalty", "temperature", "top_p", "top_k", "min_p",
    "seed", "repetition_penalty", "no_repeat",
)  # fmt: skip
CAPTION = ("text", "words", "confidences", "log_probability")


def build_api(app: App, submit: Any) -> None:
    """Register `/caption`; `submit(app, owner, request)` gives a job id. Call it inside the Blocks."""
    # Files come in through a component, because only a component tells clients to upload them first.
    with gr.Column(visible=False):
        files = gr.File(label="files", file_count="multiple", type="filepath")
        captioners, method = gr.Textbox("", label="text"), gr.Textbox("beam", label="text")
        numbers = [gr.Number(None, label="number") for _ in NUMBERS]
        texts = [gr.Textbox("", label="text") for _ in range(4)]
        # Last, so that callers by place need not change. Tools cannot be handed several files, so they have one.
        last = [gr.Number(0.5, label="number"), gr.File(label="image", type="filepath")]
        inputs = [files, captioners, method, *numbers, *texts, *last]
        made = gr.JSON(label="Captions")
        gr.Button().click(_caption(app, submit), inputs, made, api_name="caption", concurrency_limit=None)
    label_arguments(app.page)


def _caption(app: App, submit: Any) -> Any:
    async def caption(
        request: gr.Request,
        files: list[str] | None = None,
        captioners: str = "",
        method: str = "beam",
        count: float | None = None,
        max_tokens: float | None = None,
        beams: float | None = None,
        groups: float | None = None,
        diversity: float | None = None,
        length_penalty: float | None = None,
        temperature: float | None = None,
        top_p: float | None = None,
        top_k: float | None = None,
        min_p: float | None = None,
        seed: float | None = None,
        repetition_penalty: float | None = None,
        no_repeat: float | None = None,
        required: str = "",
        opening: str = "",
        detail: str = "",
        ranker: str = "",
        blend: float = 0.5,
        image: str | None = None,
    ) -> AsyncIterator[dict]:
        """Put pictures into words, score the captions by CLIP, and pick the best one of each picture.

        What means nothing to the method is passed over; null and "" stand for the default.

        Args:
            files: the pictures: PNG, JPEG, WebP, GIF, BMP or TIFF, at most 1,000.
            captioners: names of captioners as /models lists them, up to 4 with commas between; "" for the default.
            method: how words are chosen: "beam", "diverse", "sample" or "greedy".
            count: captions of each picture by each captioner, 1 to 20; default 1.
            max_tokens: most tokens (pieces of words) in a caption, 1 to 256; default 30, detailed 80, more 160.
            beams: captions followed at the same time, 1 to 20; for beam and diverse; default 5.
            groups: groups of equal size that the beams are split into, 2 to 10; for diverse.
            diversity: what a word costs that an earlier group chose, in nats, 0 to 5; for diverse; default 0.5.
            length_penalty: exponent of the length, no unit, -2 to 3; above 1 favours long captions; default 1.
            temperature: no unit, 0.05 to 5; above 1 is bolder; for sample; default 1.
            top_p: share of probability in 0.01..1 that the likeliest words have together; for sample; default 0.9.
            top_k: how many of the likeliest words count, 0 to 1,000, 0 for all; for sample; default 0.
            min_p: least probability as a share in 0..1 of the likeliest word's; for sample; default 0.
            seed: whole number from 0 to 4,294,967,295; for sample. null for a random one, which the result tells.
            repetition_penalty: factor, 1 to 5; above 1 makes words rarer that were used already; default 1.
            no_repeat: runs of so many tokens never occur twice, 0 to 10, 0 for off; default 0.
            required: words that must occur, with commas between, at most 8; for beam.
            opening: words that the captions begin with.
            detail: "caption", "detailed" or "more", for the captioners that have it; "" for a caption.
            ranker: name of a ranker as /models lists them, for CLIPScore; "" for the default.
            blend: share of CLIPScore in the consensus, 0..1; the rest is likeness to the other captions.
            image: one more picture, for tools of the Model Context Protocol, which cannot be handed a list of files.

        Returns:
            {"rows": [{"picture" (from 0), "name", "captioner", "captions": [{"text", "words", "confidences" (0..1),
            "log_probability" (natural), "cosine" (-1..1), "clip_score" (0..2.5), "agreement" (-1..1), "consensus",
            "chosen"}] best first, "note", "error"}], "chosen": {picture: text}, "pictures", "captioned", "titles",
            "ranker", "seconds", "model", "stopped", "recipe", "notes"}. A picture that cannot be read has an "error".
        """
        given = (count, max_tokens, beams, groups, diversity, length_penalty, temperature, top_p, top_k, min_p)
        named: dict[str, Any] = dict(zip(NUMBERS, (*given, seed, repetition_penalty, no_repeat), strict=True))
        named |= {"method": method, "required": required, "opening": opening, "detail": detail, "ranker": ranker}
        named |= {"captioners": _names(captioners), "blend": blend, "seed": _typed(seed)}
        try:
            made = await asyncio.to_thread(make_request, app.services.catalog, all_of(files, image), named)
            owner = owner_of(request)
            yield answer(await result_of(app, submit(app, owner, made), owner))
        except Exception as error:
            raise refusal(error) from None

    return caption


def answer(result: CaptionResult) -> dict[str, Any]:
    """A result as JSON types."""
    told = ("pictures", "captioned", "ranker", "seconds", "model", "stopped")
    return {
        "rows": [_row(row) for row in result.rows],
        "chosen": {str(picture): each.text for picture, each in result.chosen().items()},
        **{name: getattr(result, name) for name in told},
        "titles": dict(result.titles),
        "recipe": dict(result.recipe),
        "notes": " ".join(result.notes),
    }


def _row(row: CaptionRow) -> Mapping[str, Any]:
    captions = [{**{name: getattr(each.caption, name) for name in CAPTION}, **_scores(each)} for each in row.captions]
    about = {name: getattr(row, name) for name in ("picture", "name", "captioner", "note", "error")}
    return {**about, "captions": captions}


def _scores(scored: Any) -> dict[str, Any]:
    return {name: getattr(scored, name) for name in ("cosine", "clip_score", "agreement", "consensus", "chosen")}


def _names(text: str) -> tuple[str, ...]:
    return tuple(name.strip() for name in (text or "").split(",") if name.strip())


def _typed(seed: float | None) -> str:
    # As a page sends it: empty for another one each time. 5.0 is how JSON may say 5.
    return "" if seed is None else f"{seed:.0f}" if float(seed).is_integer() else str(seed)
