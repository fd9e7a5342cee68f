from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from itertools import product

import numpy as np
import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from service.contract.apostrophes import forms_of_either
from service.contract.forms import lower
from service.contract.golden import Tensors
from service.contract.tokenizer import END, UNKNOWN, WORD_PATTERN, WordTokenizer
from service.tasks.barred import Barred
from service.tasks.bias import Bias
from service.tasks.dialogue import converse
from service.tasks.generation import Sampling, Written, beam, begin, step, write
from service.tasks.hidden import Hidden
from service.tasks.language import Language
from service.tasks.memory import LruMemory, MemoryPool
from service.tasks.sampling import log_sum
from tests import artifacts
from tests.subword_model import TOKENIZER as PIECES

TINY = artifacts.next_word()
MANIFEST = artifacts.manifest(TINY, "tiny", 1)
TOKENIZER = TINY.tokenizer
assert TOKENIZER is not None
LANGUAGE = Language(MANIFEST, TOKENIZER)  # </s> <unk> the . on sat cat dog log mat: each word is likeliest behind the one before it
SEEDS = st.integers(0, 2**32 - 1)


class Recorder:
    """The tiny graph; keeps the rows and tokens of each run."""

    def __init__(self) -> None:
        self.runs: list[tuple[int, ...]] = []

    def __call__(self, inputs: Tensors) -> Tensors:
        self.runs.append(inputs["tokens"].shape)
        return TINY.run(inputs)


class Chances:
    """A graph whose log-probabilities are others behind each token and, up to `steps`, after each number of steps."""

    def __init__(self, seed: int, *, tokens: int = 5, steps: int = 12) -> None:
        scores = 2 * np.random.default_rng(seed).normal(size=(steps, tokens, tokens))  # (steps, token, next token)
        self.log_probs = (scores - np.log(np.exp(scores).sum(axis=2, keepdims=True))).astype(np.float32)

    def __call__(self, inputs: Tensors) -> Tensors:
        steps = np.minimum(inputs["state_c"][:, 0, 0].astype(int), len(self.log_probs) - 1)
        rows = self.log_probs[steps, inputs["tokens"][:, -1]].copy()
        return {"log_probs": rows, "next_state_h": inputs["state_h"], "next_state_c": inputs["state_c"] + 1}


LETTERS = WordTokenizer({END: 0, UNKNOWN: 1, "a": 2, "b": 3, "c": 4})
OF_LETTERS = Language(MANIFEST, LETTERS)
NO_BIAS = Bias()
OF_PIECES = Language(MANIFEST, PIECES)
FORMED = replace(LANGUAGE, forms={"cat": "Cat", "mat": "MAT"})
FORMED_LETTERS = replace(OF_LETTERS, forms={"b": "B"})
FORMED_PIECES = replace(OF_PIECES, forms={"cat": "Cat", "catalogue": "Catalogue", "the": "the", "said": "SAID", "don't": "Don't"})


def written(text: str, *, candidates: int = 1, **sampling: object) -> list[Written]:
    return converse(write(LANGUAGE, text, Sampling(**sampling), candidates=candidates), TINY.run)  # type: ignore[arg-type]


def letters(seed: int, sampling: Sampling, text: str = "") -> Written:
    [found] = converse(write(OF_LETTERS, text, sampling), Chances(seed))
    return found


@pytest.mark.parametrize(
    ("text", "added"),
    [
        ("the dog ", ["log", " mat"]),
        ("the dog o", ["n", " sat"]),  # the word being typed is completed
        ("the dog-o", ["n", " sat"]),
        ("the zebr", [" the", "."]),  # no word begins so: it is read as it stands
        ("", ["the", "."]),  # of equally likely words the first
        ("the dog,", [" the", "."]),
        ("the dog (", ["the", "."]),
    ],
)
def test_a_text_is_written_on_word_by_word(text: str, added: list[str]):
    [found] = written(text, max_tokens=2)

    assert [piece.text for piece in found.pieces] == [piece.token_text for piece in found.pieces] == added
    assert (found.text, found.finish_reason) == ("".join(added), "length")


