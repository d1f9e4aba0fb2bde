"""What each phrase of a finished prompt is worth: what it gained when it came, and what is lost without it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from models.prompting.readers import joined
from pipelines.image_to_prompt.chain import Prompt, Term

if TYPE_CHECKING:
    from torch import Tensor

    from models.prompting.readers import Reader


def described(reader: Reader, image: Tensor, start: str, parts: Sequence[tuple[str, str]]) -> Prompt:
    """The prompt of a beginning and phrases (with their lists' names) that were chosen otherwise, with its curve."""
    texts, text = ([start] if start else []), start
    for phrase, _ in parts:
        text = joined(text, phrase)
        texts.append(text)
    curve = (reader.read(texts) @ image).tolist()
    before = curve[:-1] if start else [0.0, *curve[:-1]]
    after = curve[1:] if start else curve
    gains = [b - a for a, b in zip(before, after, strict=True)]
    terms = tuple(Term(phrase, kind, gain) for (phrase, kind), gain in zip(parts, gains, strict=True))
    return Prompt(text, curve[-1], start, terms, tuple(curve), reader.count(text), reader.budget)


def attributed(reader: Reader, image: Tensor, prompt: Prompt) -> Prompt:
    """The same prompt with the `loss` of each of its terms: how much the cosine falls without it."""
    if not prompt.terms:
        return prompt
    without = []
    for left_out in range(len(prompt.terms)):
        text = prompt.start
        for place, term in enumerate(prompt.terms):
            text = text if place == left_out else joined(text, term.phrase)
        without.append(text)
    asked = [text for text in without if text]
    known = dict(zip(asked, (reader.read(asked) @ image).tolist(), strict=True)) if asked else {}
    losses = [prompt.cosine - known[text] if text else None for text in without]
    terms = (replace(term, loss=loss) for term, loss in zip(prompt.terms, losses, strict=True))
    return replace(prompt, terms=tuple(terms))
