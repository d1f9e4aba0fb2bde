"""What may be said to a run while it works, and the log from which it can be made again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Any

from common.errors import BadRequest
from pipelines import limits
from pipelines.steps import Command
from pipelines.vqgan_clip import prompts as grammar
from pipelines.vqgan_clip import ranges
from safeguards.wording import shown

if TYPE_CHECKING:
    from pipelines.vqgan_clip.request import VqganClipRequest

MAX_CHANGES = 200  # a recipe has no room for more


@dataclass(frozen=True)
class Steer(Command):
    """Change settings before the next step; None leaves one as it is. Checks itself when made.

    `prompts` replaces all words; `weight` is (number of a prompt from 1, its new weight); the others as in the request,
    `cuts` for all steps to come. Raises BadRequest for a value that is not allowed, Blocked for a prompt that is not.
    """

    prompts: str | None = None
    weight: tuple[int, float] | None = None
    rate: float | None = None
    cuts: int | None = None
    start_weight: float | None = None
    tv: float | None = None
    noise: float | None = None
    augment: float | None = None

    def __post_init__(self) -> None:
        if not self.changes():
            raise BadRequest("Nothing is to be changed. Give at least one new value.")
        for name, value in self.changes().items():
            if name == "prompts":
                grammar.parse(value)
            elif name == "weight":
                object.__setattr__(self, "weight", _weight(value))
            elif name == "cuts":
                object.__setattr__(self, "cuts", ranges.cut_count(value))
            else:
                object.__setattr__(self, name, ranges.number(name, value))

    def changes(self) -> dict[str, Any]:
        """What is to be changed, by name."""
        named = {each.name: getattr(self, each.name) for each in fields(self)}
        return {name: value for name, value in named.items() if value is not None}


class Pause(Command):
    """Wait at this step until `Resume` or `Stop`; changes are taken meanwhile. The device stays taken."""


class Resume(Command):
    """Go on after a `Pause`."""


def entry(step: int, change: Steer) -> dict[str, Any]:
    """A line of the log, plain JSON: `change` was made when `step` steps were done."""
    plain = {name: list(value) if isinstance(value, tuple) else value for name, value in change.changes().items()}
    return {"step": step, **plain}


def steered(request: VqganClipRequest, change: Steer) -> VqganClipRequest:
    """A resolved request after a change. Raises BadRequest for the weight of a prompt that it does not have."""
    new = change.changes()
    if "cuts" in new:
        new["cuts_end"] = new["cuts"]
    if "weight" in new:
        number, weight = new.pop("weight")
        words = new.get("prompts", request.prompts)
        if not words.strip():
            raise BadRequest(f"There is no prompt {number}, for this run has no words.")
        new["prompts"] = grammar.write(grammar.reweighted(grammar.parse(words), number, weight))
        grammar.parse(new["prompts"])  # all weights may be 0 now
    return replace(request, **new)


def difference(old: VqganClipRequest, new: VqganClipRequest) -> Steer | None:
    """The change that leads from one resolved request to another, as far as it can be steered; None for nothing."""
    names = [each.name for each in fields(Steer) if each.name not in ("weight", "cuts")]
    changed = {name: getattr(new, name) for name in names if getattr(new, name) != getattr(old, name)}
    if (old.cuts, old.cuts_end) != (new.cuts, new.cuts_end) and new.cuts == new.cuts_end:
        changed["cuts"] = new.cuts
    if not new.prompts.strip():
        changed.pop("prompts", None)  # a change cannot take all words away
    return Steer(**changed) if changed else None


def read_log(log: Sequence[Mapping[str, Any]]) -> tuple[dict[str, Any], ...]:
    """The log with every line checked, in order of steps. Raises BadRequest for one that `entry` would not write."""
    if len(log) > MAX_CHANGES:
        raise BadRequest(f"The log has {len(log):,} changes; at most {MAX_CHANGES} are allowed.")
    return tuple(entry(*_read(line)) for line in sorted(log, key=lambda line: _read(line)[0]))


def logged(log: Sequence[Mapping[str, Any]], step: int) -> list[Steer]:
    """The changes of the log that are due when `step` steps are done."""
    return [change for due, change in map(_read, log) if due == step]


def _read(line: Mapping[str, Any]) -> tuple[int, Steer]:
    known = {each.name for each in fields(Steer)}
    if not isinstance(line, Mapping) or "step" not in line or set(line) - known - {"step"}:
        names = ", ".join(sorted(known))
        raise BadRequest(f"A line of the log is {shown(line)}; it must hold a step and some of: {names}.")
    change = Steer(**{name: value for name, value in line.items() if name != "step"})
    return limits.whole("step of a logged change", line["step"], 0, 10**9), change


def _weight(value: Any) -> tuple[int, float]:
    if not isinstance(value, tuple | list) or len(value) != 2:
        raise BadRequest(f"The new weight is {shown(value)}; it must be the number of a prompt and a weight.")
    number = limits.whole("number of the prompt", value[0], 1, grammar.MAX_PROMPTS)
    return number, grammar.check_weight(value[1], f"prompt {number}")
