from __future__ import annotations

from pathlib import Path

import pytest

from service.contract.forms import forms_text, lower, parse_forms, read_forms
from service.contract.manifest import ArtifactError
from tests import artifacts


def test_forms_come_back_as_they_were_written():
    forms = {"i": "I", "o'brien": "O'Brien", "pierre": "Pierre", "мир": "Мир"}

    assert parse_forms(forms_text({**forms, "walk": "walk"}).encode()) == forms


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"{", "forms.json is not JSON"),
        (b"[" * 100_000, "forms.json is not JSON"),
        (b"[]", "forms.json must hold an object of at most 500000 words"),
        (b'{"pierre": "Paul"}', "forms.json: 'pierre' is not written 'Paul'; a form is the same word in other letters"),
        (b'{"pierre": "pierre"}', "'pierre' is not written 'pierre'"),
        (b'{"pierre": 1}', "'pierre' is not written '1'"),
        (b'{"new york": "New York"}', "'new york' is not written 'New York'"),
        (b'{"a\\nb": "A\\nB"}', "is not written"),
        (b'{"%s": "%s"}' % (b"a" * 101, b"A" * 101), "is not written"),
    ],
)
def test_what_is_no_table_of_forms_is_refused_with_the_reason(content: bytes, reason: str):
    with pytest.raises(ArtifactError) as caught:
        parse_forms(content)

    assert reason in str(caught.value)


def test_an_artifact_may_hold_forms_or_none(tmp_path: Path):
    plain = artifacts.publish(tmp_path, "plain", artifacts.next_word())
    formed = artifacts.publish(
        tmp_path, "formed", artifacts.next_word(), alter=lambda folder: (folder / "forms.json").write_text('{"cat": "Cat"}')
    )

    assert read_forms(plain) == {}
    assert read_forms(formed) == {"cat": "Cat"}


def test_lower_case_is_taken_letter_by_letter_as_tokenizers_do():
    assert lower("ΟΔΟΣ") == "οδοσ"
    assert lower("Cafe\u0301") == "café"
