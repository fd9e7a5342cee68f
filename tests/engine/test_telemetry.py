from __future__ import annotations

import re
from pathlib import Path

import pytest

from service.observe.model_metrics import Watched
from service.observe.statistics import Meter, Run
from service.observe.telemetry import Telemetry

ROOT = Path(__file__).resolve().parents[2]


def watched(meter: Meter, version: int = 1) -> Watched:
    return Watched(
        "load",
        version,
        task="forecast",
        device="cpu",
        backend="onnx",
        precision="fp32",
        meter=meter,
        queued_rows=lambda: 7,
        in_flight=lambda: 9,
    )


@pytest.fixture
def telemetry() -> Telemetry:
    telemetry = Telemetry.create()
    telemetry.watch_model(watched(Meter()))
    return telemetry


def lines(telemetry: Telemetry) -> list[str]:
    return telemetry.exposition().decode().splitlines()


def test_requests_are_counted_by_route_model_version_and_status(telemetry: Telemetry):
    for _ in range(2):
        telemetry.answered("/v1/models/{name}/forecast", {"name": "load"}, 200, 0.002)
    telemetry.answered("/v1/models/{name}/versions/{version}/forecast", {"name": "load", "version": "1"}, 422, 0.1)

    assert 'carousel_requests_total{model="load",route="/v1/models/{name}/forecast",status="200",version=""} 2.0' in lines(telemetry)
    assert (
        'carousel_requests_total{model="load",route="/v1/models/{name}/versions/{version}/forecast",status="422",version="1"} 1.0'
        in lines(telemetry)
    )
    assert 'carousel_request_seconds_bucket{le="0.0025",model="load",route="/v1/models/{name}/forecast",version=""} 2.0' in lines(telemetry)


def test_what_a_client_makes_up_never_becomes_a_label(telemetry: Telemetry):
    for number in range(50):
        telemetry.answered("/v1/models/{name}", {"name": f"guess-{number}"}, 404, 0.001)
    telemetry.answered("/v1/models/{name}", {"name": "load", "version": "99"}, 404, 0.001)

    assert "guess" not in "".join(lines(telemetry))
    assert 'carousel_requests_total{model="",route="/v1/models/{name}",status="404",version=""} 51.0' in lines(telemetry)


def test_refused_requests_are_counted_by_reason_and_model(telemetry: Telemetry):
    for _ in range(2):
        telemetry.reject("queue-full", {"name": "load"})
    telemetry.reject("bad-question", {"name": "load@stable", "version": "1"})

    assert 'carousel_rejected_total{model="load",reason="queue-full"} 2.0' in lines(telemetry)
    assert 'carousel_rejected_total{model="load",reason="bad-question"} 1.0' in lines(telemetry)


def test_refused_requests_for_no_model_that_is_served_are_those_of_an_unknown_one(telemetry: Telemetry):
    for number in range(50):
        telemetry.reject("model-not-found", {"name": f"guess-{number}"})
    telemetry.reject("no-route", {})

    assert [line for line in lines(telemetry) if line.startswith("carousel_rejected_total")] == [
        'carousel_rejected_total{model="unknown",reason="model-not-found"} 50.0',
        'carousel_rejected_total{model="unknown",reason="no-route"} 1.0',
    ]


def test_runs_of_a_graph_are_counted_with_their_rows(telemetry: Telemetry):
    meter = telemetry.models.watched["load", 1].meter
    meter.answered([Run(3, 0, 4_000_000)], [1_000], [5_000_000])
    meter.answered([Run(8, 0, 4_000_000)], [1_000, 2_000_000], [5_000_000, 7_000_000])

    assert 'carousel_inference_rows_sum{model="load",version="1"} 11.0' in lines(telemetry)
    assert 'carousel_inference_seconds_count{model="load",version="1"} 2.0' in lines(telemetry)
    assert 'carousel_queue_seconds_bucket{le="0.001",model="load",version="1"} 2.0' in lines(telemetry)
    assert 'carousel_queue_seconds_bucket{le="+Inf",model="load",version="1"} 3.0' in lines(telemetry)
    assert 'carousel_model_seconds_sum{model="load",version="1"} 0.017' in lines(telemetry)


def test_the_queue_is_read_when_the_metrics_are_asked_for(telemetry: Telemetry):
    assert 'carousel_queue_rows{model="load",version="1"} 7.0' in lines(telemetry)
    assert 'carousel_in_flight{model="load",version="1"} 9.0' in lines(telemetry)


def test_two_apps_share_no_metric(telemetry: Telemetry):
    telemetry.reject("queue-full", {})

    assert "queue-full" not in "".join(lines(Telemetry.create()))


def names_of_metrics(telemetry: Telemetry) -> set[str]:
    """As they stand in the exposition, histograms by their family."""
    return {family.name + ("_total" if family.type == "counter" else "") for family in telemetry.registry.collect()}


def test_every_metric_is_documented_and_no_other(telemetry: Telemetry):
    page = (ROOT / "docs" / "metrics.md").read_text(encoding="utf-8")
    rows = [line.split("|")[1] for line in page.splitlines() if line.startswith("| `")]

    assert {name for row in rows for name in re.findall(r"`(\w+)`", row)} == names_of_metrics(telemetry)


def test_a_version_that_is_closed_is_told_of_no_longer(telemetry: Telemetry):
    for status in (200, 422):
        telemetry.answered("/v1/models/{name}/versions/{version}/forecast", {"name": "load", "version": "1"}, status, 0.001)
    telemetry.forget_model("load", 1)
    telemetry.answered("/v1/models/{name}", {"name": "load", "version": "1"}, 404, 0.001)

    assert 'version="1"' not in "".join(lines(telemetry))


def test_a_label_behind_a_name_is_no_part_of_the_models_label(telemetry: Telemetry):
    telemetry.answered("/v1/models/{name}/forecast", {"name": "load@stable"}, 200, 0.001)

    assert 'carousel_requests_total{model="load",route="/v1/models/{name}/forecast",status="200",version=""} 1.0' in lines(telemetry)
