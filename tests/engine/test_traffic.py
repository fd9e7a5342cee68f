from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.contract.manifest import ArtifactError
from service.lifecycle.traffic import MAX_BYTES, Label, Traffic, chosen, read_traffic


def said(folder: Path, text: str) -> Traffic:
    (folder / "labels.json").write_text(text)
    return read_traffic(folder)


def test_no_file_is_no_labels(tmp_path: Path):
    assert read_traffic(tmp_path) == Traffic()


def test_a_label_is_a_version_or_an_object(tmp_path: Path):
    traffic = said(tmp_path, '{"stable": 3, "canary": {"version": 4, "share": 0.05}, "next": {"version": 5, "shadow": true}}')

    assert traffic.labels == {"stable": Label(version=3), "canary": Label(version=4, share=0.05), "next": Label(version=5, shadow=True)}
    assert traffic.version_of("canary") == 4
    assert traffic.version_of("none") is None
    assert traffic.shadow() == 5


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[]", "the file: Input should be an object"),
        ('{"stable": "3"}', r"stable\..*: write label -> version, or an object"),
        ('{"stable": true}', r"stable\."),
        ('{"stable": 0}', r"stable\..*: write label -> version"),
        ('{"stable": {"version": 3, "weight": 1}}', r"stable\."),
        ('{"Stable": 3}', "not a label: 'Stable'; use lower-case letters"),
        ('{"a@b": 3}', "not a label: 'a@b'"),
        ('{"canary": {"version": 3, "share": 1.5}}', r"canary\."),
        ('{"a": {"version": 3, "share": 0.6}, "b": {"version": 4, "share": 0.6}}', "the shares are over 1 altogether"),
        ('{"a": {"version": 3, "share": 0.1, "shadow": true}}', "a has a share and is a shadow"),
        ('{"a": {"version": 3, "shadow": true}, "b": {"version": 4, "shadow": true}}', "at most one label is a shadow"),
        (" " * (MAX_BYTES + 1), "is a link or over 64000 bytes"),
    ],
)
def test_what_is_no_labels_is_refused_with_what_is_wrong(tmp_path: Path, text: str, message: str):
    with pytest.raises(ArtifactError, match=message):
        said(tmp_path, text)


def test_labels_are_not_followed_through_a_link(tmp_path: Path):
    (tmp_path / "elsewhere").write_text("{}")
    (tmp_path / "labels.json").symlink_to(tmp_path / "elsewhere")

    with pytest.raises(ArtifactError, match=r"labels\.json is a link"):
        read_traffic(tmp_path)


def test_a_file_that_cannot_be_read_is_said(tmp_path: Path):
    (tmp_path / "labels.json").mkdir()

    with pytest.raises(ArtifactError, match=r"labels\.json cannot be read: Is a directory"):
        read_traffic(tmp_path)


@given(st.floats(0, 1, exclude_max=True), st.floats(0, 0.5), st.floats(0, 0.5))
def test_every_draw_gives_the_version_whose_share_it_falls_in(number: float, first: float, second: float):
    traffic = Traffic({"stable": Label(version=1), "a": Label(version=2, share=first), "b": Label(version=3, share=second)})

    expected = 2 if number < first else 3 if number - first < second else 1
    assert traffic.choose({1, 2, 3, 4}, lambda: number) == expected


def test_without_labels_the_newest_version_answers_and_nothing_is_drawn():
    assert Traffic().choose({1, 12, 3}, lambda: pytest.fail("drawn")) == 12


def test_a_canary_without_stable_leaves_the_rest_to_the_newest():
    traffic = Traffic({"canary": Label(version=1, share=0.5)})

    assert [traffic.choose({1, 2}, lambda: 0.4), traffic.choose({1, 2}, lambda: 0.6)] == [1, 2]


@pytest.mark.parametrize(
    ("policy", "expected"),
    [("all", [1, 2, 5, 9]), ("latest:1", [2, 9]), ("latest:3", [2, 5, 9]), ("latest:10", [1, 2, 5, 9]), ("listed", [2])],
)
def test_a_policy_chooses_versions_and_keeps_what_has_a_label(policy: str, expected: list[int]):
    assert chosen(policy, [1, 2, 5, 9], Traffic({"stable": Label(version=2), "old": Label(version=4)})) == expected
