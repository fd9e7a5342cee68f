from __future__ import annotations

import json
import logging
from collections.abc import Iterator

import pytest

from service.telemetry import Telemetry, configure_logging


@pytest.fixture
def telemetry() -> Telemetry:
    telemetry = Telemetry.create()
    telemetry.watch_model("load", 1, task="forecast", device="cpu", backend="onnx", queued_rows=lambda: 7)
    return telemetry


@pytest.fixture
def restored_logging() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)


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


def test_refused_requests_are_counted_by_reason(telemetry: Telemetry):
    telemetry.reject("queue-full")

    assert 'carousel_rejected_total{reason="queue-full"} 1.0' in lines(telemetry)


def test_runs_of_a_graph_are_counted_with_their_rows(telemetry: Telemetry):
    observe = telemetry.inference("load", 1)
    observe(3, 0.004)
    observe(8, 0.004)

    assert 'carousel_inference_rows_sum{model="load",version="1"} 11.0' in lines(telemetry)
    assert 'carousel_inference_seconds_count{model="load",version="1"} 2.0' in lines(telemetry)


def test_the_queue_is_read_when_the_metrics_are_asked_for(telemetry: Telemetry):
    assert 'carousel_queue_rows{model="load",version="1"} 7.0' in lines(telemetry)


def test_two_apps_share_no_metric(telemetry: Telemetry):
    telemetry.reject("queue-full")

    assert "queue-full" not in "".join(lines(Telemetry.create()))


@pytest.mark.usefixtures("restored_logging")
def test_log_lines_for_machines_are_one_json_object_each(capsys: pytest.CaptureFixture[str]):
    configure_logging("info", "json")
    logger = logging.getLogger("service.test")
    logger.debug("not said")
    logger.info("loaded %s", "load")
    try:
        raise ArithmeticError("poison")
    except ArithmeticError:
        logger.exception("failed")

    first, second = (json.loads(line) for line in capsys.readouterr().err.splitlines())
    assert (first["level"], first["logger"], first["message"]) == ("info", "service.test", "loaded load")
    assert first["time"].endswith("+00:00")
    assert "traceback" not in first
    assert second["traceback"].endswith("ArithmeticError: poison")


@pytest.mark.usefixtures("restored_logging")
def test_log_lines_for_people_are_text(capsys: pytest.CaptureFixture[str]):
    configure_logging("warning", "text")
    logging.getLogger("service.test").info("not said")
    logging.getLogger("service.test").warning("refused %s", "load")

    assert capsys.readouterr().err.endswith(" WARNING refused load\n")
