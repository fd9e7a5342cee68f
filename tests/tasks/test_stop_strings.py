from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.tasks.stop_strings import Released, release

LETTERS = st.text("ab. ", max_size=12)
STOPS = st.lists(st.text("ab. ", min_size=1, max_size=4), min_size=1, max_size=3)


@pytest.mark.parametrize(
    ("text", "stop", "released"),
    [
        ("the end", (), Released("the end", "", stopped=False)),
        ("the end. And", (". ",), Released("the end", "", stopped=True)),
        ("the end.", (". A",), Released("the end", ".", stopped=False)),
        ("the end. B", (". A",), Released("the end. B", "", stopped=False)),
        ("a stop, a halt", ("halt", "stop"), Released("a ", "", stopped=True)),
        ("x ab", ("bc", "abc"), Released("x ", "ab", stopped=False)),
    ],
)
def test_what_may_be_shown(text: str, stop: tuple[str, ...], released: Released):
    assert release(text, stop) == released


@given(st.lists(LETTERS, max_size=6), STOPS)
def test_what_is_shown_in_pieces_never_has_a_stop_string_or_its_beginning_at_the_stop(pieces: list[str], stop: list[str]):
    shown, held, stopped = "", "", False
    for piece in pieces:
        released = release(held + piece, stop)
        shown, held, stopped = shown + released.shown, released.held, released.stopped
        if stopped:
            break
    whole = shown + held

    assert not any(string in whole for string in stop)
    assert "".join(pieces).startswith(whole)
    assert stopped == any(string in "".join(pieces) for string in stop)


@given(LETTERS, st.text("ab. ", min_size=1, max_size=4))
def test_no_more_is_held_than_might_become_a_stop_string(text: str, string: str):
    released = release(text, [string])

    assert released.stopped or text == released.shown + released.held
    assert string.startswith(released.held)
    assert len(released.held) < len(string)
