"""Beam searches, on a network that is a table of opinions, against what their definitions say."""

from __future__ import annotations

import itertools
import math
from math import exp

import pytest
import torch

from models.decoding.adjust import forbid_repeats, penalise
from models.decoding.beams import BeamSearch
from models.decoding.search import Tokens
from tests.models.tiny_table import SIZE, Table, search, texts


def test_enough_beams_find_the_likeliest_of_all_texts():
    table = Table()
    found = search(table, beams=20, count=3, max_tokens=3)
    for picture in range(2):
        every = sorted(itertools.product(range(SIZE), repeat=3), key=lambda text: -table.log_prob(picture, text))
        assert texts(found)[picture][:3] == every[:3]
        for each in found.results[picture]:
            assert sum(each.log_probs) == pytest.approx(table.log_prob(picture, each.tokens), abs=1e-4)
            assert each.score == pytest.approx(sum(each.log_probs) / 3, abs=1e-5)


def test_length_penalty_makes_texts_longer_or_shorter():
    known, means = Tokens(stop=(3, 4)), {}
    for penalty in (-1.0, 1.0, 3.0):
        found = search(Table(6), known, beams=6, length_penalty=penalty, max_tokens=15)
        means[penalty] = sum(len(row[0]) for row in texts(found)) / 6
        for row in found.results:
            assert [each.score for each in row] == sorted((each.score for each in row), reverse=True)
            for each in row:
                assert each.score == pytest.approx(sum(each.log_probs) / len(each.tokens) ** penalty, rel=1e-4)
    assert means[-1.0] < means[1.0] < means[3.0]


def test_ended_texts_keep_their_place_and_nothing_follows_the_stop_token():
    known = Tokens(stop=(3, 5))
    found = search(Table(4, sharp=1.0), known, beams=5, count=5, max_tokens=12)
    for row in texts(found):
        assert all(token not in known.stop for text in row for token in text[:-1])
    assert any(text[-1] in known.stop for row in texts(found) for text in row)


def test_pictures_leave_when_they_are_done():
    table = Table(3)
    table.logits[1, :, 3] += 20  # this one stops at once
    found = search(table, Tokens(stop=(3,)), method="greedy", max_tokens=9)
    assert texts(found)[1] == [(3,)] and len(found.results) == 3
    assert 1 not in table.rows.tolist() and all(len(row) == 1 for row in found.results)
    table = Table(2)
    table.logits[..., 3] += 20
    search(table, Tokens(stop=(3,)), method="greedy", max_tokens=9)
    assert table.steps == 1  # nobody is left, so nothing more is computed


def test_greedy_takes_the_likeliest_and_forbidden_tokens_never_come():
    table = Table(1)
    best = int(table.logits[0, SIZE].argmax())
    assert texts(search(table, method="greedy", max_tokens=5))[0][0][0] == best
    found = search(table, Tokens(forbidden=(best,)), beams=4, count=4, max_tokens=5)
    assert all(best not in text for text in texts(found)[0])


def test_diverse_groups_differ_and_each_is_heard():
    plain = search(Table(), beams=2, max_tokens=4)
    found = search(Table(), method="diverse", beams=6, groups=3, diversity=5.0, count=3, max_tokens=4)
    for row, alike in zip(texts(found), texts(plain), strict=True):
        assert len({text[0] for text in row}) == 3  # a strong penalty: every group begins elsewhere
        assert alike[0] in row  # the first group pays nothing
    same = search(Table(), method="diverse", beams=6, groups=3, diversity=0.0, count=3, max_tokens=4)
    assert all(len(set(row)) == 1 for row in texts(same))  # three times the same search


def told(table: Table, opinions: dict[int, dict[int, float]]) -> Table:
    """The table's first picture, which thinks so after these tokens, `SIZE` being the beginning."""
    for last, chances in opinions.items():
        table.logits[0, last] = -30.0
        for token, chance in chances.items():
            table.logits[0, last, token] = math.log(chance)
    return table


def test_a_group_that_has_ended_costs_the_others_nothing():
    table = told(Table(1), {SIZE: {0: 0.6, 1: 0.4}, 1: {0: 0.9, 2: 0.1}})
    how = {"method": "diverse", "beams": 2, "groups": 2, "diversity": 1.0, "count": 2, "max_tokens": 5}
    found = search(table, Tokens(stop=(0,)), **how)
    scores = {each.tokens: each.score for each in found.results[0]}
    # The second group paid for the stop at first, and not again for what follows the first group's end.
    assert scores == pytest.approx({(0,): math.log(0.6), (1, 0): math.log(0.4 * 0.9) / 2}, abs=1e-4)


def test_what_ended_is_answered_with_although_it_was_pushed_out():
    opinions = {SIZE: {1: 0.55, 3: 0.45}, 1: {4: 0.5, 5: 0.5}, 4: dict.fromkeys(range(6, 24), 0.05)}
    table = told(Table(1), {**opinions, 5: opinions[4]})
    how = {"beams": 2, "max_tokens": 3}
    (pushed_out,), (kept,) = (
        [row[0] for row in search(table, Tokens(stop=(3,)), **how, done_list=has).results] for has in (False, True)
    )
    assert len(pushed_out.tokens) == 3 and pushed_out.score < kept.score
    assert kept.tokens == (3,) and kept.score == pytest.approx(math.log(0.45), abs=1e-4)