def test_each_piece_has_its_log_probability_and_those_of_the_others():
    [found] = written("the cat sat ", max_tokens=1, temperature=5.0, seed=3)
    [piece] = found.pieces

    assert piece.log_prob == found.log_prob == pytest.approx(float(TINY.run(first_step("the cat sat "))["log_probs"][0, piece.token]))
    assert piece.alternatives is not None
    assert np.isfinite(piece.alternatives).tolist() == [False, False] + [True] * 8  # neither </s> nor <unk>
    assert written("the cat ", max_tokens=1, alternatives=False)[0].pieces[0].alternatives is None


def test_a_completion_has_the_probability_that_the_letters_leave_it():
    [found] = written("the d", max_tokens=1)

    assert (found.typed, found.text) == ("d", "og")
    assert found.log_prob == pytest.approx(0)


def test_the_text_is_read_once_and_the_last_token_not_at_all():
    recorder = Recorder()
    converse(write(LANGUAGE, "the cat sat ", Sampling(temperature=1.0, max_tokens=3), candidates=4), recorder)

    assert recorder.runs == [(1, 4), (4, 1), (4, 1)]


def test_what_is_remembered_is_not_read_again():
    recorder = Recorder()
    language = replace(LANGUAGE, memory=LruMemory(MemoryPool(1_000_000)))
    first = converse(write(language, "the cat sat ", Sampling(max_tokens=2)), recorder)
    again = converse(write(language, "the cat sat ", Sampling(max_tokens=2)), recorder)

    assert first == again
    assert recorder.runs == [(1, 4), (1, 1), (1, 1)]


def test_a_draft_that_has_ended_takes_no_more_part_in_a_step():
    recorder = Recorder()
    drafts = converse(begin(LANGUAGE, "the ", Sampling(temperature=5.0, seed=1, stop=("dog",), max_tokens=30), candidates=8), recorder)
    ended: list[int] = []
    while not all(draft.finished for draft in drafts):
        before = [draft.finished for draft in drafts]
        pieces = converse(step(LANGUAGE, drafts), recorder)
        assert [piece is None for piece in pieces] == before
        ended.append(sum(before))

    assert [rows for rows, _ in recorder.runs[2:]] == [8 - number for number in ended[1:]]
    assert len(set(ended)) > 3


@given(SEEDS, st.floats(0.1, 3))
def test_a_seed_writes_the_same_text_again(seed: int, temperature: float):
    sampling = Sampling(temperature=temperature, seed=seed, max_tokens=8)
    once, again = (letters(7, sampling) for _ in range(2))

    assert once == again


def test_candidates_differ_and_the_first_does_not_depend_on_their_number():
    three = written("the ", candidates=3, temperature=5.0, seed=1, max_tokens=12)
    [alone] = written("the ", temperature=5.0, seed=1, max_tokens=12)

    assert len({found.text for found in three}) == 3
    assert three[0].text == alone.text


def test_without_a_seed_texts_differ():
    assert len({written("the ", temperature=5.0, max_tokens=20)[0].text for _ in range(3)}) == 3


@given(SEEDS, SEEDS, st.floats(0.5, 3))
def test_a_penalty_of_one_writes_the_same_text(model: int, seed: int, temperature: float):
    sampling = Sampling(temperature=temperature, seed=seed, max_tokens=8)

    assert letters(model, sampling, "a b ") == letters(model, replace(sampling, repetition_penalty=1.0), "a b ")


def test_a_penalty_keeps_words_of_the_text_and_of_what_was_written_from_coming_again():
    [plain] = written("cat sat ", max_tokens=1)
    [found] = written("cat sat ", repetition_penalty=10.0, max_tokens=6)

    assert plain.text == "cat"
    assert set(found.text.replace(".", " .").split()) == {"the", ".", "on", "dog", "log", "mat"}


@given(SEEDS, st.data())
def test_a_stop_string_ends_the_text_before_it_appears(seed: int, data: st.DataObject):
    sampling = Sampling(temperature=1.0, seed=seed, max_tokens=8)
    whole = letters(seed, sampling).text
    begins = data.draw(st.integers(0, len(whole) - 1))
    stop = whole[begins : data.draw(st.integers(begins + 1, len(whole)))]
    found = letters(seed, replace(sampling, stop=(stop, "zz")))

    assert found.text == whole[: whole.find(stop)]
    assert found.finish_reason == "stop"


