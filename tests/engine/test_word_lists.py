from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

from service import word_lists
from service.errors import StartupError
from service.settings import Settings
from service.word_lists import hidden_words


def test_by_default_nothing_is_hidden():
    assert not hidden_words(Settings())


def test_files_hold_a_word_a_line(tmp_path: Path):
    (tmp_path / "deny.txt").write_text("# of the house\nMoscow\n\n  Cafe\u0301 \nprince\n", encoding="utf-8")
    (tmp_path / "allow.txt").write_text("PRINCE\n", encoding="utf-8")

    hidden = hidden_words(Settings(deny_words=tmp_path / "deny.txt", allow_words=tmp_path / "allow.txt"))

    assert hidden.service == {"moscow", "café"}


def test_words_of_files_hold_for_either_apostrophe(tmp_path: Path):
    (tmp_path / "deny.txt").write_text("don't\ncan’t\n", encoding="utf-8")
    (tmp_path / "allow.txt").write_text("can't\n", encoding="utf-8")

    hidden = hidden_words(Settings(deny_words=tmp_path / "deny.txt", allow_words=tmp_path / "allow.txt"))

    assert hidden.service == {"don't", "don’t"}


def test_profanities_are_hidden_in_english_and_korean_but_for_allowed_ones(tmp_path: Path):
    (tmp_path / "allow.txt").write_text("bastard\n")

    hidden = hidden_words(Settings(profanities="hide", allow_words=tmp_path / "allow.txt")).service

    assert "shit" in hidden
    assert "bastard" not in hidden
    assert any("가" <= word[0] <= "힣" for word in hidden)
    assert not [word for word in hidden if " " in word]
    assert {"am", "got", "the", "walk"}.isdisjoint(hidden)


def test_a_list_that_is_not_installed_names_the_extra(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda _name: None)

    with pytest.raises(StartupError, match=r"--profanities hide needs a list of them: `pip install 'carousel-serve\[profanities\]'`"):
        hidden_words(Settings(profanities="hide"))


def test_a_release_without_the_lists_is_refused(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(word_lists, "PROFANITY_LANGUAGES", ("elvish",))

    with pytest.raises(StartupError, match="this glin-profanity has no list of elvish words"):
        hidden_words(Settings(profanities="hide"))


@pytest.mark.parametrize(
    ("content", "message"),
    [(None, "No such file or directory; name a file that can be read"), (b"\xff", "not UTF-8 text"), (b"a" * 101, "over 100 bytes")],
)
def test_a_file_that_cannot_be_read_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: bytes | None, message: str):
    monkeypatch.setattr(word_lists, "MAX_FILE_BYTES", 100)
    if content is not None:
        (tmp_path / "deny.txt").write_bytes(content)

    with pytest.raises(StartupError) as caught:
        hidden_words(Settings(deny_words=tmp_path / "deny.txt"))

    assert str(caught.value).startswith(f"--deny-words {tmp_path}/deny.txt: ")
    assert message in str(caught.value)
