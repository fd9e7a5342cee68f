"""Load by wrk: the same settings for every server."""

from __future__ import annotations

import json
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

_SCRIPT = """
wrk.method = "POST"
wrk.headers["Content-Type"] = "application/json"
wrk.body = %s
function done(summary, latency, requests)
  local e = summary.errors
  io.write(string.format("RESULT %%d %%d %%d %%d %%d\\n", summary.requests, summary.duration, latency:percentile(50),
    latency:percentile(99), e.connect + e.read + e.write + e.status + e.timeout))
end
"""


@dataclass(frozen=True, slots=True)
class Measured:
    """One run of wrk."""

    requests_s: float
    p50_ms: float
    p99_ms: float
    errors: int


def measure(url: str, body: object, *, connections: int, seconds: int, script: Path) -> Measured:
    """Post `body` to `url` over so many connections for so long; `script` is a file to write wrk's script to."""
    script.write_text(_SCRIPT % json.dumps(json.dumps(body)), encoding="utf-8")
    command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--latency", "-s", str(script), url]
    output = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    found = re.search(r"RESULT (\d+) (\d+) (\d+) (\d+) (\d+)", output)
    if found is None:
        raise RuntimeError(f"wrk said nothing of its results: {output}")
    requests, duration_us, p50_us, p99_us, errors = map(int, found.groups())
    return Measured(requests / duration_us * 1e6, p50_us / 1000, p99_us / 1000, errors)
