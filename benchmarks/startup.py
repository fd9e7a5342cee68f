"""How long Carousel takes to be ready, beside the imports that it cannot do without, and the memory that it then takes.

    python -m benchmarks.startup [--rounds 9]

Starts and imports alternate, so that both meet the same machine; what counts is the median. Seconds of processor time say the same
where others use the machine too. RSS is what is resident, PSS the same with pages that processes share divided among them.
"""

from __future__ import annotations

import argparse
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.request import Request, urlopen

from benchmarks.results import table, write_section
from benchmarks.serving import processes
from benchmarks.serving.environments import VARIABLES
from benchmarks.serving.models import publish_models

BUNDLED = Path(__file__).parents[1] / "models"
IMPORTS = (sys.executable, "-c", "import onnxruntime, fastapi")
OWN_IMPORTS = (sys.executable, "-X", "importtime", "-c", "import service.__main__, service.serving, service.app")
RELOADS = 20
RETIRED_S = 2.0
"""By then a model that was replaced is freed."""
SLOWEST = 8


def main() -> None:
    """Measure and write the section of RESULTS.md."""
    parser = argparse.ArgumentParser(description="Measure how Carousel starts and what memory it takes.")
    parser.add_argument("--rounds", type=int, default=9, help="starts that are measured (default: 9)")
    rounds = parser.parse_args().rounds
    with tempfile.TemporaryDirectory() as folder:
        models = Path(folder, "models")
        publish_models(models, Path(folder))
        rows = [("two of the benchmark, fp32", *_memory(models, "--precision", "fp32")), ("the bundled ones", *_memory(BUNDLED))]
    body = [
        _ready(rounds),
        table(("models", "RSS MB", "PSS MB", f"RSS MB after {RELOADS} reloads of each"), rows),
        "Where the imports' time goes, by package, what each imports from others left out:",
        table(("package", "ms"), _import_times(rounds)),
    ]
    write_section("Start-up and memory", command="make bench-startup", body="\n\n".join(body))


def _ready(rounds: int) -> str:
    starts, imports = [], []
    for number in range(rounds + 1):
        start, one = _start(), _imports()
        if number:  # the first fills caches
            starts.append(start)
            imports.append(one)
    ready_s, ready_cpu_s = map(statistics.median, zip(*starts, strict=True))
    imports_s, imports_cpu_s = map(statistics.median, zip(*imports, strict=True))
    ratio, cpu_ratio = (statistics.median(start[at] / one[at] for start, one in zip(starts, imports, strict=True)) for at in (0, 1))
    return (
        f'Ready with the bundled models in {ready_s:.2f} s, {ratio:.2f} times as long as `python -c "{IMPORTS[-1]}"` takes '
        f"({imports_s:.2f} s); in processor time {ready_cpu_s:.2f} s, {cpu_ratio:.2f} times as much ({imports_cpu_s:.2f} s); "
        f"medians of {rounds}."
    )


def _start() -> tuple[float, float]:
    """Seconds until the service is ready, and seconds of processor time."""
    began = time.monotonic()
    with _serving(BUNDLED) as (process, _):
        return time.monotonic() - began, processes.cpu_s([process.pid])


def _imports() -> tuple[float, float]:
    """The same of the imports that it cannot do without."""
    began, used = time.monotonic(), _children_s()
    subprocess.run(IMPORTS, env=VARIABLES, check=True)
    return time.monotonic() - began, _children_s() - used


def _children_s() -> float:
    """Processor time of the processes that were started from here and have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _memory(models: Path, *flags: str) -> tuple[str, str, str]:
    """RSS and PSS once ready, and RSS after many reloads."""
    with _serving(models, "--repository-mode", "explicit", *flags) as (process, url):
        rss, pss = _resident_mb(process.pid)
        for _ in range(RELOADS):
            for model in models.iterdir():
                if model.is_dir():
                    urlopen(Request(f"{url}/v2/repository/models/{model.name}/load", b"{}"), timeout=60).close()  # noqa: S310 - an address of this machine
        time.sleep(RETIRED_S)
        return f"{rss:.0f}", f"{pss:.0f}", f"{_resident_mb(process.pid)[0]:.0f}"


@contextmanager
def _serving(models: Path, *flags: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A server that is ready, and its address."""
    command = (sys.executable, "-m", "service", "serve", "--models", str(models), "--port", "0", "--log-level", "error", *flags)
    with subprocess.Popen(command, env=VARIABLES, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None  # noqa: S101 - it was asked for
            url = next(word for word in process.stdout.readline().split() if word.startswith("http")).rstrip(";")
            urlopen(f"{url}/v2/health/ready", timeout=60).close()  # noqa: S310 - an address of this machine
            yield process, url
        finally:
            process.terminate()


def _resident_mb(pid: int) -> tuple[float, float]:
    """RSS and PSS."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="utf-8").splitlines()
    found = {name: int(value.split()[0]) / 1024 for name, _, value in (line.partition(":") for line in lines[1:])}
    return found["Rss"], found["Pss"]


def _import_times(rounds: int) -> list[tuple[str, str]]:
    """The packages that take longest, then all together."""
    logs = [subprocess.run(OWN_IMPORTS, env=VARIABLES, capture_output=True, text=True, check=True).stderr for _ in range(rounds)]
    runs = [_by_package(log) for log in logs]
    medians = {package: statistics.median(run[package] for run in runs) for package in runs[0]}
    slowest = sorted(medians, key=lambda package: -medians[package])[:SLOWEST]
    rows = [(package, f"{medians[package] / 1000:.0f}") for package in slowest]
    return [*rows, ("all", f"{statistics.median(run.total() for run in runs) / 1000:.0f}")]


def _by_package(log: str) -> Counter[str]:
    """Microseconds of each package's own modules, from what `-X importtime` writes."""
    spent: Counter[str] = Counter()
    for line in log.splitlines():
        own, _, module = line.removeprefix("import time:").split("|")
        if own.strip().isdigit():
            package = module.strip().partition(".")[0]
            spent["the standard library" if package in sys.stdlib_module_names else package] += int(own)
    return spent


if __name__ == "__main__":
    main()