@given(SEEDS, st.lists(st.text("abc ", min_size=1, max_size=5), max_size=3))
def test_pieces_joined_are_the_text_and_show_no_part_of_a_stop_string(seed: int, stop: list[str]):
    sampling = Sampling(temperature=1.0, seed=seed, max_tokens=8, stop=tuple(stop))
    whole = letters(seed, replace(sampling, stop=())).text
    [draft] = converse(begin(OF_LETTERS, "", sampling), Chances(seed))
    graph = Chances(seed)
    shown = ""
    while not draft.finished:
        [piece] = converse(step(OF_LETTERS, [draft]), graph)
        assert piece is not None
        shown += piece.text
        assert not any(string in shown for string in stop)

    assert shown == draft.written().text == letters(seed, sampling).text
    assert whole.startswith(shown)
    assert (shown == whole) == (draft.written().finish_reason == "length")


def test_a_sentence_ends_only_where_that_is_allowed():
    likely_end = [seed for seed in range(200) if int(np.argmax(Chances(seed).log_probs[0, 0])) == 0]
    found = letters(likely_end[0], Sampling(end=True, max_tokens=5))
    without = letters(likely_end[0], Sampling(max_tokens=5))

    assert (found.text, found.finish_reason, found.pieces[-1].token_text) == ("", "stop", "")
    assert found.log_prob == pytest.approx(float(Chances(likely_end[0]).log_probs[0, 0, 0]))
    assert len(without.text.split()) == 5


def test_words_are_counted_where_tokens_are_words():
    [found] = written("the dog o", words=3, max_tokens=48)

    assert (found.text, found.finish_reason) == ("n sat cat", "length")


def every_text(graph: Chances, tokens: int, length_penalty: float, bias: Bias = NO_BIAS) -> Iterator[tuple[float, str]]:
    """What each text of at most so many tokens is worth, and the text."""
    for size in range(1, tokens + 1):
        last = range(2, 5) if size == tokens else ()
        for ids in product(*[range(2, 5)] * (size - 1), (0, *last)):
            steps = enumerate(zip((0, *ids), ids, strict=False))
            score = sum(float(graph.log_probs[place, before, token]) for place, (before, token) in steps)
            score += sum(bias.tokens.get(token, 0) for token in ids)
            score -= sum(
                (bias.presence if token in ids[:place] else 0) + bias.frequency * ids[:place].count(token)
                for place, token in enumerate(ids)
            )
            yield score / size**length_penalty, " ".join(LETTERS.words[token] for token in ids if token)


@given(SEEDS, st.integers(1, 3), st.sampled_from([0.0, 0.7, 1.0, 2.0]))
def test_a_beam_as_wide_as_all_texts_finds_the_best_of_them(seed: int, tokens: int, length_penalty: float):
    graph = Chances(seed)
    found = converse(beam(OF_LETTERS, "", Sampling(end=True, max_tokens=tokens), width=40, length_penalty=length_penalty), graph)
    best = sorted(every_text(graph, tokens, length_penalty), reverse=True)

    assert [one.log_prob / len(one.pieces) ** length_penalty for one in found] == pytest.approx([worth for worth, _ in best], rel=1e-5)
    assert found[0].text == best[0][1]


BIASES = st.builds(
    Bias,
    st.sampled_from([0.0, 1.0, -1.5]),
    st.sampled_from([0.0, 0.5, -1.0]),
    st.dictionaries(st.sampled_from([0, 2, 3, 4]), st.floats(-3, 3)),
)


@given(SEEDS, st.integers(1, 4), st.sampled_from([0.0, 0.7, 1.0, 2.0]), BIASES)
def test_a_beam_finds_the_best_texts_with_what_a_bias_adds_to_them(seed: int, tokens: int, length_penalty: float, bias: Bias):
    graph = Chances(seed)
    found = converse(
        beam(OF_LETTERS, "", Sampling(end=True, max_tokens=tokens, bias=bias), width=121, length_penalty=length_penalty), graph
    )
    worths = {text: worth for worth, text in every_text(graph, tokens, length_penalty, bias)}

    assert worths[found[0].text] == pytest.approx(max(worths.values()), rel=1e-5, abs=1e-6)


