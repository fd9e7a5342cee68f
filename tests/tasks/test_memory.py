from __future__ import annotations

import sys
import threading

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.tasks.memory import ENTRY_BYTES, WORD_BYTES, LruMemory, MemoryPool
from service.tasks.place import Place
from service.tasks.reading import Carried, LogProbs
from service.tasks.trail import extended

STATE_BYTES = ENTRY_BYTES + 40
LOG_PROBS_BYTES = ENTRY_BYTES + 4000


def carried() -> Carried:
    return Carried({"h": np.zeros((1, 1, 10), np.float32)})


def log_probs() -> LogProbs:
    return np.zeros(1000, np.float32)


def held(pool: MemoryPool) -> int:
    return pool.places.bytes + pool.carried.bytes + pool.log_probs.bytes + pool.words.bytes


def test_what_is_kept_is_found_again_under_its_own_kind():
    memory = LruMemory(MemoryPool(10_000))
    state, place = carried(), Place(b"a", 3)
    memory.keep_carried(b"a", state)
    memory.keep_place(b"a", place)

    found = memory.carried(b"a")
    assert found is not None
    assert found.state.keys() == {"h"}
    assert memory.place(b"a") == place
    assert memory.log_probs(b"a") is None
    assert memory.carried(b"b") is None
    assert (memory.recall.entries, memory.recall.bytes) == (2, STATE_BYTES + ENTRY_BYTES)


def test_words_that_a_search_found_take_room_by_their_characters():
    memory = LruMemory(MemoryPool(10_000))
    memory.keep_words(b"a", [("cat", 0.5), ("catalogue", 0.25)])

    assert memory.words(b"a") == (("cat", 0.5), ("catalogue", 0.25))
    assert memory.words(b"b") is None
    assert memory.recall.bytes == ENTRY_BYTES + 2 * WORD_BYTES + sys.getsizeof("cat") + sys.getsizeof("catalogue")


def test_what_was_used_longest_ago_is_forgotten_first():
    memory = LruMemory(MemoryPool(3 * STATE_BYTES))
    for key in (b"a", b"b", b"c"):
        memory.keep_carried(key, carried())
    memory.carried(b"a")
    memory.keep_carried(b"d", carried())

    assert [memory.carried(key) is not None for key in (b"a", b"b", b"c", b"d")] == [True, False, True, True]
    assert memory.recall.evicted == 1


def test_log_probs_go_before_states_where_they_take_more_room():
    memory = LruMemory(MemoryPool(2 * STATE_BYTES + 2 * LOG_PROBS_BYTES))
    for key in (b"a", b"b", b"c"):
        memory.keep_carried(key, carried())
        memory.keep_log_probs(key, log_probs())

    assert [memory.carried(key) is not None for key in (b"a", b"b", b"c")] == [True, True, True]
    assert [memory.log_probs(key) is not None for key in (b"a", b"b", b"c")] == [False, False, True]


def test_what_is_kept_twice_counts_once():
    memory = LruMemory(MemoryPool(10_000))
    for _ in range(3):
        memory.keep_log_probs(b"a", log_probs())

    assert (memory.recall.entries, memory.recall.bytes) == (1, LOG_PROBS_BYTES)


def test_what_has_no_room_at_all_is_not_kept():
    memory = LruMemory(MemoryPool(0))
    memory.keep_log_probs(b"a", log_probs())

    assert memory.log_probs(b"a") is None
    assert (memory.recall.entries, memory.recall.bytes) == (0, 0)


def test_models_share_the_room_and_see_nothing_of_each_other():
    pool = MemoryPool(2 * STATE_BYTES)
    one, other = LruMemory(pool), LruMemory(pool)
    one.keep_carried(b"a", carried())
    other.keep_carried(b"b", carried())
    other.keep_carried(b"c", carried())

    assert one.carried(b"b") is None
    assert one.carried(b"a") is None
    assert other.carried(b"c") is not None
    assert (one.recall.evicted, one.recall.bytes, other.recall.bytes) == (1, 0, 2 * STATE_BYTES)


