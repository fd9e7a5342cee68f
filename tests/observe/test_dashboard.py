"""The Grafana dashboard in deploy/: well formed, of metrics that there are, and of all that an operator should see."""

from __future__ import annotations

import itertools
import json
import re
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.core import Metric

from service.observe.telemetry import Telemetry

DASHBOARD: dict[str, Any] = json.loads((Path(__file__).resolve().parents[2] / "deploy" / "grafana-dashboard.json").read_bytes())
PANELS: list[dict[str, Any]] = DASHBOARD["panels"]
EXPRESSIONS = [target["expr"] for panel in PANELS for target in panel["targets"]]
METRICS: dict[str, Metric] = {metric.name: metric for metric in Telemetry.create().registry.collect()}
SUFFIXES = {"counter": ("_total",), "histogram": ("_bucket", "_sum", "_count"), "gauge": ("",)}
SERIES = {name + suffix: metric for name, metric in METRICS.items() for suffix in SUFFIXES[metric.type]}
"""As they stand in the exposition."""


def asked(expression: str) -> list[str]:
    return re.findall(r"\b(?:carousel|process)_\w+", expression)


def test_panels_have_ids_and_places_of_their_own():
    cells = [
        (panel["gridPos"]["x"] + x, panel["gridPos"]["y"] + y)
        for panel in PANELS
        for x, y in itertools.product(range(panel["gridPos"]["w"]), range(panel["gridPos"]["h"]))
    ]

    assert len({panel["id"] for panel in PANELS}) == len(PANELS)
    assert len({panel["title"] for panel in PANELS}) == len(PANELS)
    assert len(set(cells)) == len(cells)
    assert max(x for x, _ in cells) == 23


def test_every_panel_asks_the_source_that_was_chosen():
    assert {panel["datasource"]["uid"] for panel in PANELS} == {"${datasource}"}
    assert [variable["name"] for variable in DASHBOARD["templating"]["list"]] == ["datasource", "model"]
    assert all(len({target["refId"] for target in panel["targets"]}) == len(panel["targets"]) > 0 for panel in PANELS)


@pytest.mark.parametrize("expression", EXPRESSIONS)
def test_an_expression_asks_for_metrics_that_there_are(expression: str):
    assert asked(expression) != []
    assert [name for name in asked(expression) if name not in SERIES] == []
    assert expression.count("(") == expression.count(")")
    assert set(re.findall(r"\$\w+", expression)) <= {"$model", "$__rate_interval"}


@pytest.mark.parametrize("expression", EXPRESSIONS)
def test_counters_are_asked_for_their_rate_and_gauges_for_their_value(expression: str):
    rated = set(re.findall(r"rate\((\w+)", expression))

    assert rated == {name for name in asked(expression) if SERIES[name].type != "gauge"}


def test_no_metric_of_the_service_is_left_out():
    shown = {SERIES[name].name for expression in EXPRESSIONS for name in asked(expression)}

    assert [name for name in METRICS if name.startswith("carousel_") and name not in shown] == []
    assert "process_resident_memory_bytes" in shown


def test_refusals_are_shown_by_reason_and_model():
    assert any("sum by (reason, model) (rate(carousel_rejected_total" in expression for expression in EXPRESSIONS)