def test_a_beam_goes_on_while_a_bias_may_still_make_it_the_best():
    graph = Chances(0)
    for place, chances in enumerate(([0.6, 1e-9, 0.4, 1e-9, 1e-9], [1e-9, 1e-9, 0.1, 0.9, 1e-9])):
        graph.log_probs[place, :] = np.log(chances)
    found = converse(beam(OF_LETTERS, "", Sampling(end=True, max_tokens=2, bias=Bias(tokens={3: 5})), width=1, length_penalty=0.0), graph)

    assert [one.text for one in found] == ["a b"]


def test_a_token_that_is_biased_away_is_in_no_beam_and_another_in_all():
    never = converse(beam(LANGUAGE, "the cat ", Sampling(max_tokens=4, bias=Bias(tokens={7: -100})), width=3), TINY.run)
    always = converse(beam(LANGUAGE, "the cat ", Sampling(max_tokens=2, bias=Bias(tokens={9: 50})), width=3), TINY.run)

    assert not any("dog" in one.text for one in never)
    assert always[0].text == "mat mat"
    assert always[0].log_prob < 0  # the model's own, without what was added


@given(SEEDS, st.integers(1, 3))
def test_a_narrow_beam_never_finds_better_than_all_texts_have(seed: int, width: int):
    graph = Chances(seed)
    found = converse(beam(OF_LETTERS, "", Sampling(end=True, max_tokens=3), width=width), graph)
    worths = [one.log_prob / len(one.pieces) for one in found]

    assert worths == sorted(worths, reverse=True)
    assert worths[0] <= max(worth for worth, _ in every_text(graph, 3, 1.0)) + 1e-6
    assert 1 <= len({one.text for one in found}) == len(found) <= width


@given(SEEDS)
def test_a_beam_of_one_is_greedy(seed: int):
    [found] = converse(beam(OF_LETTERS, "", Sampling(max_tokens=5), width=1), Chances(seed))

    assert found.text == letters(seed, Sampling(max_tokens=5)).text


def test_beams_stop_before_a_stop_string_and_repeat_less_where_that_is_asked_for():
    found = converse(beam(LANGUAGE, "the cat ", Sampling(max_tokens=4, stop=(" mat",)), width=3), TINY.run)
    penalised = converse(beam(LANGUAGE, "the cat dog log ", Sampling(max_tokens=3, repetition_penalty=5.0), width=2), TINY.run)

    assert found[0].text == "dog log"
    assert not any("mat" in one.text for one in found)
    assert not {"the", "cat", "dog", "log"} & set(penalised[0].text.split())


def test_beams_are_rows_of_the_same_runs():
    recorder = Recorder()
    converse(beam(LANGUAGE, "the ", Sampling(max_tokens=3), width=4), recorder)

    assert recorder.runs == [(1, 1), (1, 1), (4, 1), (4, 1)]


def test_a_beam_of_a_graph_that_gives_nothing_is_an_error():
    def broken(inputs: Tensors) -> Tensors:
        outputs = TINY.run(inputs)
        return {**outputs, "log_probs": np.full_like(outputs["log_probs"], np.nan)}

    with pytest.raises(ArithmeticError, match="gives no token"):
        converse(beam(LANGUAGE, "the ", Sampling(), width=2), broken)


def first_step(text: str) -> Tensors:
    """Inputs that read a text at once."""
    zeros = np.zeros((1, 1, artifacts.HIDDEN), np.float32)
    assert TOKENIZER is not None
    return {"tokens": np.array([TOKENIZER.context(text).ids]), "state_h": zeros, "state_c": zeros}


def of_pieces(seed: int, text: str, sampling: Sampling) -> Written:
    graph = Chances(seed, tokens=len(PIECES), steps=1)
    [found] = converse(write(OF_PIECES, text, replace(sampling, temperature=1.0, seed=seed)), graph)
    return found


@given(SEEDS, st.sampled_from(["the ca", "the cat ", "the", "(", "", "한국 사라"]))
@example(131, "")  # begins with a space alone
def test_words_of_pieces_are_written_whole_and_counted(seed: int, text: str):
    found = of_pieces(seed, text, Sampling(words=3, max_tokens=40))
    whole = found.typed + found.text
    assume(not re.search(r"[\d'’]", whole))  # marks within numbers and words are counted as words of their own

    if len(found.pieces) < 40:
        assert len(re.findall(WORD_PATTERN, whole)) == 3
        assert (found.finish_reason, found.pieces[-1].token_text, found.pieces[-1].text) == ("length", "", "")
    assert found.text == "".join(piece.token_text for piece in found.pieces)


