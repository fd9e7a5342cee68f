from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.batching.batch import kind_of
from service.contract.golden import Tensors
from service.contract.manifest import Pointer
from service.tasks.dialogue import Dialogue, Step, T, converse
from service.tasks.memory import LruMemory, MemoryPool
from service.tasks.place import MAX_TOKENS
from service.tasks.reading import Reading, advance, pieces, read, read_text, without_pointer
from tests import artifacts, recurrent
from tests.recurrent import same

Run = Callable[[Tensors], Tensors]

PLAIN = recurrent.next_word()
POINTING = recurrent.next_word(pointer=Pointer(window=5, sharpness=2.0, share=0.3))
MANIFEST = artifacts.manifest(PLAIN, "plain", 1)
POINTING_MANIFEST = artifacts.manifest(POINTING, "pointing", 1)
TOKENIZER = PLAIN.tokenizer
assert TOKENIZER is not None
RUN = recurrent.graph(PLAIN)
RUNS = [(MANIFEST, RUN), (POINTING_MANIFEST, recurrent.graph(POINTING))]
LINE = "the cat sat on the mat . the dog sat on the log .\n"


def together(dialogues: Sequence[Dialogue[T]], run: Run) -> tuple[list[T], int]:
    """Answers to dialogues whose steps of one kind run together, and the number of runs."""
    answers: dict[int, T] = {}
    steps: dict[int, Step] = {}
    runs = 0

    def go_on(number: int, outputs: Tensors | None) -> None:
        try:
            steps[number] = next(dialogues[number]) if outputs is None else dialogues[number].send(outputs)
        except StopIteration as end:
            answers[number] = end.value

    for number in range(len(dialogues)):
        go_on(number, None)
    while steps:
        kinds: dict[object, list[int]] = {}
        for number, step in steps.items():
            kinds.setdefault(kind_of(step.inputs, step.outputs), []).append(number)
        round_, steps = steps, {}
        for numbers in kinds.values():
            runs += 1
            names = round_[numbers[0]].inputs
            outputs = run({name: np.concatenate([round_[number].inputs[name] for number in numbers]) for name in names})
            for row, number in enumerate(numbers):
                go_on(number, {name: array[row : row + 1] for name, array in outputs.items()})
    return [answers[number] for number in range(len(dialogues))], runs


def test_a_number_of_tokens_is_read_in_few_lengths():
    assert list(pieces(1000)) == [64] * 15 + [16] * 2 + [4] * 2
    assert list(pieces(3)) == [1, 1, 1]
    assert list(pieces(0)) == []


@pytest.mark.parametrize(("manifest", "run"), RUNS)
def test_a_text_in_pieces_is_read_as_the_whole(manifest, run):
    ids = list(TOKENIZER.context(LINE * 8).ids)
    assert len(ids) == 121
    zeros = np.zeros((1, 1, recurrent.HIDDEN), np.float32)
    whole = run({"tokens": np.array([ids]), "state_h": zeros, "state_c": zeros})

    found = converse(read(without_pointer(manifest), ids), run)

    assert same(found, Reading(_read_only(whole["log_probs"][0]), {"state_h": whole["next_h"], "state_c": whole["next_c"]}))
    assert found.trail is None


def _read_only(array):
    array.flags.writeable = False
    return array


@pytest.mark.parametrize(("manifest", "run"), RUNS)
def test_texts_with_different_numbers_of_tokens_share_runs_and_are_read_as_alone(manifest, run):
    ids = TOKENIZER.context(LINE).ids
    lengths = (1, 2, 3, 5, 8, 13)
    alone = [converse(read(manifest, ids[:length]), run) for length in lengths]

    found, runs = together([read(manifest, ids[:length]) for length in lengths], run)

    assert sum(len(list(pieces(length))) for length in lengths) == 14
    assert runs == 7
    assert all(map(same, found, alone))


