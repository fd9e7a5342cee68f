"""The file of personal words: what is kept of whom, how much, and what happens where it fails."""

from __future__ import annotations

import asyncio
import json
import sqlite3
import stat
import subprocess
import sys
from collections.abc import Coroutine, Iterator
from pathlib import Path
from typing import TypeVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.errors import StartupError
from service.personal import words as words_module
from service.personal.database import open_database
from service.personal.dictionary import Owner
from service.personal.errors import PersonalWordsUnavailable
from service.personal.evidence import Evidence, Known
from service.personal.hearing import grams, hear
from service.personal.opening import open_words
from service.personal.words import PersonalWords
from service.personal.writing import Bounds, learn
from service.settings import Settings

ANN, BOB = Owner("next-word-en", "ann"), Owner("next-word-en", "bob")

T = TypeVar("T")


class Clock:
    """Says a second more each time."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        self.now += 1
        return self.now


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "words.sqlite"


@pytest.fixture
def words(path: Path) -> Iterator[PersonalWords]:
    kept = PersonalWords(path, bounds=Bounds(), clock=Clock())
    yield kept
    kept.close()


def run(coroutine: Coroutine[object, object, T]) -> T:
    return asyncio.run(coroutine)


def listed(words: PersonalWords, owner: Owner = ANN) -> dict[str, int]:
    return {entry.form: entry.count for entry in run(words.words(owner, after="", limit=1000))}


def export(words: PersonalWords, owner: Owner = ANN) -> bytes:
    async def gathered() -> bytes:
        return b"".join([page async for page in words.export(owner)])

    return run(gathered())


def test_words_are_counted_and_listed_in_alphabetical_order_as_they_are_written(words: PersonalWords):
    assert run(words.learn(ANN, "Dear Pierre, the zebra saw Pierre. Write to bob@example.com!")) == (8, 1)

    assert list(listed(words).items()) == [("dear", 1), ("Pierre", 2), ("saw", 1), ("the", 1), ("to", 1), ("write", 1), ("zebra", 1)]


def test_a_list_comes_in_pages(words: PersonalWords):
    run(words.learn(ANN, "one two three four five"))

    first = run(words.words(ANN, after="", limit=2))
    second = run(words.words(ANN, after=first[-1].word, limit=2))

    assert [entry.word for entry in (*first, *second)] == ["five", "four", "one", "three"]


def test_evidence_is_of_each_context_and_of_the_letters_typed(words: PersonalWords):
    run(words.learn(ANN, "my dear Bob\nmy dear Ben\nmy dear Bob\nthe bear"))

    assert run(words.known(ANN, "my dear B")) == Known(
        (Evidence({"bob": 2, "bear": 1, "ben": 1}, 4, 3), Evidence({"bob": 2, "ben": 1}, 3, 2), Evidence({"bob": 2, "ben": 1}, 3, 2)),
        {"bob": "Bob", "ben": "Ben"},
    )
    assert run(words.known(ANN, "a bear. B")).levels == (Evidence({"bob": 2, "bear": 1, "ben": 1}, 4, 3),)
    assert run(words.known(ANN, "my dear X")) == Known()


def test_evidence_adds_up_words_that_are_not_listed(words: PersonalWords, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("service.personal.dictionary.MOST_USED", 2)
    run(words.learn(ANN, "one one two two two three"))

    assert run(words.known(ANN, "")).levels == (Evidence({"two": 3, "one": 2}, 6, 3),)


def test_a_korean_syllable_still_being_composed_finds_its_word(words: PersonalWords):
    run(words.learn(ANN, "한국 하늘"))

    assert set(run(words.known(ANN, "한")).levels[0].counts) == {"한국", "하늘"}
    assert set(run(words.known(ANN, "한구")).levels[0].counts) == {"한국"}


def test_the_form_is_that_of_the_last_time_within_a_sentence(words: PersonalWords):
    run(words.learn(ANN, "Apple is here. eat an Apple"))
    assert "Apple" in listed(words)

    run(words.learn(ANN, "eat an apple. Apple is there"))
    assert "apple" in listed(words)


def test_typing_on_teaches_each_word_once_however_often_the_text_is_sent(words: PersonalWords):
    text = "dear Bob, the zebra. "
    for end in range(1, len(text) + 1):
        for _ in range(3):
            run(words.learn_last(ANN, text[:end]))
    run(words.learn_last(ANN, text + " "))

    assert listed(words) == {"dear": 1, "Bob": 1, "the": 1, "zebra": 1}
    assert {b'{"before":["dear"],"word":"Bob","count":1}', b'{"before":["dear","bob"],"word":"the","count":1}'} < set(
        export(words).splitlines()
    )


def test_a_long_text_teaches_its_last_word_once_too(words: PersonalWords):
    text = "so it was " * 200 + "zebra "

    for more in ("", " ", "\n"):
        run(words.learn_last(ANN, text + more))

    assert listed(words) == {"zebra": 1}


@given(st.lists(st.sampled_from(["dear", "Bob", "zebra", "hunter2", "bob@example.com", "\n", "."]), max_size=12))
def test_what_is_learned_while_typing_is_what_is_learned_of_the_text(tokens: list[str]):
    text = "".join(one if one == "\n" else f"{one} " for one in tokens)
    connections = [sqlite3.connect(":memory:", isolation_level=None) for _ in range(2)]
    counts = []
    for connection in connections:
        prepare(connection)
    for end in range(len(text) + 1):
        typed = words_module.finished_part(text[:end])
        found = words_module.last_grams(typed)
        learn(connections[0], ANN, found, bounds=Bounds(), now=0, text_hash=typed.encode())
    learn(connections[1], ANN, list(grams(hear(text).words)), bounds=Bounds(), now=0)
    for connection in connections:
        counts.append(connection.execute("SELECT word, count FROM grams WHERE before1 = '' ORDER BY word").fetchall())
        connection.close()

    assert counts[0] == counts[1]


def prepare(connection: sqlite3.Connection) -> None:
    from service.personal import database

    connection.executescript(database._SCHEMA)


def test_two_users_never_mix(words: PersonalWords):
    run(words.learn(ANN, "the zebra"))
    run(words.learn(BOB, "the giraffe"))
    run(words.learn(Owner("next-word-ko", "ann"), "the lion"))

    assert (listed(words, ANN), listed(words, BOB)) == ({"the": 1, "zebra": 1}, {"giraffe": 1, "the": 1})
    assert set(run(words.known(ANN, "the ")).levels[1].counts) == {"zebra"}
    assert run(words.forget_all(ANN)) == 2
    assert (listed(words, ANN), listed(words, BOB)) == ({}, {"giraffe": 1, "the": 1})
    assert run(words.known(ANN, "the ")) == Known()


@pytest.mark.parametrize(
    "user", ["' OR 1=1 --", "ann'; DROP TABLE grams; --", "%", "ann\x00bob", "Ann", "ann ", "안", "🐎" * 100, "a/b/../c"]
)
def test_an_id_is_any_text_and_nobody_elses(words: PersonalWords, user: str):
    run(words.learn(ANN, "zebra"))
    odd = Owner("next-word-en", user)

    assert listed(words, odd) == {}
    run(words.learn(odd, "giraffe"))
    assert listed(words, odd) == {"giraffe": 1}
    assert run(words.forget(odd, "zebra' OR '1'='1")) == 0
    assert run(words.forget_all(odd)) == 1
    assert listed(words, ANN) == {"zebra": 1}


def test_a_word_is_forgotten_with_all_that_was_learned_beside_it(words: PersonalWords):
    run(words.learn(ANN, "my dear Bob came"))

    assert run(words.forget(ANN, "BOB")) == 1

    assert listed(words) == {"came": 1, "dear": 1, "my": 1}
    assert b"ob" not in export(words)
    assert run(words.forget(ANN, "bob")) == 0


def test_nothing_that_was_forgotten_is_left_in_the_files(words: PersonalWords, path: Path):
    run(words.learn(ANN, "Bolkonsky is here"))
    assert any(b"bolkonsky" in file.read_bytes() for file in path.parent.iterdir())

    run(words.forget(ANN, "bolkonsky"))

    assert not any(b"olkonsky" in file.read_bytes() for file in path.parent.iterdir())


def test_an_export_restores_a_user_and_the_same_again_changes_nothing(words: PersonalWords, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(words_module, "ENTRIES_AT_ONCE", 3)
    run(words.learn(ANN, "my dear Bob came. my dear Bob went"))
    lines = export(words)

    for _ in range(2):
        assert run(words.restore(BOB, lines)) == (5, 0)

    assert export(words, BOB) == lines
    assert lines.count(b"\n") == 5 + 4 + 3


def test_restoring_keeps_the_larger_count(words: PersonalWords):
    run(words.learn(ANN, "zebra zebra lion"))

    run(words.restore(ANN, b'{"word":"zebra","count":1}\n{"word":"lion","count":7}\n'))

    assert listed(words) == {"lion": 7, "zebra": 2}


def test_of_too_many_words_the_least_used_go_with_their_phrases(path: Path):
    words = PersonalWords(path, bounds=Bounds(words=10), clock=Clock())
    run(words.learn(ANN, "one two three four five six seven eight nine ten. " * 2))
    run(words.learn(ANN, "eleven twelve"))

    kept = listed(words)

    assert len(kept) == 9
    assert not {"eleven", "twelve"} & set(kept)
    phrases = [json.loads(line) for line in export(words).splitlines()]
    assert all(word in kept for phrase in phrases for word in (*phrase.get("before", ()), phrase["word"]))
    words.close()


def test_words_learned_one_by_one_are_bounded_too(path: Path):
    words = PersonalWords(path, bounds=Bounds(words=10), clock=Clock())
    letters = "abcdefghijklmnopqrst"
    text = ""
    for one in letters:
        for other in letters[:7]:
            text += f"{one}o{other}a "
            run(words.learn_last(ANN, text))

    assert len(listed(words)) <= 10 + 64
    words.close()


def test_of_too_many_users_the_one_silent_for_the_longest_time_goes(path: Path):
    words = PersonalWords(path, bounds=Bounds(users=2), clock=Clock())
    for user in ("ann", "bob", "ann", "cem"):
        run(words.learn(Owner("next-word-en", user), "zebra"))

    assert [listed(words, Owner("next-word-en", user)) for user in ("ann", "bob", "cem")] == [{"zebra": 2}, {}, {"zebra": 1}]
    words.close()


def test_a_file_that_is_too_large_loses_users_that_were_silent(path: Path):
    words = PersonalWords(path, bounds=Bounds(bytes=60_000), clock=Clock())
    many = " ".join(f"{one}o{other}a" for one in "bcdfghjklm" for other in "bcdfghjklm")
    for number in range(8):
        run(words.learn(Owner("next-word-en", f"user {number}"), many))

    kept = [number for number in range(8) if listed(words, Owner("next-word-en", f"user {number}"))]

    assert 0 < len(kept) < 8
    assert kept[-1] == 7
    words.close()
    assert path.stat().st_size < 120_000


def test_only_the_owner_of_the_process_may_read_the_files(words: PersonalWords, path: Path):
    run(words.learn(ANN, "zebra"))

    assert {file.name: stat.S_IMODE(file.stat().st_mode) for file in path.parent.iterdir()} == {
        "words.sqlite": 0o600,
        "words.sqlite-shm": 0o600,
        "words.sqlite-wal": 0o600,
    }


def test_a_file_that_others_could_read_is_closed_to_them(path: Path):
    PersonalWords(path, bounds=Bounds()).close()
    path.touch(0o644)
    words = PersonalWords(path, bounds=Bounds())
    run(words.learn(ANN, "zebra"))

    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    words.close()


def test_words_are_still_there_after_a_new_start(path: Path):
    for _ in range(2):
        words = PersonalWords(path, bounds=Bounds())
        run(words.learn(ANN, "zebra"))
        words.close()

    words = PersonalWords(path, bounds=Bounds())
    assert listed(words) == {"zebra": 2}
    words.close()


LEARNER = """
import asyncio, sys
from pathlib import Path
from service.personal.dictionary import Owner
from service.personal.words import PersonalWords
from service.personal.writing import Bounds
words = PersonalWords(Path(sys.argv[1]), bounds=Bounds())
for _ in range(10):
    asyncio.run(words.learn(Owner("next-word-en", "ann"), "the zebra " + sys.argv[2]))
