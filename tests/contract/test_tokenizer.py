from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer

from service.contract.jamo import typed_letters
from service.contract.manifest import ArtifactError
from service.contract.tokenizer import END, UNKNOWN, WordTokenizer, join_words

LINES = ["The cat sat on the mat.", "Don't let the dog out, said the cat!", "(It cost $3.50 – or 4,000?) “Yes” ‘no’ it’s"]
TOKENIZER = WordTokenizer.train(LINES, vocabulary=100)
WORDS = [word for word in TOKENIZER.words if word not in (END, UNKNOWN)]


def test_words_numbers_and_marks_are_tokens():
    words = [TOKENIZER.words[number] for number in TOKENIZER.encode("Don't cost $3.50, it’s (4,000)!")]

    assert words == ["don't", "cost", "$", "3.50", ",", "it’s", "(", "4,000", ")", "!"]


def test_unknown_words_are_one_token():
    assert TOKENIZER.encode("zebra cat") == [TOKENIZER.unknown_id, TOKENIZER.encode("cat")[0]]


def test_the_most_frequent_words_make_the_vocabulary():
    small = WordTokenizer.train(["b b b a a c"], vocabulary=4)

    assert small.words == (END, UNKNOWN, "b", "a")
    assert len(small) == 4


@given(st.lists(st.sampled_from(WORDS), max_size=12))
def test_a_decoded_line_is_encoded_to_the_same_tokens(words: list[str]):
    ids = [WORDS.index(word) + 2 for word in words]
    assert [TOKENIZER.words[number] for number in ids] == words

    assert TOKENIZER.encode(TOKENIZER.decode(ids)) == ids


@given(st.text(max_size=40))
def test_any_text_is_a_context_of_known_ids(text: str):
    context = TOKENIZER.context(text)

    assert context.ids[0] == TOKENIZER.end_id
    assert all(0 <= number < len(TOKENIZER) for number in context.ids)
    assert not context.prefix or not context.prefix[-1].isspace()


def test_a_saved_tokenizer_reads_the_same(tmp_path: Path):
    path = tmp_path / "tokenizer.json"
    path.write_text(TOKENIZER.to_json(), encoding="utf-8")

    loaded = WordTokenizer.load(path)

    assert loaded.words == TOKENIZER.words
    assert loaded.to_json() == TOKENIZER.to_json()
    assert loaded.encode(LINES[1]) == TOKENIZER.encode(LINES[1])


def test_many_lines_are_encoded_as_each_alone():
    assert TOKENIZER.encode_lines(LINES) == [TOKENIZER.encode(line) for line in LINES]


def test_what_is_no_tokenizer_is_refused(tmp_path: Path):
    path = tmp_path / "tokenizer.json"
    path.write_text("{}")

    with pytest.raises(ArtifactError, match=r"tokenizer\.json is not a tokenizer file"):
        WordTokenizer.load(path)


def test_a_tokenizer_without_special_tokens_is_refused(tmp_path: Path):
    content = json.loads(TOKENIZER.to_json())
    content["added_tokens"] = [token for token in content["added_tokens"] if token["content"] != END]
    del content["model"]["vocab"][END]
    path = tmp_path / "tokenizer.json"
    path.write_text(json.dumps(content))

    with pytest.raises(ArtifactError, match=r"tokenizer\.json has no token '</s>'"):
        WordTokenizer.load(path)


@pytest.mark.parametrize(
    ("text", "finished", "prefix"),
    [
        ("", [END], ""),
        ("The cat ", [END, "the", "cat"], ""),
        ("The ca", [END, "the"], "ca"),
        ("The CA", [END, "the"], "ca"),
        ("The cat.", [END, "the", "cat", "."], ""),
        ("don'", [END], "don'"),
        ("the cat\nsat ", [END, "the", "cat", END, "sat"], ""),
        ("the cat\n\n", [END, "the", "cat", END], ""),
        ("cafe\u0301", [END], "caf\u00e9"),
    ],
)
def test_a_text_ends_in_a_word_being_typed_or_in_finished_ones(text: str, finished: list[str], prefix: str):
    context = TOKENIZER.context(text)

    assert [TOKENIZER.words[number] for number in context.ids] == finished
    assert context.prefix == prefix


