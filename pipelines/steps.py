"""What a pipeline says while it runs, and what may be said to it.

A pipeline is a two-way generator: `command = yield Step(...)`. Progress, live preview, stop and streaming all follow
from that one form, with no globals and no callbacks. Its last yield is a `Result`.

Two rules for who writes one:

* On `Stop`, end early with a `Result(stopped=True)` that keeps what there is. A generator that is closed instead
  (`GeneratorExit` at the `yield`) has lost its owner: clean up and return nothing.
* Never `yield` inside a torch context manager (`inference_mode`, `no_grad`, `autocast`). Those switch a setting of the
  *thread*; while the generator sleeps the thread belongs to someone else. Wrap each torch step in its own `with`.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    from PIL import Image


@dataclass(frozen=True, eq=False)
class Step:
    """One step of a run is finished.

    `number` counts from 1 to `total`; `previews` are small RGB images, one per candidate, or empty when there is
    nothing new to see; `data` is whatever the room of this task wants to show (numbers, words), never tensors.
    """

    number: int
    total: int
    note: str = ""
    previews: tuple[Image.Image, ...] = ()
    data: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True, eq=False)
class Result:
    """What a run made. Every task has its own subclass with the pictures or words.

    `seconds` is wall-clock time, `model` the title of what made it, `recipe` the recipe as a dict of JSON types.
    """

    seconds: float
    model: str
    stopped: bool = False
    recipe: Mapping[str, Any] = field(default_factory=dict)


class Command:
    """Something said to a running pipeline; it arrives as the value of the pipeline's next `yield`."""


class Stop(Command):
    """Finish now and keep what there is."""


Run: TypeAlias = Generator[Step | Result, Command | None, None]
