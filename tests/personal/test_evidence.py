from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.personal.evidence import PRIORS, Evidence, blended
from service.tasks.next_word import Suggestion

MODEL = [Suggestion("cat", 0.6), Suggestion("dog", 0.4)]


def evidence(**counts: int) -> Evidence:
    return Evidence(counts, sum(counts.values()), len(counts))


def test_without_evidence_a_model_says_what_it_says():
    assert blended(MODEL, []) == MODEL


def test_counts_and_the_model_share_by_witten_bell():
    """Four words, two different ones: the model's share is b*2 / (4 + b*2)."""
    prior = PRIORS[0] * 2

    found = blended(MODEL, [evidence(dog=3, zebulon=1)])

    assert {one.word: one.probability for one in found} == {
        "dog": pytest.approx((3 + prior * 0.4) / (4 + prior)),
        "cat": pytest.approx(prior * 0.6 / (4 + prior)),
        "zebulon": pytest.approx(1 / (4 + prior)),
    }


def test_a_longer_context_goes_before_a_shorter_one():
    found = blended(MODEL, [evidence(dog=30, zebulon=10), evidence(zebulon=4)])

    assert found[0].word == "zebulon"
    assert blended(MODEL, [evidence(dog=30, zebulon=10)])[0].word == "dog"


def test_the_more_was_written_the_more_it_counts():
    def of(count: int) -> float:
        return next(one.probability for one in blended(MODEL, [evidence(zebulon=count)]) if one.word == "zebulon")

    assert of(1) < of(2) < of(50) < 1


def test_words_that_the_model_does_not_know_are_found_where_it_knows_none():
    assert [one.word for one in blended([], [evidence(zebulon=2, zebra=1)])] == ["zebulon", "zebra"]


@given(
    st.dictionaries(st.sampled_from("abcd"), st.floats(0.01, 1), min_size=1),
    st.lists(st.dictionaries(st.sampled_from("abcdef"), st.integers(1, 50), min_size=1), max_size=3),
)
def test_probabilities_still_sum_to_one(model: dict[str, float], counts: list[dict[str, int]]):
    total = sum(model.values())
    found = blended([Suggestion(word, value / total) for word, value in model.items()], [evidence(**one) for one in counts])

    assert sum(one.probability for one in found) == pytest.approx(1)
    assert found == sorted(found, key=lambda one: -one.probability)


def test_a_models_word_has_the_apostrophe_with_which_the_user_writes_it():
    model = [Suggestion("don’t", 0.6), Suggestion("it’s", 0.4)]

    found = blended(model, [evidence(**{"don't": 1, "l'a": 1})])

    assert {one.word for one in found} == {"don't", "it’s", "l'a"}
    assert sum(one.probability for one in found) == pytest.approx(1)
