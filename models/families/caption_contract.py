"""What every captioner is asked and what it answers: the contract of the role "captioner"."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, ClassVar

from common.errors import BadRequest
from models.spec import Range

if TYPE_CHECKING:
    from PIL.Image import Image
    from torch import Tensor

METHODS = ("beam", "diverse", "sample", "greedy")
DETAILS = ("caption", "detailed", "more")
# Limits of the numerical settings, both ends allowed, and their defaults; the room's sliders are made from it.
LIMITS = {
    "beams": Range(1, 20, 1, 5),
    "groups": Range(1, 10, 1, 1),
    "diversity": Range(0.0, 5.0, 0.1, 0.5),
    "length_penalty": Range(-2.0, 3.0, 0.1, 1.0),
    "temperature": Range(0.05, 5.0, 0.05, 1.0),
    "top_p": Range(0.01, 1.0, 0.01, 0.9),
    "top_k": Range(0, 1000, 1, 0),
    "min_p": Range(0.0, 1.0, 0.01, 0.0),
    "seed": Range(0, 2**32 - 1, 1, 0),
    "count": Range(1, 20, 1, 1),
    "max_tokens": Range(1, 256, 1, 30),
    "repetition_penalty": Range(1.0, 5.0, 0.05, 1.0),
    "no_repeat": Range(0, 10, 1, 0),
}
MOST_REQUIRED, LONGEST_TEXT = 8, 200  # words that must occur, and characters of each and of the opening
TOKENS = {"caption": 30, "detailed": 80, "more": 160}  # `max_tokens` by detail, unless told otherwise
# What our own search does for any model.
EVERYWHERE = frozenset((*LIMITS, "method", "required", "opening", "done_list"))


@dataclass(frozen=True)
class Decoding:
    """How words are chosen. Raises BadRequest, when made, for a value that is not allowed or fits no other.

    `method`: "beam" keeps the `beams` likeliest captions, by log-probability over length to the `length_penalty`;
    "diverse" splits the beams into `groups`, each of which pays `diversity` for a word that an earlier one chose (0:
    the groups agree); "sample" draws by `seed` with `temperature`, `top_k` (0: off), `top_p` (1: off) and `min_p`
    (least probability as a share of the likeliest; 0: off); "greedy" takes the likeliest word.
    `count`: captions per picture, the n best or n samples. `max_tokens`: pieces of words, the opening not counted; None
    stands for as many as `detail` needs (see `TOKENS`).
    `repetition_penalty`: above 1 makes words that were used less likely (Keskar et al. 2019). `no_repeat`: n-grams of
    this many tokens never occur twice (0: off). `required`: words that must occur (beam search alone). `opening`:
    words that the caption begins with. `detail`: how much to say, for the models that have it in `supports`.
    `done_list`: beams set aside what has ended, so that it cannot be pushed out, and stop when nothing can be better;
    without, the search is that of ClipCap to the token.
    """

    method: str = "beam"
    beams: int = 5
    groups: int = 1
    diversity: float = 0.5
    length_penalty: float = 1.0
    temperature: float = 1.0
    top_p: float = 0.9
    top_k: int = 0
    min_p: float = 0.0
    seed: int = 0
    count: int = 1
    max_tokens: int | None = None
    repetition_penalty: float = 1.0
    no_repeat: int = 0
    required: tuple[str, ...] = ()
    opening: str = ""
    detail: str = "caption"
    done_list: bool = True

    def __post_init__(self) -> None:
        for name, allowed in (("method", METHODS), ("detail", DETAILS), ("done_list", (True, False))):
            if getattr(self, name) not in allowed:
                raise BadRequest(f"{name} is {getattr(self, name)!r}; allowed are {', '.join(map(str, allowed))}.")
        if self.max_tokens is None:
            object.__setattr__(self, "max_tokens", TOKENS[self.detail])
        for name, limits in LIMITS.items():
            _check_number(name, getattr(self, name), limits)
        _check_texts(self.required, self.opening)
        self._check_together()

    def _check_together(self) -> None:
        if self.method == "diverse" and (self.groups < 2 or self.beams % self.groups):
            raise BadRequest(
                f"groups is {self.groups} and beams {self.beams}; diverse beams need at least 2 groups of equal size."
            )
        if self.method in ("beam", "diverse") and self.count > self.beams:
            raise BadRequest(f"count is {self.count} and beams {self.beams}; there are as many captions as beams.")
        if self.method == "greedy" and self.count > 1:
            raise BadRequest(f"count is {self.count}, but greedy decoding has one caption; choose beam or sample.")
        if self.required and self.method != "beam":
            raise BadRequest(f"required words need the method beam, and it is {self.method}.")
        if self.required and self.beams < 2:
            raise BadRequest("required words need at least 2 beams, and beams is 1.")


@dataclass(frozen=True)
class Caption:
    """One caption of a picture.

    `words` are the parts of `text` between spaces; `confidences` gives each the probability, 0 to 1, that the model
    saw in it: the product over its tokens. `log_probability` is the natural logarithm of the probability of all
    tokens, the stop token included and the opening words not; before penalties, temperature and any filter.
    `tokens` are the model's own, the opening's included, and `detail` what it was asked for: without them a heat map
    is about the text as a tokenizer would write it; () where they are not known.
    """

    text: str
    words: tuple[str, ...]
    confidences: tuple[float, ...]
    log_probability: float
    tokens: tuple[int, ...] = ()
    detail: str = "caption"


class Captioner(ABC):
    """A loaded model that puts pictures into words.

    `device` is where it works. `supports` holds the names of the fields of `Decoding` that mean something for it.
    """

    title: str = "This model"
    device: str
    supports: ClassVar[frozenset[str]] = EVERYWHERE

    @abstractmethod
    def caption(self, pictures: Sequence[Image], decoding: Decoding) -> Iterator[list[str] | list[list[Caption]]]:
        """Captions of RGB pictures of any sizes.

        Yields, after every token, the text so far of each picture's best caption ("" where none has begun), and at
        last, once, the captions of each picture, best first. No pictures give one empty list.
        Raises BadRequest for a setting that this model lacks, before anything is computed.
        """

    @abstractmethod
    def heat(self, picture: Image, caption: Caption, word: int) -> Tensor | None:
        """Which parts of the picture speak for `caption.words[word]`: (h, w) float32 in [0, 1] on the CPU, the
        largest value 1; None when this model cannot tell. Raises BadRequest for a word that is not there."""

    def check(self, decoding: Decoding) -> None:
        """Raise BadRequest for the first setting that differs from its default though this model lacks it."""
        for name in self.lacking(decoding):
            raise BadRequest(f"{self.title} has no {name}; leave it at {getattr(USUAL, name)!r}.")

    def lacking(self, decoding: Decoding) -> list[str]:
        """The settings that differ from their defaults though this model lacks them."""
        names = [field.name for field in fields(Decoding) if field.name not in self.supports]
        return [name for name in names if getattr(decoding, name) != getattr(USUAL, name)]

    def room(self, decoding: Decoding) -> int:
        """The most tokens, up to `decoding.max_tokens`, that this model can write after the opening words."""
        return decoding.max_tokens

    def fitted(self, decoding: Decoding) -> tuple[Decoding, str]:
        """What this model can do of `decoding`, and a sentence that names what it cannot, or "".

        What it lacks stands at its default, and captions are as long as it has room for. Raises BadRequest where the
        defaults do not go with the rest.
        """
        told = []
        if lacking := self.lacking(decoding):
            usual = {name: getattr(USUAL, name) for name in lacking}
            if "detail" in usual and decoding.max_tokens == TOKENS[decoding.detail]:
                usual["max_tokens"] = None  # as many as a caption needs
            decoding = replace(decoding, **usual)
            told.append(f"has no {' and no '.join(lacking)}")
        if (room := self.room(decoding)) < decoding.max_tokens:
            decoding = replace(decoding, max_tokens=room)
            told.append(f"writes at most {room} tokens here")
        return decoding, f"{self.title} {' and '.join(told)}, so its captions do without." if told else ""


def _check_number(name: str, value: float, limits: Range) -> None:
    whole = limits.step == 1
    # NaN fails every comparison, and True is a number only to Python.
    fits = isinstance(value, int if whole else int | float) and not isinstance(value, bool)
    if not fits or not limits.minimum <= value <= limits.maximum:
        kind = "whole numbers" if whole else "numbers"
        raise BadRequest(f"{name} is {value!r}; allowed are {kind} from {limits.minimum:g} to {limits.maximum:.10g}.")


def _check_texts(required: tuple[str, ...], opening: str) -> None:
    if not isinstance(required, tuple) or not all(isinstance(word, str) and word.strip() for word in required):
        raise BadRequest("required must be a tuple of words, none of them empty.")
    if len(required) > MOST_REQUIRED:
        raise BadRequest(f"{len(required)} words are required; at most {MOST_REQUIRED} can be.")
    if not isinstance(opening, str):
        raise BadRequest("opening must be a text.")
    for text in (*required, opening):
        if len(text) > LONGEST_TEXT:
            raise BadRequest(f"“{text[:20]}…” has {len(text)} characters; at most {LONGEST_TEXT} are read.")


USUAL = Decoding()
