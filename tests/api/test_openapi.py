"""/openapi.json: stable, complete, and kept by the service whatever is sent."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

import pytest

from .snapshot import SNAPSHOT, openapi_text

SCHEMATHESIS = Path(sys.executable).with_name("schemathesis")
# questions made up at random go to models that exist: a made-up name would be answered 404 and try nothing
NAMES = {
    "forecast$": "energy-load",
    "anomalies$": "energy-load",
    "next-word$": "next-word-en",
    "classify$": "digit-rows",
    "predict$": "share-price",
    "infer$": "digit-rows",
    "generate$": "next-word-en",
    "generate_stream$": "next-word-en",
    "config$": "digit-rows",
    "sequences/": "next-word-en",
    "users/": "next-word-en",
    "suggestions$": "next-word-en",
    "opensearch.xml$": "next-word-en",
    "openai/v1/models/": "next-word-en",
}
# these answer as the routes without a version do: everything twice would take its time
LEFT_OUT = "^/v2/.*/versions/"
OPERATIONS = [
    f"{method.upper()} {path}"
    for path, methods in json.loads(SNAPSHOT.read_text(encoding="utf-8"))["paths"].items()
    if re.search(LEFT_OUT, path) is None
    for method in methods
]
# a request may give its answer a microsecond
LATE = '[checks.not_a_server_error]\nexpected-statuses = ["2xx", "3xx", "4xx", 504]\n'
# a list that is longer than the schema allows may make a body that is larger than the service allows
LONG = '[checks.negative_data_rejection]\nexpected-statuses = ["4xx", 504]\n'


def test_the_schema_is_the_one_that_clients_know():
    assert openapi_text() == SNAPSHOT.read_text(encoding="utf-8"), "if this change is wanted: python -m tests.api.snapshot"


@dataclass(frozen=True)
class Tried:
    """What came of asking at random: its exit status, all it said, and by operation what was wrong with the answers."""

    status: int
    said: str
    wrong: dict[str, str]


@pytest.fixture(scope="module")
def tried(address: str, tmp_path_factory: pytest.TempPathFactory) -> Tried:
    """One run for all operations: a process of its own for each would take longer to start than to ask."""
    folder = tmp_path_factory.mktemp("schemathesis")
    config = "\n".join(
        f"[[operations]]\ninclude-path-regex = '{path}'\nparameters = {{ 'path.name' = '{name}' }}" for path, name in NAMES.items()
    )
    (folder / "schemathesis.toml").write_text(LATE + LONG + config, encoding="utf-8")
    run = subprocess.run(
        [
            *(SCHEMATHESIS, "run", f"{address}/openapi.json", "--no-color", "--generation-deterministic"),
            *("--phases", "examples,coverage,fuzzing", "--max-examples", "5", "--continue-on-failure"),
            *("--report", "junit", "--report-junit-path", "report.xml"),
            *("--exclude-path-regex", LEFT_OUT),
            # a body that fits the schema may still ask what this very model cannot answer
            *("--exclude-checks", "positive_data_acceptance"),
        ],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert (folder / "report.xml").exists(), run.stdout[-5000:] + run.stderr[-5000:]
    cases = ElementTree.parse(folder / "report.xml").iter("testcase")  # noqa: S314 - a report that was made here
    return Tried(run.returncode, run.stdout, {case.attrib["name"]: _wrong(case) for case in cases})


@pytest.mark.parametrize("operation", OPERATIONS)
def test_whatever_is_sent_the_answer_is_one_that_the_schema_promises(tried: Tried, operation: str):
    assert tried.wrong.get(operation, "it was not tried") == ""


def test_every_operation_is_tried_and_nothing_else_is_wrong(tried: Tried):
    assert tried.status == 0, tried.said[-5000:]
    assert "Tested: 51" in tried.said


def _wrong(case: ElementTree.Element) -> str:
    return "\n\n".join(f"{outcome.tag}: {outcome.text}" for outcome in case)
