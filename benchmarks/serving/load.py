"""Load by wrk: the same settings for every server."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.serving.questions import Question

_SCRIPT = """
wrk.method = "POST"
%s
wrk.body = "%s"
function done(summary, latency, requests)
  local e = summary.errors
  io.write(string.format("RESULT %%d %%d %%d %%d %%d\\n", summary.requests - e.status, summary.duration, latency:percentile(50),
    latency:percentile(99), e.connect + e.read + e.write + e.status + e.timeout))
end
"""


@dataclass(frozen=True, slots=True)
class Measured:
    """One run of wrk: its requests are those answered well; its errors are broken connections, answers from 400 on, and those over 2 s."""

    requests_s: float
    p50_ms: float
    p99_ms: float
    errors: int
    requests: int = 0


def measure(url: str, question: Question, *, connections: int, seconds: int, script: Path, pinned: Sequence[str] = ()) -> Measured:
    """Post a question over so many connections for so long.

    `script` is a file to write wrk's script to; `pinned` is put in front of the command.
    """
    script.write_text(wrk_script(question), encoding="ascii")
    command = [*pinned, "wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--latency", "-s", str(script), url]
    return read_output(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


def wrk_script(question: Question) -> str:
    """wrk's script that posts a question; any byte may be in its body."""
    headers = "\n".join(f'wrk.headers["{name}"] = "{value}"' for name, value in question.headers.items())
    return _SCRIPT % (headers, "".join(f"\\{byte:03d}" for byte in question.body))


def read_output(output: str) -> Measured:
    """What wrk has said.

    Raises:
        RuntimeError: nothing of its results.
    """
    found = re.search(r"RESULT (\d+) (\d+) (\d+) (\d+) (\d+)", output)
    if found is None:
        raise RuntimeError(f"wrk said nothing of its results: {output}")
    requests, duration_us, p50_us, p99_us, errors = map(int, found.groups())
    return Measured(requests / duration_us * 1e6, p50_us / 1000, p99_us / 1000, errors, requests)
