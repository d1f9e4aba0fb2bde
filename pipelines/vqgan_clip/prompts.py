"""The grammar of prompts: `text:weight:stop | text … ^ next scene …`.

Numbers are taken from the right while they are numbers, so colons inside a text survive; `\\:`, `\\|` and `\\^` stand
for the marks themselves. Nothing is ever evaluated. After the notebooks of Katherine Crowson (2021), whose splitting
from the left failed at any text with a colon.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

from common.errors import BadRequest
from safeguards.prompts import MAX_CHARACTERS, check_prompt
from safeguards.wording import shown

NEVER = -math.inf  # the stop of a prompt that always pulls
MAX_WEIGHT = 100.0
MAX_STOP = 4.94  # π² / 2, the loss of opposite vectors
MAX_PROMPTS, MAX_SCENES = 16, 32
MAX_NOISE_SEED = 2**63 - 1

_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?|[+-]?inf(inity)?|nan", re.IGNORECASE | re.ASCII)
_ESCAPED = {"\\:": "\ue000", "\\|": "\ue001", "\\^": "\ue002"}  # private characters: no keyboard has them


@dataclass(frozen=True)
class Prompt:
    """Words, how strongly they pull (below 0 they push away), and the distance at which they stop pulling.

    `stop` is a half squared angle like the loss itself: from 0 (equal) to 4.9 (opposite), with a minus sign where the
    weight is below 0, as the loss then has. -inf never stops.
    """

    text: str
    weight: float = 1.0
    stop: float = NEVER


@dataclass(frozen=True)
class NoisePrompt:
    """A random direction of the embedding space, drawn from its own seed."""

    seed: int
    weight: float = 1.0


Scene: TypeAlias = tuple[Prompt, ...]


def parse(text: str, name: str = "prompt") -> tuple[Scene, ...]:
    """The scenes of a story, mostly one; each holds at least one prompt.

    Raises BadRequest for a text without prompts, too many of them, a weight or stop that is no finite number of
    moderate size, and a scene whose weights are all 0; Blocked for what is never made here.
    """
    check_prompt(text, name, unwanted=True)
    scenes = [_scene(part, name) for part in _hide(text).split("^")]
    scenes = [scene for scene in scenes if scene]
    if not scenes:
        raise BadRequest(f"The {name} {shown(text)} holds no words. Write what the picture should show: a red heart")
    if len(scenes) > MAX_SCENES:
        raise BadRequest(f"The {name} has {len(scenes)} scenes; at most {MAX_SCENES} are allowed.")
    for scene in scenes:
        if not any(prompt.weight for prompt in scene):
            raise BadRequest(f"All weights of {shown(scene[0].text)} are 0, so nothing would pull; give one another.")
    check_words([prompt for scene in scenes for prompt in scene], name)
    return tuple(scenes)


def check_words(prompts: Iterable[Prompt], name: str = "prompt") -> None:
    """Return in silence when these prompts may be asked for, one by one and read together."""
    prompts = list(prompts)
    for prompt in prompts:
        check_prompt(prompt.text, name, unwanted=prompt.weight < 0)
    wanted = ", ".join(prompt.text for prompt in prompts if prompt.weight > 0)
    check_prompt(wanted[:MAX_CHARACTERS], name, unwanted=not wanted)


def parse_noise(text: str) -> tuple[NoisePrompt, ...]:
    """`seed:weight | seed …`; nothing for an empty text. Raises BadRequest that names the part that is not so."""
    found = []
    for part in (part.strip() for part in text.split("|")):
        if not part:
            continue
        seed, _, weight = part.partition(":")
        if not re.fullmatch(r"\d{1,19}", seed.strip(), re.ASCII) or int(seed) > MAX_NOISE_SEED:
            raise BadRequest(f"The noise prompt {shown(part)} must be a whole number and a weight, such as 7:0.5")
        found.append(NoisePrompt(int(seed), _weight(weight, part) if weight.strip() else 1.0))
    if len(found) > MAX_PROMPTS:
        raise BadRequest(f"There are {len(found)} noise prompts; at most {MAX_PROMPTS} are allowed.")
    return tuple(found)


def wanted(text: str) -> tuple[str, str]:
    """What the first scene of prompts asks for and what it pushes away, each as one sentence, "" for nothing."""
    scene = parse(text)[0] if text.strip() else ()
    signs = ([each.text for each in scene if each.weight * sign > 0] for sign in (1, -1))
    first, second = (", ".join(texts)[:MAX_CHARACTERS] for texts in signs)
    return first, second


def write(scenes: Sequence[Scene]) -> str:
    """A text that `parse` reads as these scenes."""
    return " ^ ".join(" | ".join(map(_written, scene)) for scene in scenes)


def reweighted(scenes: Sequence[Scene], number: int, weight: float) -> tuple[Scene, ...]:
    """The scenes with another weight of prompt `number` (from 1, in each scene that has so many).

    Raises BadRequest when no scene has such a prompt.
    """
    if not any(1 <= number <= len(scene) for scene in scenes):
        most = max(map(len, scenes))
        raise BadRequest(f"There is no prompt {shown(number)}; allowed is a whole number from 1 to {most}.")
    check_weight(weight, f"prompt {number}")
    return tuple(
        tuple(replace(each, weight=weight) if place == number else each for place, each in enumerate(scene, 1))
        for scene in scenes
    )


def check_weight(weight: float, what: str) -> float:
    """`weight` if it is a finite number of moderate size. Raises BadRequest."""
    number = isinstance(weight, int | float) and not isinstance(weight, bool)
    if not number or not -MAX_WEIGHT <= weight <= MAX_WEIGHT:
        limits = f"from -{MAX_WEIGHT:g} to {MAX_WEIGHT:g}"
        raise BadRequest(f"The weight of {what} is {shown(weight)}; allowed is a number {limits}.")
    return float(weight)


def _scene(text: str, name: str) -> Scene:
    parts = [part.strip() for part in text.split("|")]
    prompts = tuple(_prompt(part) for part in parts if part)
    if len(prompts) > MAX_PROMPTS:
        raise BadRequest(f"The {name} has {len(prompts)} parts in one scene; at most {MAX_PROMPTS} are allowed.")
    return prompts


def _prompt(part: str) -> Prompt:
    pieces, numbers = part.split(":"), []
    while len(pieces) > 1 and len(numbers) < 2 and _NUMBER.fullmatch(pieces[-1].strip()):
        numbers.insert(0, pieces.pop().strip())
    text = _show(":".join(pieces).strip())
    if not text:
        raise BadRequest(f"The prompt {shown(_show(part))} has numbers but no words. Write words before the colon.")
    weight = _weight(numbers[0], text) if numbers else 1.0
    return Prompt(text, weight, _stop(numbers[1], text) if len(numbers) > 1 else NEVER)


def _weight(text: str, part: str) -> float:
    if not _NUMBER.fullmatch(text.strip()):
        raise BadRequest(f"The weight of {shown(_show(part))} is {shown(text.strip())}, which is no number.")
    return check_weight(float(text), shown(_show(part)))


def _stop(text: str, part: str) -> float:
    value = float(text)
    if math.isnan(value) or value == math.inf or (math.isfinite(value) and abs(value) > MAX_STOP):
        raise BadRequest(f"The stop of {shown(part)} is {text}; allowed is a number from -4.9 to 4.9, or -inf.")
    return value


def _written(prompt: Prompt) -> str:
    text = prompt.text
    for mark in ":|^":
        text = text.replace(mark, f"\\{mark}")
    if prompt.stop != NEVER:
        return f"{text}:{prompt.weight!r}:{prompt.stop!r}"
    return text if prompt.weight == 1 else f"{text}:{prompt.weight!r}"


def _hide(text: str) -> str:
    for written, hidden in _ESCAPED.items():
        text = text.replace(written, hidden)
    return text


def _show(text: str) -> str:
    for written, hidden in _ESCAPED.items():
        text = text.replace(hidden, written[1])
    return text