def test_a_model_that_goes_leaves_nothing():
    pool = MemoryPool(100_000)
    one, other = LruMemory(pool), LruMemory(pool)
    for memory in (one, other):
        memory.keep_carried(b"a", carried())
        memory.keep_log_probs(b"a", log_probs())
        memory.keep_place(b"a", Place(b"a"))
        memory.keep_words(b"a", [("cat", 0.5)])
    one.clear()

    assert (one.recall.entries, one.recall.bytes) == (0, 0)
    assert (one.recall.evicted, other.recall.entries) == (0, 4)
    assert held(pool) == other.recall.bytes


def test_a_row_of_a_batch_is_kept_without_the_batch():
    memory = LruMemory(MemoryPool(10_000))
    batch = np.zeros((32, 1, 10), np.float32)
    memory.keep_carried(b"a", Carried({"h": batch[3:4]}))
    memory.keep_log_probs(b"a", np.zeros((32, 100), np.float32)[3])

    found, read = memory.carried(b"a"), memory.log_probs(b"a")
    assert found is not None
    assert found.state["h"].base is None
    assert read is not None
    assert read.base is None
    with pytest.raises(ValueError, match="read-only"):
        read[0] = 1


def test_the_room_of_a_trail_counts_once_and_until_nothing_of_it_is_kept():
    memory = LruMemory(MemoryPool(100_000))
    trail = None
    for key in (b"a", b"b", b"c"):
        trail = extended(trail, np.ones((1, 4), np.float32), np.array([1]), window=10)
        memory.keep_carried(key, Carried(carried().state, trail))
    assert trail is not None
    assert memory.recall.bytes == 3 * STATE_BYTES + trail.room.nbytes

    memory.clear()
    assert memory.recall.bytes == 0
    assert not memory.pool.rooms


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 1), st.integers(0, 9), st.booleans()), max_size=60), st.integers(0, 30_000))
def test_the_bound_holds_and_bytes_add_up(steps: list[tuple[int, int, int, bool]], limit_bytes: int):
    pool = MemoryPool(limit_bytes)
    memories = [LruMemory(pool), LruMemory(pool)]
    trail = None
    for kind, which, key, forks in steps:
        memory, name = memories[which], bytes([key])
        trail = extended(None if forks else trail, np.ones((1, 4), np.float32), np.array([1]), window=5)
        match kind:
            case 0:
                memory.keep_carried(name, Carried(carried().state, trail))
            case 1:
                memory.keep_log_probs(name, log_probs())
            case 2:
                memory.keep_words(name, [("cat", 0.5)] * key)
            case _:
                memory.keep_place(name, Place(name))
        assert held(pool) == sum(memory.recall.bytes for memory in memories) <= limit_bytes
        rooms = {entry.room for entry in pool.carried.entries.values()} - {None}
        assert pool.carried.bytes == sum(entry.bytes for entry in pool.carried.entries.values()) + sum(
            room.nbytes for room in rooms if room
        )

    for memory in memories:
        memory.clear()
    assert (held(pool), len(pool.rooms)) == (0, 0)


def test_threads_keep_the_count_right():
    pool = MemoryPool(20 * STATE_BYTES)
    memories = [LruMemory(pool) for _ in range(4)]

    def use(memory: LruMemory) -> None:
        for number in range(500):
            memory.keep_carried(bytes([number % 30]), carried())
            memory.carried(bytes([number % 7]))
            memory.count(read=1, spared=0)

    threads = [threading.Thread(target=use, args=(memory,)) for memory in memories]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert held(pool) == 20 * STATE_BYTES == sum(memory.recall.bytes for memory in memories)
    assert [memory.recall.tokens_read for memory in memories] == [500] * 4