words.close()
"""


def test_several_processes_share_the_file(words: PersonalWords, path: Path):
    processes = [subprocess.Popen([sys.executable, "-c", LEARNER, path, name]) for name in ("lion", "giraffe")]
    for process in processes:
        assert process.wait(timeout=60) == 0

    assert listed(words) == {"giraffe": 10, "lion": 10, "the": 20, "zebra": 20}


def refusal(coroutine: Coroutine[object, object, object]) -> str:
    with pytest.raises(PersonalWordsUnavailable) as caught:
        run(coroutine)
    return caught.value.detail


def test_a_damaged_file_is_refused_left_alone_and_used_when_it_is_repaired(words: PersonalWords, path: Path):
    path.write_bytes(b"not a database, but someone's notes " * 100)

    assert refusal(words.learn(ANN, "zebra")) == (
        "words.sqlite: file is not a database: it is no database: move it away, or start the service with another --personal-words"
    )
    assert "file is not a database" in refusal(words.known(ANN, "ze"))
    assert path.read_bytes() == b"not a database, but someone's notes " * 100

    path.unlink()
    run(words.learn(ANN, "zebra"))
    assert listed(words) == {"zebra": 1}


def test_another_programs_database_is_left_as_it_was(words: PersonalWords, path: Path):
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE notes (text TEXT)")
    connection.close()
    before = path.read_bytes()

    assert (
        refusal(words.learn(ANN, "zebra")) == "words.sqlite is another program's database: start the service with another --personal-words"
    )
    assert path.read_bytes() == before


def test_a_file_of_another_release_is_refused(words: PersonalWords, path: Path):
    connection = open_database(path, busy_s=1)
    connection.execute("PRAGMA user_version = 2")
    connection.close()

    assert refusal(words.known(ANN, "")) == "words.sqlite was written by another release of Carousel: use that one, or another file"


def test_a_locked_file_is_read_and_what_cannot_be_learned_is_said(path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(words_module, "WRITE_BUSY_S", 0.01)
    words = PersonalWords(path, bounds=Bounds())
    run(words.learn(ANN, "zebra"))
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")

    assert refusal(words.learn(ANN, "lion")) == "words.sqlite: database is locked: another program holds it: send this again"
    assert listed(words) == {"zebra": 1}

    other.close()
    run(words.learn(ANN, "lion"))
    assert listed(words) == {"lion": 1, "zebra": 1}
    words.close()


def test_a_full_disk_loses_nothing_and_is_said(words: PersonalWords):
    run(words.learn(ANN, "zebra"))
    text = " ".join(f"{one}o{other}a{third}e" for one in "bcdfghjklm" for other in "bcdfghjklm" for third in "bcdfg")

    async def full() -> None:
        await words._writer.run(lambda connection: connection.execute("PRAGMA max_page_count = 1"))
        try:
            await words.learn(ANN, text)
        finally:
            await words._writer.run(lambda connection: connection.execute("PRAGMA max_page_count = 1000000"))

    assert refusal(full()) == "words.sqlite: database or disk is full: the disk is full: free some space"
    assert listed(words) == {"zebra": 1}
    assert run(words.learn(ANN, "lion")) == (1, 0)


def test_a_folder_that_is_gone_is_said(words: PersonalWords, path: Path):
    path.mkdir()

    assert refusal(words.known(ANN, "")) == "words.sqlite: Is a directory: see that its folder is there and the service may write to it"


def test_the_same_failure_is_logged_once(words: PersonalWords, path: Path, caplog: pytest.LogCaptureFixture):
    path.mkdir()
    for _ in range(3):
        refusal(words.known(ANN, ""))

    assert [record.getMessage() for record in caplog.records] == [
        "personal words are not available: words.sqlite: Is a directory: see that its folder is there and the service may write to it"
    ]


def test_work_that_waits_is_bounded(words: PersonalWords, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("service.personal.database_thread.MAX_WAITING", 2)

    async def crowd() -> list[object]:
        return await asyncio.gather(*(words.known(ANN, "") for _ in range(4)), return_exceptions=True)

    answers = run(crowd())

    assert answers[:2] == [Known(), Known()]
    assert [str(one) for one in answers[2:]] == ["2 requests wait for words.sqlite: send this again later"] * 2


def test_nothing_is_kept_unless_a_file_is_named(tmp_path: Path):
    assert open_words(Settings()) is None
    with pytest.raises(StartupError, match=r"there is no folder .*none; create it, or name a file in another one"):
        open_words(Settings(personal_words=tmp_path / "none" / "words.sqlite"))


def test_the_settings_bound_what_is_kept(path: Path):
    words = open_words(Settings(personal_words=path, personal_max_users=1))
    assert words is not None
    for owner in (ANN, BOB):
        run(words.learn(owner, "zebra"))

    assert (listed(words, ANN), listed(words, BOB)) == ({}, {"zebra": 1})
    words.close()
