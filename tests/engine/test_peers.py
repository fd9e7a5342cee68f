from __future__ import annotations

import logging
import os
from pathlib import Path

import pytest

from service.observe import peers
from service.observe.model_metrics import Watched
from service.observe.peers import Family, Peers, Snapshot, added_up
from service.observe.statistics import BatchStatistics, Meter, ModelStatistics, Phase, Run, added
from service.observe.telemetry import Telemetry

NOBODY = 2**22 + 1
"""Larger than any number of a process."""


def worker(folder: Path) -> Telemetry:
    """The telemetry of a worker that has answered a request of three rows."""
    telemetry = Telemetry.create(folder)
    meter = Meter()
    meter.answered([Run(3, 10, 100, 1)], [5], [120])
    telemetry.watch_model(
        Watched(
            "load",
            1,
            task="forecast",
            device="cpu",
            backend="onnx",
            precision="fp32",
            meter=meter,
            queued_rows=lambda: 7,
            in_flight=lambda: 2,
        )
    )
    telemetry.answered("/v1/models/{name}/forecast", {"name": "load"}, 200, 0.002)
    telemetry.reject("bad-question", {"name": "load"})
    telemetry.reject("bad-question", {"name": "other"})
    return telemetry


def lines(telemetry: Telemetry) -> list[str]:
    return telemetry.exposition().decode().splitlines()


def test_each_worker_tells_the_sum_of_all(tmp_path: Path):
    one, two = worker(tmp_path), worker(tmp_path)
    with one.shared(), two.shared():
        for asked in (one, two):
            told = lines(asked)
            assert 'carousel_requests_total{model="load",route="/v1/models/{name}/forecast",status="200",version=""} 2.0' in told
            assert 'carousel_rejected_total{model="load",reason="bad-question"} 2.0' in told
            assert 'carousel_rejected_total{model="unknown",reason="bad-question"} 2.0' in told
            assert 'carousel_inference_rows_sum{model="load",version="1"} 6.0' in told
            assert 'carousel_inference_rows_bucket{le="4",model="load",version="1"} 2.0' in told
            assert 'carousel_queue_rows{model="load",version="1"} 14.0' in told
            assert 'carousel_model_info{backend="onnx",device="cpu",model="load",precision="fp32",task="forecast",version="1"} 1.0' in told
            statistics = asked.models.watched["load", 1].meter.statistics()
            assert (statistics.inference_count, statistics.execution_count) == (6, 2)


def test_what_a_worker_does_is_told_while_it_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(peers, "WRITE_EVERY_S", 0.001)
    one, two = worker(tmp_path), worker(tmp_path)
    with one.shared(), two.shared():
        two.reject("queue-full", {"name": "load"})
        while 'carousel_rejected_total{model="load",reason="queue-full"} 1.0' not in lines(one):
            pass


def test_counts_of_a_worker_that_has_ended_stay_and_what_it_had_for_the_moment_goes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    ended = worker(tmp_path)
    with monkeypatch.context() as patched:
        patched.setattr(os, "getpid", lambda: NOBODY)
        with ended.shared():
            ended.reject("queue-full", {"name": "load"})  # after the first telling: told at the end

    told = lines(worker(tmp_path))
    assert 'carousel_rejected_total{model="load",reason="queue-full"} 1.0' in told
    assert 'carousel_inference_rows_sum{model="load",version="1"} 6.0' in told
    assert 'carousel_queue_rows{model="load",version="1"} 7.0' in told


def test_a_worker_alone_tells_the_same_as_one_that_has_no_others(tmp_path: Path):
    def told(telemetry: Telemetry) -> set[str]:
        return {line for line in lines(telemetry) if "_created" not in line and "process_" not in line}

    alone = worker(tmp_path)
    alone_without = Telemetry.create()
    alone_without.watch_model(alone.models.watched["load", 1])
    alone_without.answered("/v1/models/{name}/forecast", {"name": "load"}, 200, 0.002)
    for name in ("load", "other"):
        alone_without.reject("bad-question", {"name": name})

    assert told(alone) == told(alone_without)


def test_what_cannot_be_read_is_left_out_and_said(tmp_path: Path, caplog: pytest.LogCaptureFixture):
    (tmp_path / "1-broken.json").write_text("{")

    assert Peers(tmp_path).others() == []
    assert "1-broken.json cannot be read: its worker is not in the sum" in caplog.text


def test_what_cannot_be_written_is_said_and_stops_nothing(tmp_path: Path, caplog: pytest.LogCaptureFixture):
    with caplog.at_level(logging.WARNING), Peers(tmp_path / "none").telling(lambda: Snapshot(1, [])):
        pass

    assert "cannot be written: this worker is not in the sum" in caplog.text


def test_a_number_that_json_has_not_counts_as_none():
    metric = added_up([[Family("a", "gauge", "A.", [("a", {}, None)])], [Family("a", "gauge", "A.", [("a", {}, 2.0)])]])[0]

    assert [(sample.name, sample.value) for sample in metric.samples] == [("a", 2.0)]


def test_statistics_add_up_by_size_of_batch():
    one = ModelStatistics(3, 1, 50, success=Phase(1, 10), batch_stats=(BatchStatistics(3, Phase(1, 1), Phase(1, 2), Phase(1, 3)),))
    two = ModelStatistics(
        5,
        2,
        40,
        success=Phase(2, 5),
        batch_stats=(BatchStatistics(2, Phase(1, 1), Phase(1, 1), Phase(1, 1)), BatchStatistics(3, Phase(1, 1), Phase(1, 2), Phase(1, 3))),
    )

    assert added([one, two]) == ModelStatistics(
        8,
        3,
        50,
        success=Phase(3, 15),
        batch_stats=(BatchStatistics(2, Phase(1, 1), Phase(1, 1), Phase(1, 1)), BatchStatistics(3, Phase(2, 2), Phase(2, 4), Phase(2, 6))),
    )