@pytest.mark.parametrize(("manifest", "run"), RUNS)
def test_readings_that_are_advanced_together_are_those_of_the_longer_texts(manifest, run):
    texts = [(0, 2, 3), (0, 5), (0, 2, 3)]
    readings = [converse(read(manifest, ids), run) for ids in texts]

    found = converse(advance(manifest, readings, [4, 6, 7]), run)

    longer = [converse(read(manifest, (*ids, token)), run) for ids, token in zip(texts, (4, 6, 7), strict=True)]
    assert all(map(same, found, longer))


def test_beams_that_share_a_beginning_keep_their_own_trails():
    manifest, run = RUNS[1]
    [reading] = [converse(read(manifest, (0, 2, 3)), run)]
    for _ in range(3):
        first, second = converse(advance(manifest, [reading, reading], [4, 5]), run)
        reading = second

    assert first.trail is not None
    assert second.trail is not None
    assert first.trail.tokens.tolist() == [0, 2, 3, 5, 5, 4]
    assert second.trail.tokens.tolist() == [0, 2, 3, 5, 5, 5]


_TYPED = st.text(st.sampled_from("thecasdogmlu .,'\n"), min_size=1, max_size=4)
_PASTED = st.lists(st.sampled_from([*TOKENIZER.words[2:], "zebra", "(cat", "\n"]), min_size=1, max_size=40).map(" ".join)
_EDITS = st.lists(
    st.one_of(
        st.tuples(st.just("type"), _TYPED),
        st.tuples(st.just("paste"), _PASTED),
        st.tuples(st.just("delete"), st.integers(1, 30)),
        st.tuples(st.just("switch"), st.integers(0, 2)),
    ),
    min_size=1,
    max_size=15,
)


@pytest.mark.parametrize(("manifest", "run"), RUNS)
@given(edits=_EDITS, limit_bytes=st.sampled_from([0, 3_000, 15_000, 10**7]))
def test_a_text_that_is_edited_is_read_the_same_with_a_memory_and_without(manifest, run, edits, limit_bytes):
    memory = LruMemory(MemoryPool(limit_bytes))
    texts, current = ["", "the cat ", "(the"], 0
    for kind, what in edits:
        match kind:
            case "switch":
                current = what
            case "delete":
                texts[current] = texts[current][:-what]
            case _:
                texts[current] += what
        text = texts[current]

        found, prefix = converse(read_text(manifest, TOKENIZER, text, memory), run)

        expected, expected_prefix = converse(read_text(manifest, TOKENIZER, text), run)
        assert same(found, expected)
        assert prefix == expected_prefix == TOKENIZER.context(text).prefix
        assert same(found, converse(read(manifest, TOKENIZER.context(text).ids, memory), run))
        assert memory.recall.bytes <= limit_bytes


@pytest.mark.parametrize("tokens", range(MAX_TOKENS - 3, MAX_TOKENS + 3))
def test_texts_of_many_tokens_are_read_the_same_with_a_memory_and_without(tokens: int):
    memory = LruMemory(MemoryPool(10**8))
    for text in ("." * (tokens - 4) + " .", "." * (tokens - 4) + " . .", "." * (tokens - 4) + " . .. "):
        found, _ = converse(read_text(MANIFEST, TOKENIZER, text, memory), RUN)

        assert same(found, converse(read_text(MANIFEST, TOKENIZER, text), RUN)[0])


def test_without_its_pointer_a_model_remembers_apart():
    manifest, run = RUNS[1]
    memory = LruMemory(MemoryPool(10**6))
    text = LINE + "the "

    with_pointer, _ = converse(read_text(manifest, TOKENIZER, text, memory), run)
    without, _ = converse(read_text(without_pointer(manifest), TOKENIZER, text, memory), run)

    assert same(without, converse(read_text(MANIFEST, TOKENIZER, text), RUN)[0])
    assert not same(without, with_pointer)
    assert same(converse(read_text(manifest, TOKENIZER, text, memory), run)[0], with_pointer)


def test_every_step_asks_for_the_same_outputs():
    steps = [next(read(MANIFEST, ids)) for ids in ((0,), (0, 2, 3, 4, 5))]

    assert {step.outputs for step in steps} == {("log_probs", "next_h", "next_c")}
    assert {step.outputs for step in [next(read(POINTING_MANIFEST, (0,)))]} == {("log_probs", "next_h", "next_c", "vectors")}
