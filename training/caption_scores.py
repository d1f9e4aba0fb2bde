"""What a captioner of this project is measured by: held-out pictograms, and photographs of ImageNet things."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from common.images import to_pil
from models.families.caption_contract import Decoding
from models.families.clipcap import ClipCapCaptioner, read_names, read_wording
from models.families.clipcap_model import ClipCap
from models.families.sentence import SentenceEncoder
from pipelines.evaluation.evaluate import evaluate
from training.compose import Sample, recaption, render, single
from training.data.captions import own_colour, spoken_caption, strip_colours
from training.pictures import Pictograms

Describe = Callable[[Tensor], list[str]]  # pixels (N, 3, H, W) in [0, 1] to a caption each


def describe_with(folder: Path, clip: Any) -> Describe:
    """The captioner in `folder`, which sees through `clip`: the first caption, as the app asks for it."""
    model = ClipCap.from_folder(folder)
    wording = read_wording(folder, model.config["stop"], model.language.vocabulary)
    captioner = ClipCapCaptioner(model, clip, wording, names=read_names(folder, model, wording))

    def describe(pixels: Tensor) -> list[str]:
        *_, found = captioner.caption(to_pil(pixels), Decoding())
        return [best.text for best, *_ in found]

    return describe


def pictograms(describe: Describe, data: Pictograms, sentence: SentenceEncoder, count: int = 500) -> dict[str, float]:
    """CIDEr-D and MiniLM cosine against five captions each; shares of right nouns and of right colours."""
    rng = np.random.default_rng(2)
    samples = [single(data, int(row), rng) for row in rng.permutation(data.rows)[:count]]
    captions = [text for part in render(samples).split(50) for text in describe(part)]
    references = [_references(data, sample, rng) for sample in samples]
    scores = evaluate(dict(enumerate(captions)), dict(enumerate(references))).estimates()
    names = [strip_colours(data.records[sample.rows[0]]["name"]) for sample in samples]
    colours = [sample.colours[0] or own_colour(data.records[sample.rows[0]]) for sample in samples]
    coloured = [(text, colour) for text, colour in zip(captions, colours, strict=True) if colour]
    return {
        "captioned": len(samples),
        "CIDEr-D": scores["CIDEr-D"].value,
        "minilm_cosine": _cosine(sentence, captions, references),
        "noun": _share([names_noun(text, name) for text, name in zip(captions, names, strict=True)]),
        "colour": _share([colour in text.split() for text, colour in coloured]),
    }


def things(describe: Describe, pixels: Tensor, names: Sequence[str]) -> dict[str, float]:
    """The share of photographs (N, 3, H, W) whose class name's noun is said."""
    captions = describe(pixels)
    return {"photo_noun": _share([names_noun(text, name) for text, name in zip(captions, names, strict=True)])}


def names_noun(caption: str, name: str) -> bool:
    """True when the caption says the main noun of `name`: its last word before any "of", "with" or "in".

    Singular and plural count alike.
    """
    head = re.split(r" (?:of|with|in|on|at|for|without)\b|[,(]", name.lower())[0].split()[-1]
    stem = re.sub(r"(?:es|s)$", "", head) if len(head) > 3 else head
    return re.search(rf"\b{re.escape(stem)}(?:es|s)?\b", caption.lower()) is not None


def _references(data: Pictograms, sample: Sample, rng: np.random.Generator) -> list[str]:
    spoken = spoken_caption(data.records[sample.rows[0]], sample.colours[0], sample.ground)
    return [spoken, *(recaption(data, sample, rng) for _ in range(4))]


@torch.no_grad()
def _cosine(sentence: SentenceEncoder, captions: list[str], references: list[list[str]]) -> float:
    """Mean over captions of the best cosine with one of its references."""
    best = []
    for text, theirs in zip(captions, references, strict=True):
        vectors = F.normalize(sentence.encode([text, *theirs]), dim=1)
        best.append(float((vectors[1:] @ vectors[0]).max()))
    return float(np.mean(best))


def _share(hits: Sequence[bool]) -> float:
    return float(np.mean(hits)) if hits else 0.0
