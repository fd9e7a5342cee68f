import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from training.data.token_batches import NO_TARGET, document_windows, reading_rows, stream_windows

STREAM = np.array([0, 5, 6, 7, 0, 8, 0, 9, 10, 0])
STARTS = np.array([0, 4, 6])


def windows(*, batch, bptt, seed=0):
    return list(document_windows(STREAM, STARTS, batch=batch, bptt=bptt, generator=np.random.default_rng(seed)))


def test_documents_are_rows_that_begin_at_a_line_end_and_are_filled_up():
    [window] = windows(batch=4, bptt=10)
    assert window.begins
    assert window.tokens.tolist() == [[0, 8, 0, 0], [0, 9, 10, 0], [0, 5, 6, 7]]
    assert window.targets.tolist() == [[8, 0, NO_TARGET, NO_TARGET], [9, 10, 0, NO_TARGET], [5, 6, 7, 0]]


def test_long_documents_are_read_in_windows_of_about_one_length_of_which_the_first_begins():
    found = windows(batch=4, bptt=3)
    assert [(window.tokens.shape, window.begins) for window in found] == [((3, 2), True), ((3, 2), False)]


@given(
    lengths=st.lists(st.integers(1, 12), min_size=2, max_size=20),
    batch=st.integers(1, 6),
    bptt=st.integers(1, 7),
    seed=st.integers(0, 5),
)
def test_every_token_of_every_document_is_a_target_once_and_windows_are_as_many_each_time(lengths, batch, bptt, seed):
    starts = np.cumsum([0, *lengths[:-1]])
    ids = np.arange(sum(lengths) + 1)
    drawn = [
        list(document_windows(ids, starts, batch=batch, bptt=bptt, generator=np.random.default_rng(each))) for each in (seed, seed + 1)
    ]
    assert len(drawn[0]) == len(drawn[1])
    targets = np.concatenate([window.targets.ravel() for window in drawn[0]])
    assert sorted(targets[targets != NO_TARGET]) == list(range(1, len(ids)))
    assert all(window.tokens.shape[1] <= bptt for window in drawn[0])
    assert all(len(window.tokens) <= batch or window.tokens.size <= batch * bptt for window in drawn[0])


def test_the_first_window_of_a_stream_begins():
    assert [window.begins for window in stream_windows(np.arange(20), batch=2, bptt=4)] == [True, False, False]


@pytest.mark.parametrize("streams", [1, 3, 50])
def test_one_document_is_read_in_stretches_without_leaving_a_token_out(streams):
    rows = reading_rows(STREAM, np.array([0]), streams=streams)
    assert np.concatenate([row[1:] for row in rows]).tolist() == STREAM[1:].tolist()
    assert [len(row) for row in rows] == sorted((len(row) for row in rows), reverse=True)


def test_documents_are_read_whole_the_longest_first():
    assert [row.tolist() for row in reading_rows(STREAM, STARTS, streams=8)] == [[0, 5, 6, 7, 0], [0, 9, 10, 0], [0, 8, 0]]


def test_short_documents_are_more_than_a_batch_at_once():
    ids, starts = np.arange(41), np.arange(0, 40, 2)  # twenty documents of two tokens
    generator = np.random.default_rng(0)
    assert [window.tokens.shape for window in document_windows(ids, starts, batch=4, bptt=5, generator=generator)] == [(10, 2), (10, 2)]
