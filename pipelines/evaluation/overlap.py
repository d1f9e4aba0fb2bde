"""Words in common: BLEU, ROUGE-L and CIDEr-D, as COCO's captions are scored.

Everything takes tokens (see `tokens.tokenize`): `candidates` one list of words a picture, `references` one or more
lists a picture. The numbers equal those of `pycocoevalcap`'s scorers, their smoothing included.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence

import numpy as np

Words = Sequence[str]
ORDERS = 4  # runs of one to four words
BETA = 1.2  # ROUGE-L: how many times recall weighs more than precision
SIGMA = 6.0  # CIDEr-D: how fast a wrong length costs
# Keep quotients of nothing defined; published BLEU figures contain them.
TINY, SMALL = 1e-15, 1e-9


def ngrams(words: Words) -> Counter[tuple[str, ...]]:
    """How often each run of one to four words occurs."""
    return Counter(
        tuple(words[start : start + order]) for order in range(1, ORDERS + 1) for start in range(len(words) - order + 1)
    )


def bleu_counts(candidates: Sequence[Words], references: Sequence[Sequence[Words]]) -> np.ndarray:
    """What BLEU adds up, (N, 10) float64: matching runs by length, all runs by length, words, words of the reference.

    A run counts as often as the reference that has it most often; the reference is the one nearest in length, of two
    the shorter (Papineni et al. 2002, "BLEU: a Method for Automatic Evaluation of Machine Translation", section 2).
    """
    table = np.zeros((len(candidates), 2 * ORDERS + 2))
    for row, words, others in zip(table, candidates, references, strict=True):
        most: Counter[tuple[str, ...]] = Counter()
        for other in others:
            most |= ngrams(other)
        for run, count in (ngrams(words) & most).items():
            row[len(run) - 1] += count
        row[ORDERS : 2 * ORDERS] = [max(0, len(words) - order) for order in range(ORDERS)]
        row[-2] = len(words)
        row[-1] = min((abs(len(other) - len(words)), len(other)) for other in others)[1]
    return table


def bleu(sums: np.ndarray) -> np.ndarray:
    """BLEU-1 to BLEU-4, (..., 4) in [0, 1], from sums (..., 10) of `bleu_counts`: of one picture, of all, of any."""
    precisions = (sums[..., :ORDERS] + TINY) / (sums[..., ORDERS : 2 * ORDERS] + SMALL)
    means = np.exp(np.cumsum(np.log(precisions), -1) / np.arange(1, ORDERS + 1))
    ratio = (sums[..., -2] + TINY) / (sums[..., -1] + SMALL)
    return means * np.exp(np.minimum(1 - 1 / ratio, 0))[..., None]


def rouge_l(candidates: Sequence[Words], references: Sequence[Sequence[Words]]) -> np.ndarray:
    """ROUGE-L of each picture, (N,) in [0, 1]: the longest common subsequence (Lin 2004, "ROUGE", section 3).

    Precision and recall are each the best over the references.
    """
    return np.array([_rouge_l(words, others) for words, others in zip(candidates, references, strict=True)])


def _rouge_l(words: Words, references: Sequence[Words]) -> float:
    common = [(_longest_common(words, other), len(other)) for other in references]
    precision = max(length / max(len(words), 1) for length, _ in common)
    recall = max(length / max(size, 1) for length, size in common)
    if not precision or not recall:
        return 0.0
    return (1 + BETA**2) * precision * recall / (recall + BETA**2 * precision)


def _longest_common(one: Words, other: Words) -> int:
    """The length of the longest sequence of words that both contain in order."""
    above = [0] * (len(other) + 1)
    for word in one:
        row = [0]
        for at, peer in enumerate(other):
            row.append(above[at] + 1 if word == peer else max(row[at], above[at + 1]))
        above = row
    return above[-1]


class CiderD:
    """CIDEr-D (Vedantam et al. 2015, "CIDEr: Consensus-based Image Description Evaluation", equations 1 to 5).

    Runs of words are weighted by how few pictures' references contain them, counted on the `references` given here. Of
    a single picture every run is in all references, so its score is 0 by definition.
    """

    def __init__(self, references: Sequence[Sequence[Words]]) -> None:
        seen = (set().union(*(ngrams(words) for words in each)) for each in references)
        self._pictures = Counter(run for runs in seen for run in runs)
        self._log_total = math.log(max(len(references), 1))

    def scores(self, candidates: Sequence[Words], references: Sequence[Sequence[Words]]) -> np.ndarray:
        """The score of each picture, (N,) in [0, 10]."""
        return np.array([self._score(words, others) for words, others in zip(candidates, references, strict=True)])

    def _score(self, words: Words, references: Sequence[Words]) -> float:
        mine, lengths = self._vector(words)
        return 10 * float(np.mean([self._likeness(mine, lengths, words, other) for other in references]))

    def _likeness(self, mine: dict, lengths: np.ndarray, words: Words, other: Words) -> float:
        """The clipped cosine with one reference, mean over the lengths of runs, less what a wrong length costs."""
        theirs, their_lengths = self._vector(other)
        common = np.zeros(ORDERS)
        for run in mine.keys() & theirs.keys():
            common[len(run) - 1] += min(mine[run], theirs[run]) * theirs[run]
        cosines = common / np.where(lengths * their_lengths > 0, lengths * their_lengths, 1)
        # The original counts pairs of words here, so captions of no and of one word are equally long.
        difference = max(len(words) - 1, 0) - max(len(other) - 1, 0)
        return float(cosines.mean()) * math.exp(-(difference**2) / (2 * SIGMA**2))

    def _vector(self, words: Words) -> tuple[dict[tuple[str, ...], float], np.ndarray]:
        """Weight of each run, and the Euclidean length of each of the four parts, (4,)."""
        vector = {run: count * self._rarity(run) for run, count in ngrams(words).items()}
        return vector, np.sqrt(_squares(vector.items()))

    def _rarity(self, run: tuple[str, ...]) -> float:
        return self._log_total - math.log(max(1, self._pictures[run]))


def _squares(items: Iterable[tuple[tuple[str, ...], float]]) -> np.ndarray:
    sums = np.zeros(ORDERS)
    for run, value in items:
        sums[len(run) - 1] += value**2
    return sums
