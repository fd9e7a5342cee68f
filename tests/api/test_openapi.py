"""/openapi.json: stable, complete, and kept by the service whatever is sent."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

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
# a request may give its answer a microsecond
LATE = '[checks.not_a_server_error]\nexpected-statuses = ["2xx", "3xx", "4xx", 504]\n'
# a list that is longer than the schema allows may make a body that is larger than the service allows
LONG = '[checks.negative_data_rejection]\nexpected-statuses = ["4xx", 504]\n'


def test_the_schema_is_the_one_that_clients_know():
    assert openapi_text() == SNAPSHOT.read_text(encoding="utf-8"), "if this change is wanted: python -m tests.api.snapshot"


def test_whatever_is_sent_the_answer_is_one_that_the_schema_promises(address: str, tmp_path: Path):
    config = "\n".join(
        f"[[operations]]\ninclude-path-regex = '{path}'\nparameters = {{ 'path.name' = '{name}' }}" for path, name in NAMES.items()
    )
    (tmp_path / "schemathesis.toml").write_text(LATE + LONG + config, encoding="utf-8")
    run = subprocess.run(
        [
            *(SCHEMATHESIS, "run", f"{address}/openapi.json", "--no-color", "--generation-deterministic"),
            *("--phases", "examples,coverage,fuzzing", "--max-examples", "5", "--continue-on-failure"),
            # these answer as the routes without a version do: everything twice would take its time
            *("--exclude-path-regex", "^/v2/.*/versions/"),
            # a body that fits the schema may still ask what this very model cannot answer
            *("--exclude-checks", "positive_data_acceptance"),
        ],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=300,
    )

    assert run.returncode == 0, run.stdout[-5000:]
    assert "Tested: 51" in run.stdout
