"""The controls of the text → image room, made for the tiny models."""

from types import SimpleNamespace

import gradio as gr
import pytest

from models.catalog import Catalog
from tabs.rooms import App
from tabs.text_to_image_controls import Controls
from tabs.vqgan_clip_controls import Controls as VqganClipControls
from tests.tabs.tiny_pack import SPECS, tiny_settings


@pytest.fixture
def controls(tmp_path):
    catalog = Catalog(SPECS, tiny_settings(tmp_path))
    made = Controls(SimpleNamespace(catalog=catalog))
    with gr.Blocks():
        made.build_prompt()
        made.build_model()
        made.build_seed()
        made.build_more()
    return made


@pytest.fixture
def room(tmp_path):
    """The controls of the VQGAN+CLIP room."""
    from tabs import vqgan_clip
    from tests.tabs.tiny_pack import tiny_services

    made = VqganClipControls(tiny_services(tiny_settings(tmp_path)))
    app = App(made.services, None)
    with gr.Blocks():
        with gr.Accordion() as made.groups["inputs"]:
            vqgan_clip.build_inputs(made)
        vqgan_clip.build_desk(made)
        vqgan_clip.build_settings(app, made)
    return made


def _value_of(update):
    return update.value if hasattr(update, "value") else update


def named(controls, updates):
    """The updates by the name of their control, as plain values."""
    names = {id(part): name for name, part in controls.parts.items()}
    known = {part: update for part, update in updates.items() if id(part) in names}  # others show and hide
    return {names[id(part)]: _value_of(update) for part, update in known.items()}
