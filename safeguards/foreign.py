"""Prompt and seed of pictures that other programs made, from the texts those programs leave in their files."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, BinaryIO

from safeguards import comfyui, exif_text, mp4_boxes, png_chunks
from safeguards.infotext import parse_infotext

MAX_TEXT = 1024 * 1024
MAX_PROMPT = 20_000
MAX_SEED = 2**63 - 1
_WANTED = ("parameters", "invokeai_metadata", "sd-metadata", "prompt", "negative_prompt", "seed", "Comment")

# Our name of a setting, then the names that other programs give it, in the order in which they are believed.
_NAMES = {
    "steps": ("Steps", "steps", "num_inference_steps"),
    "guidance": ("CFG scale", "Distilled CFG Scale", "guidance_scale", "cfg_scale", "cfgscale", "cfg", "scale"),
    "scheduler": ("Sampler", "scheduler", "sampler_name", "sampler"),
    "width": ("width",),
    "height": ("height",),
    "model": ("Model", "base_model", "model"),
}
_NO_TEXT = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]")
_SIZES = ("Size", "resolution")


@dataclass(frozen=True)
class ForeignRecipe:
    """What another program tells about its picture.

    `source` names the program. `prompt` and `negative` are plain text of at most 20,000 characters, `seed` is None or
    0..2**63-1. `settings` has what could be understood, under our names: "steps" (int), "guidance" (float),
    "scheduler" (str, in the other program's words), "width" and "height" (int), "model" (str). `raw` has all other
    settings as written.
    """

    source: str
    prompt: str
    negative: str = ""
    seed: int | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)
    raw: Mapping[str, str] = field(default_factory=dict)


def read_foreign(file: BinaryIO, head: bytes) -> ForeignRecipe | None:
    """The recipe in an open PNG, JPEG, WebP or MP4 file, of which `head` are the first bytes; None when there is none.

    Raises DamagedFileError for a PNG or an MP4 whose texts are damaged or too large.
    """
    if head.startswith(png_chunks.SIGNATURE):
        found = png_chunks.texts(file, dict.fromkeys(_WANTED, MAX_TEXT))
        return understand({keyword: texts[0] for keyword, texts in found.items()})
    if mp4_boxes.is_mp4(head):
        return _from_comment("".join(mp4_boxes.comments(file, MAX_TEXT)[:1]))
    return understand(exif_text.texts(file, head))


def _from_comment(text: str) -> ForeignRecipe | None:
    """A film's comment: ComfyUI keeps its graph there; words of others are a prompt only when settings follow."""
    if graph := _table(text).get("prompt"):
        return _from_comfyui({"prompt": graph if isinstance(graph, str) else json.dumps(graph)})
    return _from_infotext(text) if "Steps" in parse_infotext(text).settings else None


def understand(texts: Mapping[str, str]) -> ForeignRecipe | None:
    """The recipe in the texts of a picture, by keyword; None when no program of those known wrote them."""
    readers = (_from_parameters, _from_invokeai, _from_comfyui, _from_novelai)
    return next((found for reader in readers if (found := reader(texts))), None)


def _from_parameters(texts: Mapping[str, str]) -> ForeignRecipe | None:
    """One keyword for three: SwarmUI and Fooocus put JSON where AUTOMATIC1111 puts its text."""
    text = texts.get("parameters", "").strip()
    table = _table(text)
    if "sui_image_params" in table:
        return _from_table("SwarmUI", table["sui_image_params"], negative="negativeprompt")
    if table:
        return _from_table("Fooocus", table)
    return _from_infotext(text) if text else None


def _from_invokeai(texts: Mapping[str, str]) -> ForeignRecipe | None:
    if table := _table(texts.get("invokeai_metadata", "")):
        return _from_table("InvokeAI", table, prompt="positive_prompt")
    table = _table(texts.get("sd-metadata", "")).get("image")
    return _from_old_invokeai(table) if isinstance(table, dict) else None


def _from_comfyui(texts: Mapping[str, str]) -> ForeignRecipe | None:
    text = texts.get("prompt", "").strip()
    if graph := _table(text):
        found = comfyui.find(graph)
        return _from_table("ComfyUI", found) if found else None
    # Small programs save each setting as a text of its own, the prompt in plain words.
    return _from_table("another program", texts) if text else None


def _from_novelai(texts: Mapping[str, str]) -> ForeignRecipe | None:
    table = _table(texts.get("Comment", ""))
    return _from_table("NovelAI", table, negative="uc") if {"uc", "prompt"} <= set(table) else None


def _table(text: str) -> dict[str, Any]:
    """The JSON table in `text`, or an empty one. Other programs' JSON is taken as it comes, even with NaN inside."""
    if not text.lstrip().startswith("{"):
        return {}
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}


