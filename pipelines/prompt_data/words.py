"""What the words of many prompts are: lengths, the most frequent words, runs of words and phrases."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable, Sequence

_WORD = re.compile(r"\w+(?:['’-]\w+)*")
_PHRASE_END = re.compile(r"[,;|\n.()\[\]{}]+")
# Words that say how others hang together; they would be the most frequent ones of every file.
_SMALL = (
    "a an and are as at be been by for from has have he her his i in into is it its my no not of off on onto or our "
    "out over she so some that the their them there these they this those to too under up very was we were which while "
    "who will with you your"
)
STOP = frozenset(_SMALL.split())


def words_in(text: str) -> list[str]:
    """The words of a text in lower case, in order; digits count, punctuation does not."""
    return _WORD.findall(text.casefold())


def plain(text: str) -> str:
    """A text by its words alone: two prompts that differ in case, spaces or punctuation are the same."""
    return " ".join(words_in(text))


def top_words(texts: Iterable[str], count: int = 25) -> list[tuple[str, int]]:
    """The words in most texts, with the number of texts; those of STOP left out."""
    counts: Counter[str] = Counter()
    for text in texts:
        counts.update(set(words_in(text)) - STOP)
    return _first(counts, count)


def top_runs(texts: Iterable[str], length: int, count: int = 25) -> list[tuple[str, int]]:
    """The runs of `length` words in most texts, with the number of texts.

    A run does not reach over a comma or the like, and neither begins nor ends with a word of STOP.
    """
    counts: Counter[str] = Counter()
    for text in texts:
        runs = set()
        for phrase in _PHRASE_END.split(text):
            words = words_in(phrase)
            found = (words[start : start + length] for start in range(len(words) - length + 1))
            runs |= {" ".join(run) for run in found if not STOP & {run[0], run[-1]}}
        counts.update(runs)
    return _first(counts, count)


def top_phrases(texts: Iterable[str], count: int = 25) -> list[tuple[str, int]]:
    """The pieces between commas that are in most texts: the modifiers that prompts are put together from."""
    counts: Counter[str] = Counter()
    for text in texts:
        pieces = [plain(piece) for piece in _PHRASE_END.split(text)]
        counts.update({piece for piece in pieces[1:] if piece})  # the first piece is what the picture is of
    return _first(counts, count)


def typical_words(groups: Sequence[Sequence[str]], count: int = 8) -> list[list[str]]:
    """For each group of texts the words that are frequent in it and rare in the others.

    Class-based TF-IDF (Grootendorst 2022, "BERTopic", equation 2): tf(word, group) · log(1 + A / f(word)), with A the
    mean number of words a group and f(word) how often the word occurs in all.
    """
    counts = [Counter(word for text in group for word in words_in(text) if word not in STOP) for group in groups]
    total: Counter[str] = sum(counts, Counter())
    mean = total.total() / max(len(groups), 1)
    weights = [{word: times * math.log(1 + mean / total[word]) for word, times in each.items()} for each in counts]
    return [
        [word for word, _ in sorted(each.items(), key=lambda item: (-item[1], item[0]))[:count]] for each in weights
    ]


def overlap(one: str, other: str) -> float:
    """The share of words two texts have in common (Jaccard), in [0, 1]; two texts without words have all."""
    first, second = set(words_in(one)), set(words_in(other))
    return len(first & second) / len(first | second) if first | second else 1.0


def _first(counts: Counter[str], count: int) -> list[tuple[str, int]]:
    return sorted(counts.items(), key=lambda item: (-item[1], item[0]))[:count]