def test_an_opening_quote_is_not_part_of_the_word_being_typed():
    assert TOKENIZER.context("the cat: 'ma").prefix == "ma"


def test_words_that_begin_with_a_prefix():
    begins = TOKENIZER.begins_with("s")

    assert [word for word, is_so in zip(TOKENIZER.words, begins, strict=True) if is_so] == ["said", "sat"]
    assert not TOKENIZER.begins_with("zzz").any()
    assert not TOKENIZER.begins_with("<")[TOKENIZER.unknown_id]


@given(st.lists(st.text("ab\ud7ff가힣z", min_size=1, max_size=4), max_size=12, unique=True), st.text("ab\ud7ff힣z", max_size=3))
def test_completions_are_the_words_that_begin_so(words: list[str], prefix: str):
    tokenizer = WordTokenizer({word: number for number, word in enumerate([END, UNKNOWN, *words])})

    found = [typed_letters(tokenizer.words[number]) for number in tokenizer.completions(prefix)]

    assert found == sorted(letters for letters in map(typed_letters, words) if letters.startswith(typed_letters(prefix)))


APOSTROPHE_WORDS = st.sampled_from(["don't", "don’t", "it’s", "l'a'b", "l'a’b", "l’a’b", "'", "’", "café", "дом’я", "дом'я", "한"])
LINES_OF_THESE = st.lists(APOSTROPHE_WORDS | st.sampled_from(["Don't", "IT'S", "cafe\u0301’s", "CAFÉ'S", "zebra's", "</s>", "<unk>", "."]))


def with_words(words: list[str]) -> WordTokenizer:
    return WordTokenizer({word: number for number, word in enumerate([END, UNKNOWN, *words])})


@given(st.lists(st.sampled_from(["don't", "it’s", "l'a’b", "’", "café's", "дом’я", "a'b’c"]), unique=True), LINES_OF_THESE)
def test_a_text_reads_alike_with_either_apostrophe_where_no_word_has_both(words: list[str], line: list[str]):
    tokenizer = with_words(words)
    text = " ".join(line)

    ids = tokenizer.encode(text)

    assert tokenizer.encode(text.replace("'", "’")) == tokenizer.encode(text.replace("’", "'")) == ids
    assert tokenizer.encode_lines([text]) == [ids]
    assert [number for number, _, _ in tokenizer.located(text)] == ids


@given(st.lists(APOSTROPHE_WORDS, unique=True), LINES_OF_THESE)
def test_words_of_the_vocabulary_are_read_as_they_are_spelled(words: list[str], line: list[str]):
    tokenizer = with_words(words)

    assert [tokenizer.encode(word) for word in words] == [[2 + number] for number in range(len(words))]
    assert tokenizer.encode(" ".join(line)) == tokenizer.encode_lines([" ".join(line)])[0]


def test_a_word_that_is_there_with_both_apostrophes_is_two_words():
    tokenizer = with_words(["don't", "don’t", "it’s"])

    assert tokenizer.encode("don't don’t it's") == [2, 3, 4]
    assert tokenizer.completions("don'").tolist() == [2]
    assert tokenizer.completions("don’").tolist() == [3]
    assert sorted(tokenizer.completions("don").tolist()) == [2, 3]
    assert tokenizer.completions("it'").tolist() == [4]


@given(st.lists(APOSTROPHE_WORDS, unique=True), st.sampled_from(["d", "don'", "don’t", "it'", "l'", "l’a", "l'a’b", "дом'", "x'"]))
def test_completions_begin_as_typed_and_each_is_another_word(words: list[str], prefix: str):
    tokenizer = with_words(words)

    found = tokenizer.spelled(tokenizer.completions(prefix).tolist(), prefix)

    assert len(set(found)) == len(found)
    assert set(found) >= {word for word in words if word.startswith(prefix)}
    assert prefix == "l'a’b" or all(word.startswith(prefix) for word in found)