def _from_infotext(text: str) -> ForeignRecipe:
    info = parse_infotext(text)
    app = info.settings.get("App", "")
    source = "SD.Next" if "SD.Next" in app else "Fooocus" if "Raw prompt" in info.settings else "AUTOMATIC1111"
    # Fooocus writes what its styles made of the prompt first, and the prompt that was typed among the settings.
    table = {
        **info.settings,
        "prompt": info.settings.get("Raw prompt") or info.prompt,
        "negative_prompt": info.settings.get("Raw negative prompt") or info.negative,
        "seed": info.settings.get("Seed"),
    }
    return _from_table(source, table)


def _from_old_invokeai(table: dict[str, Any]) -> ForeignRecipe:
    """InvokeAI 2 kept a list of weighted prompts, and the negative one in square brackets inside the positive one."""
    prompt = table.get("prompt")
    if isinstance(prompt, list):
        prompt = ", ".join(str(part.get("prompt", "")) for part in prompt if isinstance(part, dict))
    words = _plain(prompt)
    negative = ", ".join(re.findall(r"\[([^\[\]]*)\]", words))
    return _from_table("InvokeAI", {**table, "prompt": re.sub(r"\[[^\[\]]*\]", "", words), "negative_prompt": negative})


def _from_table(source: str, table: Any, prompt: str = "prompt", negative: str = "negative_prompt") -> ForeignRecipe:
    table = dict(table) if isinstance(table, Mapping) else {}
    settings: dict[str, Any] = {}
    for ours, theirs in _NAMES.items():
        value = next((table[name] for name in theirs if table.get(name) not in (None, "")), None)
        value = _understood(ours, value)
        if value is not None:
            settings[ours] = value
    for name in _SIZES:
        if size := re.fullmatch(r"\D{0,2}(\d{1,5})\D{1,3}(\d{1,5})\D?", str(table.get(name, ""))[:20]):
            settings["width"], settings["height"] = int(size.group(1)), int(size.group(2))
    words = {prompt, negative, "prompt", "negative_prompt", "seed"}
    raw = {_plain(name)[:100]: _plain(value) for name, value in list(table.items())[:200] if name not in words}
    return ForeignRecipe(source, _plain(table.get(prompt)), _plain(table.get(negative)), _seed(table), settings, raw)


def _understood(name: str, value: Any) -> Any:
    if name in ("scheduler", "model"):
        value = value.get("name") or value.get("model_name") if isinstance(value, dict) else value
        return _plain(value)[:200] or None if isinstance(value, str) else None
    number = _number(value)
    if number is None or (name != "guidance" and number != int(number)):
        return None
    return number if name == "guidance" else int(number)


def _number(value: Any) -> float | None:
    """A modest number from 0 up that a program wrote as a number or as its digits; None for anything else."""
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        return None
    try:
        number = float(str(value)[:40])
    except (ValueError, OverflowError):
        return None
    return number if math.isfinite(number) and 0 <= number <= 100_000 else None


def _seed(table: Mapping[str, Any]) -> int | None:
    value = table.get("seed")
    if isinstance(value, str) and re.fullmatch(r"\s*[0-9]{1,19}\s*", value):
        value = int(value)
    return value if type(value) is int and 0 <= value <= MAX_SEED else None


def _plain(value: Any) -> str:
    """`value` as text without control characters (line breaks and tabs stay) and lone surrogates."""
    if value is None:
        return ""
    try:
        text = value if isinstance(value, str) else json.dumps(value)
    except (ValueError, RecursionError):
        return ""
    return _NO_TEXT.sub("", text[:MAX_PROMPT]).strip()
