from __future__ import annotations

import pytest

from service.errors import BadQuestion
from service.personal.dictionary import Entry
from service.personal.export import exported, imported

ENTRIES = [Entry((), "bob", "Bob", 3), Entry(("my", "dear"), "bob", "Bob", 2)]
LINES = b'{"word":"Bob","count":3}\n{"before":["my","dear"],"word":"Bob","count":2}\n'


def test_an_export_is_a_line_of_json_for_each_entry():
    assert exported(ENTRIES) == LINES
    assert exported([]) == b""


def test_an_export_comes_back_as_it_was():
    assert imported(LINES) == (ENTRIES, 0)
    assert imported(b"\n") == ([], 0)


def test_lines_of_what_is_never_learned_are_passed_over():
    lines = b'{"word":"hunter2","count":1}\n{"word":"Bob","count":1}\n{"word":"two words","count":1}\n'
    lines += b'{"before":["bob@x.org"],"word":"is","count":1}'

    assert imported(lines) == ([Entry((), "bob", "Bob", 1)], 3)


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (b'{"word":"Bob","count":3}\n{"word":"Bob"}', "line 2: count: Field required; send the lines of an export"),
        (b'{"word":"Bob","count":0}', "line 1: count: Input should be greater than or equal to 1"),
        (b'{"word":"Bob","count":"3"}', "line 1: count: Input should be a valid integer"),
        (b'{"word":"Bob","count":1,"colour":1}', "line 1: colour: Extra inputs are not permitted"),
        (b'{"before":["a","b","c"],"word":"Bob","count":1}', "line 1: before"),
        (b"Bob 3", "line 1: Invalid JSON"),
        (b'"Bob"', "line 1: Input should be"),
        (b"\xff\xfe", "line 1: Invalid JSON"),
    ],
)
def test_a_line_that_is_none_is_refused_with_its_number(lines: bytes, message: str):
    with pytest.raises(BadQuestion) as caught:
        imported(lines)

    assert message in caught.value.detail
