"""The endpoint `/search_images`: an image index for programs. As in `tabs.api` gradio wants real annotations."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import gradio as gr
from gradio.data_classes import FileData

from common.settings import Settings
from pipelines.image_index.request import Hit, SearchImagesResult
from safeguards.wording import file_name
from tabs.api import label_arguments, owner_of, result_of
from tabs.image_index_request import search_request
from tabs.image_index_shelf import Shelf
from tabs.rooms import App
from tabs.widgets import refusal, served


def build_api(app: App, submit: Any) -> None:
    """Register `/search_images`; `submit(app, owner, request)` gives a job id. Call it inside the Blocks."""
    # The picture comes in through a component, because only a component tells clients to upload it first.
    with gr.Column(visible=False):
        index, text = gr.Textbox("gallery", label="text"), gr.Textbox("", label="text")
        image = gr.File(label="image", type="filepath")
        share, count = gr.Number(0.5, label="number"), gr.Number(10, label="number")
        folder = gr.Textbox("", label="text")
        sides = [gr.Number(None, label="number") for _ in range(2)]
        words = [gr.Textbox("", label="text") for _ in range(5)]
        found = gr.JSON(label="Found")
        inputs = [index, text, image, share, count, folder, *sides, *words]
        gr.Button().click(_search_images(app, submit), inputs, found, api_name="search_images", concurrency_limit=None)
    label_arguments(app.page)


def _search_images(app: App, submit: Any) -> Any:
    async def search_images(
        request: gr.Request,
        index: str = "gallery",
        text: str = "",
        image: str | None = None,
        image_share: float = 0.5,
        count: float = 10,
        folder: str = "",
        least: float | None = None,
        most: float | None = None,
        has_prompt: str = "",
        since: str = "",
        until: str = "",
        words: str = "",
        ranker: str = "",
    ) -> AsyncIterator[dict]:
        """Find the pictures of an index that are like words, like a picture, or like both, and their prompts.

        Args:
            index: name of an index that was built under "Image index".
            text: what the pictures should show; "" to search by the picture alone.
            image: a picture that they should be like; null to search by the words alone.
            image_share: with both, how much the picture counts beside the words, 0..1.
            count: how many pictures to find, 1 to 500.
            folder: only pictures in this folder of the app's machine and below; "" for all.
            least: only pictures whose shorter side has at least so many pixels; null for all.
            most: only pictures whose longer side has at most so many pixels; null for all.
            has_prompt: "yes" for pictures that carry a prompt, "no" for those without; "" for both.
            since: only files changed on this day or later, such as "2026-01-31" (UTC); "" for all.
            until: only files changed on this day or before; "" for all.
            words: only pictures whose prompt has all these words; "" for all.
            ranker: name of the ranker that made the index, to be sure of it; "" for whichever did.

        Returns:
            {"hits": [{"file" (null when it is gone), "name", "location" (null on a public page), "cosine" (-1..1),
            "prompt", "program", "width", "height" (pixels), "modified" (ISO 8601), "copies", "here"}] best first,
            "prompts": [{"prompt", "cosine", "count"}] best first, "pictures" (in the index), "ranker", "seconds",
            "model", "notes"}.
        """
        named = {"image_share": image_share, "count": count, "ranker": ranker, "words": words, "has_prompt": has_prompt}
        named |= {"folder": folder, "least": least, "most": most, "since": since, "until": until}
        try:
            owner = owner_of(request)
            shelf = Shelf.of(app.services.settings, owner)
            made = await asyncio.to_thread(search_request, app.services, shelf, index, text, image, named)
            result = await result_of(app, submit(app, owner, made), owner)
            yield await asyncio.to_thread(answer, result, app.services.settings)
        except Exception as error:
            raise refusal(error) from None

    return search_images


def answer(result: SearchImagesResult, settings: Settings) -> dict[str, Any]:
    """A result as JSON types, with a copy of each picture that the page may serve."""
    return {
        "hits": [_hit(hit, settings.public) for hit in result.hits],
        "prompts": [vars(each) for each in result.prompts],
        "pictures": result.pictures,
        "ranker": result.card.ranker,
        "seconds": result.seconds,
        "model": result.model,
        "notes": " ".join(result.notes),
    }


def _hit(hit: Hit, public: bool) -> Mapping[str, Any]:
    name, here = file_name(hit.path), Path(hit.path).is_file()
    told = ("cosine", "prompt", "program", "width", "height")
    return {
        "file": FileData(path=served(hit.path), orig_name=name).model_dump() if here else None,
        "name": name,
        "location": None if public else hit.path,  # clients take a table with a "path" for a file
        **{field: getattr(hit, field) for field in told},
        "modified": hit.modified.isoformat(),
        "copies": len(hit.copies),
        "here": here,
    }
