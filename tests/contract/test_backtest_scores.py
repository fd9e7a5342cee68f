"""Scores that a backtest leaves beside an artifact, and what of them is refused."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from service.contract.backtest_scores import (
    MAX_BYTES,
    BacktestFault,
    BacktestScores,
    SeenBefore,
    backtest_file,
    read_backtest,
    write_backtest,
)
from service.contract.repository import ONNX, Artifact, Location, load_artifact
from tests import artifacts


@pytest.fixture
def artifact(tmp_path: Path) -> Artifact:
    return artifacts.publish(tmp_path, "load", artifacts.forecaster())


def scores_of(artifact: Artifact) -> BacktestScores:
    return BacktestScores(
        created="2026-05-01T00:00:00+00:00",
        graph_sha256=artifact.manifest.files[ONNX].sha256,
        source="load.csv",
        sha256="0" * 64,
        horizon=3,
        windows=4,
        absent=1,
        seen=SeenBefore(learned=0.25, chosen=0.5, unseen_windows=1),
        scores={"model": {"mae": 2.0}, "last_value": {"mae": 3.0}},
        failed={"auto_ets": 1},
    )


def test_what_is_written_is_read_and_the_newest_counts(artifact: Artifact):
    older = scores_of(artifact)
    write_backtest(artifact, older.model_copy(update={"windows": 9}))

    path = write_backtest(artifact, older)

    assert path == artifact.folder.parent / "1.backtest.json"
    assert read_backtest(artifact) == older
    assert sorted(entry.name for entry in artifact.folder.parent.iterdir()) == ["1", "1.backtest.json"]


def test_an_artifact_without_a_backtest_has_no_scores_of_one(artifact: Artifact):
    assert read_backtest(artifact) is None


def test_scores_beside_an_artifact_leave_it_whole_and_the_next_version_its_number(artifact: Artifact):
    write_backtest(artifact, scores_of(artifact))
    root = artifact.folder.parent.parent

    assert load_artifact(Location("load", 1, artifact.folder), root=root) == artifact
    assert artifacts.publish(root, "load", artifacts.forecaster()).manifest.version == 2


def changed(**more: Any) -> Callable[[Path], object]:
    return lambda path: path.write_text(json.dumps({**json.loads(path.read_text()), **more}))


def put_aside(path: Path) -> None:
    path.rename(path.with_name("aside"))


def link(path: Path) -> None:
    put_aside(path)
    path.symlink_to(path.with_name("aside"))


def folder(path: Path) -> None:
    put_aside(path)
    path.mkdir()


@pytest.mark.parametrize(
    ("spoil", "fault"),
    [
        (lambda path: path.write_text("{"), "1.backtest.json: the whole: Invalid JSON"),
        (changed(windows=0), "1.backtest.json: windows: Input should be greater than or equal to 1"),
        (changed(more=1), "1.backtest.json: more: Extra inputs are not permitted"),
        (changed(scores={"model": {"mae": float("nan")}}), "1.backtest.json: scores.model.mae: Input should be a finite number"),
        (changed(graph_sha256="0" * 64), "1.backtest.json is of another graph than the model.onnx that is here"),
        (lambda path: path.write_bytes(b" " * (MAX_BYTES + 1)), "1.backtest.json is no ordinary file, or over 256000 bytes"),
        (link, "1.backtest.json is no ordinary file"),
        (folder, "1.backtest.json is no ordinary file"),
    ],
)
def test_scores_that_must_not_be_shown_are_refused_with_what_to_do(artifact: Artifact, spoil: Callable[[Path], object], fault: str):
    spoil(write_backtest(artifact, scores_of(artifact)))

    with pytest.raises(BacktestFault, match=f"{fault}.*: run `carousel-train backtest` again, or remove the file"):
        read_backtest(artifact)


def test_a_folder_that_cannot_be_looked_into_is_a_fault(artifact: Artifact, monkeypatch: pytest.MonkeyPatch):
    def denied(_path: Path) -> None:
        raise PermissionError(13, "Permission denied")

    write_backtest(artifact, scores_of(artifact))
    monkeypatch.setattr("service.contract.backtest_scores.Path.lstat", denied)

    with pytest.raises(BacktestFault, match=r"1\.backtest\.json cannot be read: Permission denied"):
        read_backtest(artifact)


def test_scores_lie_beside_the_version_that_they_are_of(artifact: Artifact):
    second = artifacts.publish(artifact.folder.parent.parent, "load", artifacts.forecaster())

    assert [backtest_file(one).name for one in (artifact, second)] == ["1.backtest.json", "2.backtest.json"]
