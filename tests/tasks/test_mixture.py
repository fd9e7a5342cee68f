from __future__ import annotations

import pytest

from service.tasks.mixture import Part, mixed
from service.tasks.next_word import Suggestion

ENGLISH = [Suggestion("cat", 0.7), Suggestion("dog", 0.3)]
FRENCH = [Suggestion("chat", 0.8), Suggestion("dog", 0.2)]


def test_probabilities_are_added_by_weight_and_each_word_names_its_model():
    mixture = mixed([Part("en", 0.5, ENGLISH), Part("fr", 0.5, FRENCH)])

    assert mixture.found == [Suggestion("chat", 0.4), Suggestion("cat", 0.35), Suggestion("dog", 0.25)]
    assert mixture.sources == {"cat": "en", "dog": "en", "chat": "fr"}


def test_a_heavier_model_is_heard_more():
    assert [one.word for one in mixed([Part("en", 0.9, ENGLISH), Part("fr", 0.1, FRENCH)]).found] == ["cat", "dog", "chat"]


def test_a_model_that_knows_nothing_of_what_was_typed_leaves_the_word_to_the_others():
    mixture = mixed([Part("en", 0.7, []), Part("fr", 0.3, FRENCH)])

    assert mixture.found == [Suggestion("chat", pytest.approx(0.8)), Suggestion("dog", pytest.approx(0.2))]


def test_where_no_model_knows_anything_there_is_nothing():
    assert mixed([Part("en", 0.7, []), Part("fr", 0.3, [])]).found == []


def test_one_model_alone_says_what_it_says():
    assert mixed([Part("en", 1.0, ENGLISH)]).found == ENGLISH
