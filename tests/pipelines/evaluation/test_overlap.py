"""Against the scorers that published figures come from."""

from __future__ import annotations

import numpy as np
import pytest

from pipelines.evaluation import overlap
from pipelines.evaluation.tokens import tokenize

WORDS = ["a", "the", "dog", "cat", "red", "blue", "on", "in", "with", "two", "man", "'s", "sits", "big", "n't", "ball"]
REAL = {
    "A brown dog runs across a grassy field.": [
        "a dog is running through the grass",
        "A brown dog running in a field.",
        "the dog runs over a green field, with a ball",
    ],
    "Two people sit on a bench.": ["two men sitting on a park bench", "A couple on a bench near the water."],
    "a man's hat": ["A man wearing a man's hat.", "The man's hat is black", "hat"],
    "a a a a a a a": ["a cat on a mat", "there's a cat"],
    "nothing alike whatsoever": ["blue car parked outside", "one car"],
    "cat": ["cat", "a cat"],
}


def random_captions(seed: int, pictures: int) -> tuple[list[list[str]], list[list[list[str]]]]:
    random = np.random.default_rng(seed)

    def words(low: int) -> list[str]:
        return [WORDS[k] for k in random.integers(0, len(WORDS), random.integers(low, 14))]

    return [words(1) for _ in range(pictures)], [
        [words(1) for _ in range(random.integers(1, 6))] for _ in range(pictures)
    ]


def captions(kind: str) -> tuple[list[list[str]], list[list[list[str]]]]:
    if kind == "real":
        return [tokenize(text) for text in REAL], [[tokenize(text) for text in texts] for texts in REAL.values()]
    return random_captions(int(kind), 40)


def published(scorer, candidates, references) -> tuple[np.ndarray, np.ndarray]:
    """What a scorer of pycocoevalcap says: over all pictures and for each."""
    made = {k: [" ".join(words)] for k, words in enumerate(candidates)}
    known = {k: [" ".join(words) for words in texts] for k, texts in enumerate(references)}
    whole, each = scorer.compute_score(known, made)
    return np.array(whole), np.array(each)


@pytest.mark.parametrize("kind", ["real", "0", "1", "2"])
def test_bleu_is_the_published_one(kind):
    from pycocoevalcap.bleu.bleu import Bleu

    candidates, references = captions(kind)
    whole, each = published(Bleu(4), candidates, references)
    counts = overlap.bleu_counts(candidates, references)
    assert overlap.bleu(counts.sum(0)) == pytest.approx(whole, abs=1e-6)
    assert overlap.bleu(counts) == pytest.approx(each.T, abs=1e-6)


@pytest.mark.parametrize("kind", ["real", "0", "1", "2"])
def test_rouge_l_is_the_published_one(kind):
    from pycocoevalcap.rouge.rouge import Rouge

    candidates, references = captions(kind)
    whole, each = published(Rouge(), candidates, references)
    mine = overlap.rouge_l(candidates, references)
    assert mine == pytest.approx(each, abs=1e-6) and mine.mean() == pytest.approx(whole, abs=1e-6)


@pytest.mark.parametrize("kind", ["real", "0", "1", "2"])
def test_cider_d_is_the_published_one(kind):
    from pycocoevalcap.cider.cider import Cider

    candidates, references = captions(kind)
    whole, each = published(Cider(), candidates, references)
    mine = overlap.CiderD(references).scores(candidates, references)
    assert mine == pytest.approx(each, abs=1e-6) and mine.mean() == pytest.approx(whole, abs=1e-6)
    assert mine.max() > 0.1


def test_a_caption_without_words_scores_nothing():
    references = [[["a", "dog"]], [["a", "cat"]]]
    assert overlap.bleu(overlap.bleu_counts([[], ["a", "cat"]], references)[0]) == pytest.approx(np.zeros(4), abs=1e-6)
    assert overlap.rouge_l([[], ["a", "cat"]], references).tolist() == [0, 1]
    assert overlap.CiderD(references).scores([[], ["a", "cat"]], references)[0] == 0
    assert overlap.rouge_l([["a"]], [[[]]]).tolist() == [0]


def test_cider_d_of_a_single_picture_is_zero():
    assert overlap.CiderD([[["a", "dog"]]]).scores([["a", "dog"]], [[["a", "dog"]]]).tolist() == [0]
