"""The `parameters` text: prompt, "Negative prompt:" and one line of settings.

AUTOMATIC1111's web UI began it; SD.Next, Forge, Fooocus, Civitai and many others write it too. No standard describes
it, so this reader goes by what is found in real files: prompts of many lines, values in quotes with commas and escapes
inside, unquoted JSON lists, settings that go on over more lines, and prompts without any settings.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from safeguards.recipe import Recipe

NEGATIVE = "Negative prompt:"
MAX_SETTINGS = 200
MAX_SETTINGS_TEXT = 64 * 1024  # characters; the longest real ones, with all resources listed, have a few thousand
_KNOWN = {
    "steps",
    "sampler",
    "cfg scale",
    "seed",
    "size",
    "model",
    "model hash",
    "schedule type",
    "clip skip",
    "version",
}
_NAME = re.compile(r"\s*(\w[\w \-/.]{0,60}):[ \t]*")
_END = re.compile(r"[,\n]")
_STEPS_LINE = re.compile(r"^[ \t]*Steps: ?\d+[ \t]*(,|$)", re.MULTILINE)
# Some editors put everything on one line; then only a run of settings as unlikely in prose as this one is trusted.
_STEPS_INLINE = re.compile(r"(?<=\s)Steps: ?\d+, ?(?:Sampler|Size|Seed|CFG scale): ")


@dataclass(frozen=True)
class Infotext:
    """What such a text says. `settings` has the names and values as written, without the quotes around values."""

    prompt: str
    negative: str = ""
    settings: dict[str, str] = field(default_factory=dict)


def parse_infotext(text: str) -> Infotext:
    """Take the text apart. Never fails: a text without recognisable settings is a prompt."""
    text = text.replace("\r\n", "\n").strip()
    start = _settings_start(text)
    words, settings = text[:start], parse_settings(text[start:])
    lines = [line.strip() for line in words.strip().split("\n")]
    marks = [index for index, line in enumerate(lines) if line.startswith(NEGATIVE)]
    if marks:
        prompt = lines[: marks[0]]
        negative = [line.removeprefix(NEGATIVE).strip() for line in lines[marks[0] :]]
        return Infotext("\n".join(prompt).strip(), "\n".join(negative).strip(), settings)
    if start < len(text) and not words.endswith("\n") and NEGATIVE in words:
        # Everything on one line: the last mention of the negative prompt is where it begins.
        before, _, after = words.rpartition(NEGATIVE)
        return Infotext(before.strip(), after.strip(), settings)
    return Infotext("\n".join(lines).strip(), "", settings)


def _settings_start(text: str) -> int:
    """Where the settings begin: the last line "Steps: 20, ...", or a last line of settings; else the text's length."""
    if lines := list(_STEPS_LINE.finditer(text)):
        return lines[-1].start()
    last = text.rfind("\n") + 1
    names = {name.lower() for name in parse_settings(text[last:])} if _NAME.match(text, last) else set()
    if (len(names) >= 3 and names & _KNOWN) or ((len(names) == 2 or names & {"steps", "seed"}) and names <= _KNOWN):
        return last
    if inline := list(_STEPS_INLINE.finditer(text)):
        return inline[-1].start()
    return len(text)


def parse_settings(line: str) -> dict[str, str]:
    """Names and values of `Name: value, Name: "value, with comma", Name: [{"json": 1}]`; the last of equal names wins.

    Commas and line breaks part the settings. Words between them that are not a setting are passed over.
    """
    line = line[:MAX_SETTINGS_TEXT]
    found: dict[str, str] = {}
    position = 0
    while position < len(line) and len(found) < MAX_SETTINGS:
        name = _NAME.match(line, position)
        if name:
            value, position = _value(line, name.end())
            found[name.group(1).strip()] = value
        position = _separator(line, position) + 1
    return found


def _value(line: str, start: int) -> tuple[str, int]:
    """The value that begins at `start` and where it ends: a JSON string or structure as a whole, else to the comma."""
    if line[start : start + 1] in ('"', "[", "{"):
        try:
            value, end = json.JSONDecoder(strict=False).raw_decode(line, start)
            # What follows must end the setting, or this was no JSON: `"a" and "b"` is plain words.
            if line[end:].lstrip(" ")[:1] in ("", ",", "\n"):
                return (value if isinstance(value, str) else line[start:end]), end
        except (ValueError, RecursionError):
            pass
    end = _separator(line, start)
    return line[start:end].strip(), end


def _separator(line: str, start: int) -> int:
    end = _END.search(line, start)
    return end.start() if end else len(line)


def write_infotext(recipe: Recipe) -> str:
    """The `parameters` text of a recipe, so that other programs can restore its prompt, seed and main settings."""
    settings = recipe.settings
    size = f"{settings['width']}x{settings['height']}" if {"width", "height"} <= set(settings) else None
    pairs = {
        "Steps": settings.get("steps"),
        "Sampler": settings.get("scheduler"),
        "CFG scale": settings.get("guidance"),
        "Seed": recipe.seed,
        "Size": size,
        "Model": recipe.model,
        "Version": "CLIP Atelier",
    }
    line = ", ".join(f"{name}: {_quoted(value)}" for name, value in pairs.items() if value not in (None, ""))
    negative = f"{NEGATIVE} {settings['negative']}" if settings.get("negative") else ""
    return "\n".join(part for part in (str(settings.get("prompt", "")), negative, line) if part)


def _quoted(value: object) -> str:
    text = str(value)
    return json.dumps(text, ensure_ascii=False) if any(c in text for c in ',:\n"') else text