@given(SEEDS, st.sampled_from(["the ca", "the c", "the-ca", "catalo"]))
def test_pieces_complete_the_letters_that_were_typed(seed: int, text: str):
    found = of_pieces(seed, text, Sampling(max_tokens=12))
    tokens = [piece.token for piece in found.pieces]

    assert re.sub(" +", " ", PIECES.decode(tokens)) == found.typed + found.text  # a space alone may come before another
    assert text.endswith(found.typed)
    assert found.log_prob <= 0


def test_the_end_of_the_last_word_has_the_probability_of_all_that_may_end_it():
    found = of_pieces(5, "the ca", Sampling(words=1, max_tokens=40))
    last = found.pieces[-1]

    assert (found.finish_reason, last.token_text) == ("length", "")
    assert last.alternatives is not None
    assert last.log_prob == pytest.approx(log_sum(last.alternatives[PIECES.ending]))


def test_beams_of_pieces_end_with_whole_words():
    found = converse(beam(OF_PIECES, "the ca", Sampling(words=2, max_tokens=32), width=4), Chances(1, tokens=len(PIECES), steps=1))

    assert len({one.text for one in found}) == len(found) == 4
    assert all(len(re.findall(WORD_PATTERN, one.typed + one.text)) == 2 for one in found)
    assert [one.log_prob / len(one.pieces) for one in found] == sorted((one.log_prob / len(one.pieces) for one in found), reverse=True)


def test_letters_that_no_piece_goes_on_with_are_left_as_they_are():
    typed = "하ㄱ"  # a syllable being composed: the piece that begins so has it no more
    found = of_pieces(1, typed, Sampling(max_tokens=3))

    assert found.typed == typed
    assert found.finish_reason == "length"


def test_a_model_with_forms_writes_words_as_they_are_suggested():
    def texts(text: str, **sampling: object) -> list[str]:
        [found] = converse(write(FORMED, text, Sampling(max_tokens=4, **sampling)), TINY.run)  # type: ignore[arg-type]
        assert [piece.token_text for piece in found.pieces] == [piece.text for piece in found.pieces]
        return [found.typed, *(piece.text for piece in found.pieces)]

    assert texts("") == ["", "The", ".", " On", " sat"]
    assert texts("the sat ") == ["", "Cat", " dog", " log", " MAT"]
    assert texts("the ca") == ["Ca", "t", " dog", " log", " MAT"]
    assert texts("the DO") == ["DO", "G", " log", " MAT", " the"]
    assert texts("the Zebr") == ["Zebr", " the", ".", " On", " sat"]


def test_stop_strings_are_those_of_the_text_as_it_is_shown():
    def text(stop: str) -> str:
        return converse(write(FORMED, "on ", Sampling(max_tokens=3, stop=(stop,))), TINY.run)[0].text

    assert (text("Cat"), text("cat")) == ("sat ", "sat Cat dog")


def test_beams_have_capitals_too():
    [found] = converse(beam(FORMED, "the dog. ", Sampling(max_tokens=3), width=1), TINY.run)

    assert found.text == "On sat Cat"


@given(SEEDS, st.lists(st.text("abcABC ", min_size=1, max_size=5), max_size=3))
def test_capitals_change_nothing_else(seed: int, stop: list[str]):
    sampling = Sampling(temperature=1.0, seed=seed, max_tokens=8, end=True)
    plain, formed = (converse(write(language, "", sampling), Chances(seed))[0] for language in (OF_LETTERS, FORMED_LETTERS))
    stopped = converse(write(FORMED_LETTERS, "", replace(sampling, stop=tuple(stop))), Chances(seed))[0]
    ends = [position for position in map(formed.text.find, stop) if position >= 0]

    assert lower(formed.text) == plain.text
    assert formed.text == re.sub(r"\bb\b", "B", plain.text[:1].upper() + plain.text[1:])
    assert [piece.log_prob for piece in formed.pieces] == [piece.log_prob for piece in plain.pieces]
    assert stopped.text == formed.text[: min(ends, default=len(formed.text))]


