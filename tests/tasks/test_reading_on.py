"""What it costs to read a text of which something is remembered: the tokens of each run."""

from __future__ import annotations

from dataclasses import dataclass, field

from service.contract.golden import Tensors
from service.tasks.dialogue import converse
from service.tasks.memory import LruMemory, MemoryPool
from service.tasks.place import CHARACTER_STRIDE, MAX_CHARACTERS
from service.tasks.reading import Memory, read, read_text
from tests import artifacts, recurrent

PLAIN = recurrent.next_word()
MANIFEST = artifacts.manifest(PLAIN, "plain", 1)
TOKENIZER = PLAIN.tokenizer
assert TOKENIZER is not None
RUN = recurrent.graph(PLAIN)
LINE = "the cat sat on the mat . the dog sat on the log .\n"


@dataclass(slots=True)
class Counted:
    """A graph; the number of tokens of each run."""

    tokens: list[int] = field(default_factory=list)

    def __call__(self, inputs: Tensors) -> Tensors:
        self.tokens.append(inputs["tokens"].shape[1])
        return RUN(inputs)


@dataclass(slots=True)
class Typist:
    """Reads texts with a memory; tells the tokens of the runs that each took."""

    memory: Memory = field(default_factory=lambda: LruMemory(MemoryPool(10**6)))

    def read(self, text: str) -> list[int]:
        counted = Counted()
        converse(read_text(MANIFEST, TOKENIZER, text, self.memory), counted)
        return counted.tokens


def test_one_more_word_costs_one_step_of_one_token():
    typist = Typist()

    assert typist.read(LINE * 6) == [64, 16, 4, 4, 1, 1, 1]
    assert typist.read(LINE * 6 + "the ") == [1]
    assert typist.read(LINE * 6 + "the cat ") == [1]


def test_a_key_inside_a_word_costs_no_step():
    typist = Typist()
    typist.read("the cat ")

    assert [typist.read(text) for text in ("the cat s", "the cat sa", "the cat sat")] == [[], [], []]


def test_marks_behind_a_word_are_read_once():
    typist = Typist()
    typist.read("the ")

    assert [typist.read(text) for text in ("the cat", "the cat.", "the cat. ", "the cat. (", "the cat. (d")] == [[], [1, 1], [], [1], []]


def test_a_word_that_is_deleted_costs_no_step():
    typist = Typist()
    for text in ("the ", "the cat ", "the cat sat "):
        typist.read(text)

    assert [typist.read(text) for text in ("the cat sa", "the cat ", "the c", "the ", "the cat sat ")] == [[], [], [], [], []]


def test_words_deleted_from_a_pasted_text_cost_few_tokens():
    typist = Typist()
    typist.read(LINE * 6)  # 91 tokens, known behind 64, 80, 84, 88, 89 and 90 of them

    assert typist.read((LINE * 6).removesuffix(".\n")) == [1]
    assert typist.read((LINE * 6).removesuffix("on the log .\n")) == [1, 1]


def test_a_text_that_others_have_begun_costs_its_own_words():
    typist = Typist()
    typist.read("the cat sat on ")

    assert typist.read("the cat sat on the dog ") == [1, 1]
    assert typist.read("the cat sat by ") == [1]


def test_tokens_and_texts_share_what_was_read():
    typist = Typist()
    typist.read("the cat sat ")
    counted = Counted()
    converse(read(MANIFEST, TOKENIZER.context("the cat sat on ").ids, typist.memory), counted)

    assert counted.tokens == [1]
    assert typist.read("the cat sat on ") == []


def test_log_probs_that_were_forgotten_cost_one_token():
    pool = MemoryPool(10**6)
    typist = Typist(LruMemory(pool))
    typist.read("the cat ")
    typist.read("the cat sat ")
    pool.forget(pool.log_probs, next(reversed(pool.log_probs.entries)))

    assert typist.read("the cat sat ") == [1]


def test_a_long_text_goes_on_at_the_cost_of_its_new_words():
    typist = Typist(LruMemory(MemoryPool(10**8)))
    text = LINE * (MAX_CHARACTERS // len(LINE) + 10)
    assert len(text) > MAX_CHARACTERS
    typist.read(text)

    assert typist.read(text + "the ") == [1]
    assert sum(typist.read(text + LINE * (CHARACTER_STRIDE // len(LINE)))) > 1000


def test_of_marks_without_blanks_the_last_ones_are_read():
    typist = Typist(LruMemory(MemoryPool(10**8)))

    assert sum(typist.read("." * 9000)) == 3881
    assert typist.read("." * 9001) == [1]


def test_texts_are_counted_by_what_was_known_of_them():
    memory = LruMemory(MemoryPool(10**6))
    for text in ("the cat ", "the cat sat ", "the cat sat o"):
        converse(read_text(MANIFEST, TOKENIZER, text, memory), RUN)

    assert memory.recall.texts == {"whole": 1, "part": 1, "none": 1}
    assert (memory.recall.tokens_read, memory.recall.tokens_spared) == (4, 7)