def test_words_are_joined_as_people_write():
    words = ["the", "cat", ",", "it’s", "(", "4", ")", "!", END, "“", "yes", "”", "$", "3"]

    assert join_words(words) == "the cat, it’s (4)!\n“yes” $3"
    assert TOKENIZER.decode(TOKENIZER.encode("the cat, sat.")) == "the cat, sat."


PIECES = st.lists(st.sampled_from([*"ab'.,_1 -\t\n\x1c\x0b", "</s>", "<unk>", "the"])).map("".join)


@given(st.text(st.characters(max_codepoint=127), max_size=40) | PIECES)
def test_plain_text_is_split_as_the_tokenizer_file_says(text: str):
    tokenizer = WordTokenizer.train([*LINES, "' ’ don’t"], vocabulary=100)
    whole = Tokenizer.from_str(tokenizer.to_json())

    assert tokenizer.encode(text) == whole.encode(text).ids


def test_latin_letters_and_marks_are_split_as_the_tokenizer_file_says():
    characters = [chr(number) for number in (*range(0x20, 0x300), *range(0x2000, 0x2070), 0x20AC)]
    lines = [f"a{one}b A {one} {one}{one}'{one} 1{one}2 _{one}_" for one in characters]
    tokenizer = WordTokenizer.train(lines, vocabulary=10_000)

    assert [tokenizer.encode(line) for line in lines] == tokenizer.encode_lines(lines)


@pytest.mark.parametrize("line", ["Σοφός και σοφία", "cafe\u0301", "İstanbul", "x² + ½", "\u0928\u092e\u0938\u094d\u0924\u0947"])
def test_other_scripts_are_split_by_the_library(line: str):
    tokenizer = WordTokenizer.train([line], vocabulary=100)

    assert tokenizer.unknown_id not in tokenizer.encode(line)
    assert tokenizer.encode(line) == tokenizer.encode_lines([line])[0]


@pytest.mark.parametrize("ids", [{END: 0, UNKNOWN: 1, "cat": 3}, {END: 0, UNKNOWN: 1, "cat": 1}])
def test_a_tokenizer_whose_ids_have_gaps_is_refused(tmp_path: Path, ids: dict[str, int]):
    content = json.loads(TOKENIZER.to_json())
    content["model"]["vocab"] = ids
    path = tmp_path / "tokenizer.json"
    path.write_text(json.dumps(content))

    with pytest.raises(ArtifactError, match="does not number its words"):
        WordTokenizer.load(path)


def test_a_tokenizer_that_splits_otherwise_is_refused(tmp_path: Path):
    other = Tokenizer.from_str(TOKENIZER.to_json())
    other.normalizer = None
    path = tmp_path / "tokenizer.json"
    other.save(str(path))

    with pytest.raises(ArtifactError, match="does not split text into lower-case words"):
        WordTokenizer.load(path)


@pytest.mark.parametrize(
    ("text", "word", "addition"),
    [
        ("the", "cat", " cat"),
        ("the ", "cat", "cat"),
        ("", "cat", "cat"),
        ("the", ",", ","),
        ("(", "cat", "cat"),
        ("the", END, "\n"),
        ("the ", END, "\n"),
    ],
)
def test_a_word_adds_itself_and_a_space_where_one_is_needed(text: str, word: str, addition: str):
    assert TOKENIZER.addition(text, TOKENIZER.words.index(word)) == addition


def test_words_that_end_in_combining_marks_are_still_being_typed():
    tokenizer = WordTokenizer.train(["नमस्ते नमक"], vocabulary=10)

    assert tokenizer.context("नमस्ते").prefix == "नमस्ते"
    assert tokenizer.opening("नम") == "नम"
    assert sorted(tokenizer.words[number] for number in tokenizer.completions("नम")) == ["नमक", "नमस्ते"]


def test_lower_case_is_that_of_each_letter_alone():
    tokenizer = WordTokenizer.train(["ΟΔΟΣ"], vocabulary=10)

    assert tokenizer.completions(tokenizer.context("ΟΔΟΣ").prefix).tolist() == [2]
