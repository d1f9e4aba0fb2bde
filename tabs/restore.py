"""The drop zone that brings all controls back from a picture that carries its recipe."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import gradio as gr

from safeguards.recipe import Recipe, read
from tabs.stage import notice
from tabs.widgets import sentence

if TYPE_CHECKING:
    from tabs.text_to_image_controls import Controls

TASK = "text_to_image"


def build_restore(
    restore: Callable[[str], tuple[str, dict[Any, Any]]], outputs: Sequence[Any], look: str = "atelier-drop"
) -> None:
    """Lay out the drop zone; a picture dropped anywhere on the room arrives here, too.

    `restore(path)` says what to tell about a file and gives updates of some of `outputs`; `look` are CSS classes.
    """
    zone = gr.File(
        label="Restore from a picture",
        show_label=False,
        file_count="single",
        type="filepath",
        height=72,
        elem_classes=look.split(),
    )
    said = gr.HTML(visible=False)

    def on_drop(path: str | None) -> dict[Any, Any]:
        """Reads the dropped file; fills the controls and says what came of it."""
        if path is None:
            return {said: gr.skip()}
        try:
            text, updates = restore(path)
        except Exception as error:
            return {zone: None, said: gr.HTML(notice(sentence(error)), visible=True)}
        return {**updates, zone: None, said: gr.HTML(notice(text, "plain"), visible=True)}

    zone.upload(on_drop, zone, [zone, said, *outputs], show_progress="hidden", api_visibility="private")


def restored(path: str, controls: Controls) -> tuple[str, dict[Any, Any]]:
    """What to say about the picture at `path`, and updates of the controls. Raises BadRequest when it is unsound."""
    recipe = read(path)
    if recipe is None:
        return "This picture carries no recipe, so there is nothing to restore.", {}
    if isinstance(recipe, Recipe):
        settings = {**recipe.settings, "seed": recipe.seed}
        if recipe.task != TASK:
            settings = {"prompt": settings.get("prompt")}
            return "This picture comes from another room; its prompt is restored.", controls.restored(settings)
        updates = controls.restored(settings)
        if controls.parts["model"] not in updates:
            return f"Restored, but {recipe.model} is not in this app, so your model stays.", updates
        return "All settings are restored.", updates
    settings = {"prompt": recipe.prompt, "negative": recipe.negative, "seed": recipe.seed}
    return "Made by another program: prompt and seed are restored.", controls.restored(settings)
