"""Captions against references: every metric with its interval, and the scores of each picture."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from common.errors import BadRequest
from pipelines.evaluation import overlap
from pipelines.evaluation.bootstrap import RESAMPLES, Estimate, Statistic, differences, estimates
from pipelines.evaluation.likeness import clip_scores, sentence_cosines
from pipelines.evaluation.sentences import encoder
from pipelines.evaluation.tokens import tokenize
from safeguards.wording import shown

if TYPE_CHECKING:
    from torch import Tensor

    from pipelines.services import Services

BLEU = tuple(f"BLEU-{order}" for order in range(1, overlap.ORDERS + 1))
ONE_PICTURE = "CIDEr-D is 0 by definition for a single picture: it needs others to tell which words are rare."


@dataclass(frozen=True, eq=False)
class Report:
    """What was measured: `keys` are the pictures, in order, and `statistics` hold their scores by metric.

    `notes` are sentences.
    """

    keys: tuple[Hashable, ...]
    statistics: tuple[Statistic, ...]
    notes: tuple[str, ...] = ()
    resamples: int = RESAMPLES
    seed: int = 0

    def estimates(self) -> dict[str, Estimate]:
        """Each metric's score with its 95 % interval, in the order in which they are usually printed."""
        parts = [estimates(each, self.resamples, self.seed) for each in self.statistics]
        return {name: estimate for part in parts for name, estimate in part.items()}

    def minus(self, other: Report) -> dict[str, Estimate]:
        """This report's scores less another's, with paired intervals, for the metrics that both have.

        Raises BadRequest when the two are not about the same pictures in the same order.
        """
        if self.keys != other.keys:
            raise BadRequest("The two sets of captions are not about the same pictures, so they cannot be compared.")
        theirs = {each.names: each for each in other.statistics}
        pairs = [(each, theirs[each.names]) for each in self.statistics if each.names in theirs]
        parts = [differences(*pair, self.resamples, self.seed) for pair in pairs]
        return {name: estimate for part in parts for name, estimate in part.items()}

    def each(self) -> dict[str, np.ndarray]:
        """By metric the scores of the pictures, (N,) in the order of `keys`; NaN for one that has none."""
        return {name: each.each()[:, k] for each in self.statistics for k, name in enumerate(each.names)}


def evaluate(
    candidates: Mapping[Any, str],
    references: Mapping[Any, Sequence[str]],
    services: Services | None = None,
    image_vectors: Mapping[Any, Tensor] | None = None,
    ranker: str = "",
    prefix: str = "",
    device: str | None = None,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> Report:
    """Score one caption a picture, `candidates`, against its `references`; both by the picture's key.

    BLEU, ROUGE-L and CIDEr-D need nothing more. `services` add MiniLM's cosine; with `image_vectors` (unit vectors (D,)
    by key, of `ranker`, a name of the catalog) they add CLIPScore and RefCLIPScore, see `likeness.clip_scores`.
    References without a candidate are left out, and CIDEr-D counts rare words in those of the others.
    Raises BadRequest when there is no caption at all or one has no reference, and what the model pool raises.
    """
    keys = tuple(candidates)
    if not keys:
        raise BadRequest("There are no captions to score.")
    for key in keys:
        if not references.get(key):
            raise BadRequest(f"The picture {shown(key)} has a caption but no reference to compare it with.")
    texts, others = [candidates[key] for key in keys], [list(references[key]) for key in keys]
    statistics = _overlaps(texts, others)
    notes = [ONE_PICTURE] if len(keys) == 1 else []
    if services is not None and encoder(services):
        statistics.append(Statistic.mean("MiniLM cosine", sentence_cosines(services, texts, others, device)))
    elif services is not None:
        notes.append("The sentence encoder is not installed, so there is no MiniLM cosine.")
    if services is not None and image_vectors:
        vectors = [image_vectors.get(key) for key in keys]
        statistics += _looks(services, ranker, vectors, texts, others, prefix, device)
    return Report(keys, tuple(statistics), tuple(notes), resamples, seed)


def _overlaps(texts: Sequence[str], others: Sequence[Sequence[str]]) -> list[Statistic]:
    """The metrics that count words."""
    words = [tokenize(text) for text in texts]
    their_words = [[tokenize(text) for text in each] for each in others]
    return [
        Statistic(BLEU, overlap.bleu_counts(words, their_words), overlap.bleu),
        Statistic.mean("ROUGE-L", overlap.rouge_l(words, their_words)),
        Statistic.mean("CIDEr-D", overlap.CiderD(their_words).scores(words, their_words)),
    ]


def _looks(
    services: Services,
    ranker: str,
    vectors: Sequence[Tensor | None],
    texts: Sequence[str],
    others: Sequence[Sequence[str]],
    prefix: str,
    device: str | None,
) -> list[Statistic]:
    """The metrics that look at the pictures; those without a vector have no part in them."""
    import torch

    seen = [k for k, vector in enumerate(vectors) if vector is not None]
    if not seen:
        return []
    rows = torch.stack([vectors[k] for k in seen])  # (n, D)
    mine, theirs = [texts[k] for k in seen], [others[k] for k in seen]
    table = np.full((2, len(texts)), np.nan)
    table[:, seen] = clip_scores(services, ranker, rows, mine, theirs, prefix, device)
    return [Statistic.mean(name, row) for name, row in zip(("CLIPScore", "RefCLIPScore"), table, strict=True)]