@pytest.mark.parametrize("penalty", [-1.0, 0.0, 0.7, 1.0, 2.0])
@pytest.mark.parametrize("how", [{"count": 1}, {"count": 3}, {"method": "diverse", "groups": 2, "count": 3}])
def test_stopping_early_changes_no_answer(penalty, how, monkeypatch):
    how = {"beams": 6, "length_penalty": penalty, "max_tokens": 12, **how}
    known, tables = Tokens(stop=(3, 5)), [Table(8, sharp=3.0) for _ in range(3)]
    early = search(tables[0], known, **how)
    plain = search(tables[1], known, **how, done_list=False)
    monkeypatch.setattr(BeamSearch, "unbeatable", lambda search: search.done.new_zeros(len(search.done)))
    late = search(tables[2], known, **how)
    assert [row[: how["count"]] for row in early.results] == [row[: how["count"]] for row in late.results]
    assert tables[0].steps <= tables[2].steps and early.best == [row[0].tokens for row in early.results]
    if "groups" not in how:  # never worse than what the list of beams held at the end
        for mine, theirs in zip(early.results, plain.results, strict=True):
            pairs = zip(mine[: how["count"]], theirs, strict=False)
            assert all(ours.score >= other.score - 1e-5 for ours, other in pairs)


def test_a_search_ends_when_nothing_can_be_better():
    opinions = {SIZE: {3: 0.6, 1: 0.4}, **{k: {k + 1: 0.5, 3: 0.5} for k in range(5, 20)}, 1: {5: 0.5, 6: 0.5}}
    steps = []
    for has in (False, True):
        table = told(Table(1), opinions)
        found = search(table, Tokens(stop=(3,)), beams=3, length_penalty=0.0, max_tokens=15, done_list=has)
        steps.append(table.steps)
        assert texts(found)[0][0] == (3,)
    assert steps[1] == 1 < steps[0]


def test_repetition_is_paid_for_or_ruled_out():
    loop = Table(1)
    loop.logits[0, :, 2] = loop.logits[0].amax(-1) + 0.5  # token 2 follows everything
    assert texts(search(loop, method="greedy", max_tokens=6)) == [[(2,) * 6]]
    paid = search(loop, method="greedy", repetition_penalty=5.0, max_tokens=6)
    assert texts(paid)[0][0] != (2,) * 6
    cheap = search(loop, method="greedy", repetition_penalty=1.02, max_tokens=6)
    assert texts(cheap)[0][0] == (2,) * 6
    for found in (paid, cheap):
        (best,) = found.results[0]
        assert sum(best.log_probs) == pytest.approx(loop.log_prob(0, best.tokens), abs=1e-4)  # the model's own
    assert best.score < sum(best.log_probs) / 6 - 1e-3  # with what was paid
    for n in (1, 2, 3):
        text = texts(search(loop, beams=3, no_repeat=n, max_tokens=9))[0][0]
        grams = [text[start : start + n] for start in range(len(text) - n + 1)]
        assert len(set(grams)) == len(grams)


def test_adjustments_by_hand():
    log_probs, tokens = torch.full((1, 1, 4), -1.0), torch.tensor([[[0, 2, 0]]])
    assert penalise(log_probs, tokens, 3.0).tolist() == [[[-3.0, -1.0, -3.0, -1.0]]]
    blocked = forbid_repeats(log_probs, tokens, 2)  # "0 2" is there and 0 comes last
    assert blocked.isinf().tolist() == [[[False, False, True, False]]]
    assert not forbid_repeats(log_probs, tokens, 4).isinf().any()


def test_required_words_occur_complete_and_before_the_end():
    known = Tokens(stop=(9,), required=(((1, 7), (7,)), ((1, 8),)))  # both begin with token 1
    table = Table(3)
    table.logits[..., 9] += 3  # it would rather stop
    table.logits[..., [1, 7, 8]] -= 4  # and not say these
    found = search(table, known, beams=6, count=2, required=("x", "y"), max_tokens=12)
    for picture, row in enumerate(found.results):
        assert row
        for each in row:
            text = each.tokens
            assert 7 in text and any(pair == (1, 8) for pair in itertools.pairwise(text))
            assert sum(each.log_probs) == pytest.approx(table.log_prob(picture, text), abs=1e-3)
            assert 9 not in text[:-1]
    tight = search(Table(2), known, beams=6, count=1, required=("x", "y"), max_tokens=4)
    assert all(row for row in tight.results)  # exactly as long as the words


def test_a_required_word_is_not_the_beginning_of_another():
    continues = torch.zeros(SIZE, dtype=torch.bool)
    continues[6] = True
    table = Table(1)
    table.logits[0, 7, 6] += 20  # after 7 it wants to go on with 6
    found = search(table, Tokens(required=(((7,),),), continues=continues), beams=4, required=("x",), max_tokens=6)
    for text, *_ in texts(found):
        place = text.index(7)
        assert place == len(text) - 1 or text[place + 1] != 6


def test_probabilities_are_probabilities():
    found = search(Table(1), beams=3, count=3, max_tokens=4)
    assert all(0 < exp(value) <= 1 for each in found.results[0] for value in each.log_probs)