@given(SEEDS, st.sampled_from(["the ca", "the Ca", "the cat ", "(", "", "한국 사라", "CA", "Don"]), st.sampled_from([None, 2]))
def test_words_of_pieces_wait_for_their_end_and_get_their_capitals(seed: int, text: str, words: int | None):
    sampling = Sampling(max_tokens=12, words=words, temperature=1.0, seed=seed)
    graph = Chances(seed, tokens=len(PIECES), steps=1)
    [plain], [found] = (converse(write(language, text, sampling), graph) for language in (OF_PIECES, FORMED_PIECES))

    assert lower(found.typed + found.text) == plain.typed + plain.text
    assert lower("".join(piece.token_text for piece in found.pieces)) == lower(found.text)
    if text == "the cat ":
        known = {"cat": "Cat", "catalogue": "Catalogue", "said": "SAID", "don't": "Don't"}
        assert re.findall(WORD_PATTERN, found.text)[:1] == [known.get(word, word) for word in re.findall(WORD_PATTERN, plain.text)[:1]]


def test_a_stop_string_across_pieces_is_met_in_the_letters_that_are_shown():
    language = replace(OF_PIECES, forms={"cats": "CATS"})
    following = {name: PIECES.words.index(name) for name in ("▁cat", "s", ",")}

    def run(inputs: Tensors) -> Tensors:
        steps = inputs["state_c"][:, 0, 0].astype(int)
        rows = np.full((len(steps), len(PIECES)), -20.0, np.float32)
        rows[np.arange(len(steps)), [list(following.values())[min(one, 2)] for one in steps]] = 0
        return {"log_probs": rows, "next_state_h": inputs["state_h"], "next_state_c": inputs["state_c"] + 1}

    def pieces(stop: str) -> list[str]:
        return [piece.text for piece in converse(write(language, "", Sampling(max_tokens=4, stop=(stop,))), run)[0].pieces]

    assert pieces("zz") == ["", "", "CATS,", ","]
    assert pieces("TS") == ["", "", "CA"]
    assert pieces("ts") == ["", "", "CATS,", ","]


def test_a_word_is_completed_behind_either_apostrophe():
    words = {END: 0, UNKNOWN: 1, "the": 2, ".": 3, "on": 4, "sat": 5, "cat": 6, "dog": 7, "don’t": 8, "it’s": 9}
    language = replace(LANGUAGE, tokenizer=WordTokenizer(words), forms=forms_of_either({"don’t": "Don’t"}))

    typed, printed = (converse(write(language, f"the don{one}", Sampling(max_tokens=1)), TINY.run)[0] for one in "'’")

    assert (typed.text, typed.typed) == ("t", "Don'")
    assert (printed.text, printed.typed) == ("t", "Don’")


def test_hidden_words_are_not_written_and_no_probability_changes():
    def written(text: str, *hidden: str) -> Written:
        sampling = Sampling(max_tokens=2, barred=Barred.of(LANGUAGE.tokenizer, Hidden(frozenset(hidden))))
        return converse(write(LANGUAGE, text, sampling), TINY.run)[0]

    assert written("the cat ", "dog").text == "the."
    plain = written("the cat ").pieces[0].alternatives
    assert plain is not None
    assert written("the cat ", "dog").pieces[0].log_prob == plain[2]
    assert written("the d", "dog").text == " the."  # nothing that may be written begins so: it is read as it stands
    assert written("the dog", "dog").text == " log"  # what is typed may stand


@settings(max_examples=20)  # beams of pieces take a while
@given(SEEDS, st.sampled_from(["the ca", "the cat ", "(", "", "한국 사라"]))
def test_hidden_words_are_not_put_together_of_pieces(seed: int, text: str):
    hidden = frozenset({"the", "cat", "cats", "a", "s", "t", "sat", "on", "한국", "catal", ","})
    sampling = Sampling(words=3, max_tokens=40, barred=Barred.of(PIECES, Hidden(hidden)))
    found = of_pieces(seed, text, sampling)
    beams = converse(beam(OF_PIECES, text, sampling, width=2), Chances(seed, tokens=len(PIECES), steps=1))

    for one in (found, *beams):
        whole = one.typed + one.text
        assume(len(one.pieces) < 40 and not re.search(r"[\d'’]", whole))
        assert not hidden & set(re.findall(WORD_PATTERN, whole))
