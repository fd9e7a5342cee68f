"""Forecast 100,000 series of 500 hours from one Parquet file with `carousel predict`, beside the graph's own batch throughput.

    python -m benchmarks.offline [--series 100000] [--rows 500] [--model energy-load]

The graph is measured before and after every command with the same number of threads, on batches that are ready: what it then does is what
reading, encoding and writing are measured against. A command takes from its start to the merged file. The graph's share of its
processor time, start included, is the same ratio without what else the machine does meanwhile.
"""

from __future__ import annotations

import argparse
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.results import table, write_section
from service.__main__ import main as carousel
from service.backends.onnx import OnnxBackend
from service.cgroup import usable_cores
from service.contract.golden import Tensors
from service.contract.manifest import ForecastTask
from service.offline import open_model
from service.served_model import ServedModel
from service.settings import Settings
from service.tasks.forecast_batch import encode_panel
from service.tasks.panel import Panel

BATCHES = (16, 32, 64, 128, 256)
CHOICE_S, GRAPH_S = 1.0, 8.0
GROUP_SERIES = 2_000
KILLED_PARTS = 9
TIMED = "--timed"
START = np.datetime64("2026-01-01T00:00:00", "us")
ENVIRONMENT = {name: value for name, value in os.environ.items() if name != "OMP_NUM_THREADS"}


@dataclass(frozen=True, slots=True)
class Ran:
    """What a command took."""

    seconds: float
    peak_mb: float
    graph_share: float


def main() -> None:
    """Measure and write the section of RESULTS.md."""
    parser = argparse.ArgumentParser(description="Measure how quickly a file of many series is forecast.")
    parser.add_argument("--series", type=int, default=100_000)
    parser.add_argument("--rows", type=int, default=500, help="rows of each series")
    parser.add_argument("--model", default="energy-load", help="an hourly forecaster without covariates, of models/")
    given = parser.parse_args()
    cores = usable_cores()
    model = open_model(Settings(), given.model)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        parts = [folder / f"part-{number}.parquet" for number in range(cores)]
        write_series(folder / "all.parquet", range(given.series), given.rows)
        for number, part in enumerate(parts):
            write_series(part, range(given.series * number // cores, given.series * (number + 1) // cores), given.rows)
        ways = {
            f"one process, {cores} batches at once (as it comes)": [_command(given.model, folder / "all.parquet")],
            f"one process, one batch at once on {cores} threads": [
                _command(given.model, folder / "all.parquet", "--workers", "1", "--threads", str(cores))
            ],
            f"{cores} processes, each with its part of the file": [_command(given.model, part, "--workers", "1") for part in parts],
        }
        rows = [_row(way, commands, model, given.series, cores) for way, commands in ways.items()]
        killed = _killed(_command(given.model, folder / "all.parquet"), folder)
        size_mb = (folder / "all.parquet").stat().st_size / 1e6
    heading = ("way", "series a second", "seconds", "of the graph's throughput", "graph's share of processor time", "peak MB")
    body = (
        f"{given.series:,} series of {given.rows} hours ({size_mb:,.0f} MB of Parquet), {given.model}, {model.precision}; {killed}\n\n"
        f"{table(heading, rows)}"
    )
    write_section("Many series offline", command="make bench-offline", body=body)
    print(body)


def write_series(path: Path, numbers: range, rows: int) -> None:
    """Series with a daily pattern, a row an hour, in row groups of many series."""
    times = START + np.arange(rows) * np.timedelta64(1, "h")
    daily = np.sin(np.arange(rows) * (2 * np.pi / 24))
    generator = np.random.default_rng(numbers.start)
    schema = pa.schema([("id", pa.string()), ("time", pa.timestamp("us")), ("value", pa.float32())])
    with pq.ParquetWriter(path, schema, use_dictionary=["id", "time"]) as writer:
        for first in range(numbers.start, numbers.stop, GROUP_SERIES):
            group = range(first, min(first + GROUP_SERIES, numbers.stop))
            names = pa.array([f"series-{number:07d}" for number in group]).take(pa.array(np.repeat(np.arange(len(group)), rows)))
            values = generator.gamma(2, 2, (len(group), 1)) * (2 + daily) + generator.normal(0, 0.2, (len(group), rows))
            columns = [names, pa.array(np.tile(times, len(group))), pa.array(values.astype(np.float32).ravel())]
            writer.write_table(pa.Table.from_arrays(columns, schema=schema))


def _command(model: str, data: Path, *flags: str) -> list[str]:
    columns = ("--time", "time", "--series", "id", "--target", "value")
    out = data.with_suffix(".forecasts.parquet")
    return [sys.executable, "-m", "benchmarks.offline", TIMED, "predict", model, "--data", str(data), "--out", str(out), *columns, *flags]


def _row(way: str, commands: Sequence[Sequence[str]], model: ServedModel, series: int, cores: int) -> tuple[str, ...]:
    before = _graph_series_s(model, cores)
    ran = _run(commands)
    speed, graph = series / ran.seconds, statistics.mean((before, _graph_series_s(model, cores)))
    share = "" if "--threads" in commands[0] else f"{ran.graph_share:.0%}"  # of a pool's threads nobody tells the time
    return way, f"{speed:,.0f}", f"{ran.seconds:.1f}", f"{speed / graph:.0%} of {graph:,.0f}", share, f"{ran.peak_mb:,.0f}"


def _run(commands: Sequence[Sequence[str]]) -> Ran:
    """Run commands at the same time; their memory is added up."""
    began = time.monotonic()
    processes = [_started(command) for command in commands]
    peaks = dict.fromkeys((process.pid for process in processes), 0.0)
    while any(process.poll() is None for process in processes):
        peaks = {pid: max(peak, _peak_mb(pid)) for pid, peak in peaks.items()}
        time.sleep(0.02)
    seconds = time.monotonic() - began
    if any(process.returncode for process in processes):
        raise SystemExit(f"failed: {' '.join(commands[0])}")
    times = np.array([process.communicate()[0].split() for process in processes], np.float64)  # (processes, graph and all)
    return Ran(seconds, sum(peaks.values()), float(times[:, 0].sum() / times[:, 1].sum()))


def _started(command: Sequence[str]) -> subprocess.Popen[str]:
    return subprocess.Popen(command, env=ENVIRONMENT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)


def _peak_mb(pid: int) -> float:
    """Most resident memory so far; 0 when it has ended. What `wait4` tells is at least that of the process that has started it."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text(encoding="utf-8").splitlines()
    except OSError:
        return 0.0
    return next((int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM:")), 0.0)


def _killed(command: Sequence[str], folder: Path) -> str:
    """Kill a run that has written some parts, begin it again, and compare what it writes with what one never stopped has written."""
    out = folder / "all.forecasts.parquet"
    whole = folder / "whole.parquet"
    out.rename(whole)
    began = time.monotonic()
    process = _started(command)
    parts = Path(f"{out}.parts")
    while process.poll() is None and len(list(parts.glob("*.arrow"))) < KILLED_PARTS:
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    first_s, ran = time.monotonic() - began, _run([command])
    same = _differences(whole, out)
    return f"killed after {first_s:.0f} s, with {KILLED_PARTS} parts written, and begun again, it took {ran.seconds:.0f} s more; {same}"


def _differences(whole: Path, again: Path) -> str:
    largest = 0.0
    with pq.ParquetFile(whole) as first, pq.ParquetFile(again) as second:
        if first.metadata.num_rows != second.metadata.num_rows:
            raise SystemExit("the run that was killed wrote another number of rows")
        for one, other in zip(first.iter_batches(), second.iter_batches(), strict=True):
            if not one.select(["series", "time", "step"]).equals(other.select(["series", "time", "step"])):
                raise SystemExit("the run that was killed wrote other rows")
            largest = max(largest, float(np.abs(one["point"].to_numpy() - other["point"].to_numpy()).max()))
    return f"the largest difference of a point from the run that was never stopped is {largest:.2g}"


def _graph_series_s(model: ServedModel, threads: int) -> float:
    """Series a second of the graph alone at its best batch size, so many runs at once; measured again, as a best of several flatters."""
    task = model.manifest.task
    if not isinstance(task, ForecastTask):
        raise SystemExit(f"{model.manifest.name} is no forecaster")
    rows = task.context + 100
    times = START.astype("datetime64[s]") + np.arange(rows) * np.timedelta64(3600, "s")
    values = np.random.default_rng(0).gamma(2, 2, (BATCHES[-1], rows))
    panel = Panel(np.arange(BATCHES[-1] + 1) * rows, np.tile(times, BATCHES[-1]), values.ravel())
    inputs = encode_panel(task, panel, horizon=task.horizon).inputs
    best = max(BATCHES, key=lambda batch: _measured(model, inputs, batch, threads, CHOICE_S))
    return _measured(model, inputs, best, threads, GRAPH_S)


def _measured(model: ServedModel, inputs: Tensors, batch: int, threads: int, seconds: float) -> float:
    inputs = {name: array[:batch] for name, array in inputs.items()}
    end = time.monotonic() + seconds

    def runs() -> int:
        done = 0
        while time.monotonic() < end:
            model.backend.run(inputs, ("quantiles",))
            done += 1
        return done

    began = time.monotonic()
    with ThreadPoolExecutor(threads) as pool:
        series = batch * sum(future.result() for future in [pool.submit(runs) for _ in range(threads)])
    return series / (time.monotonic() - began)


def timed(arguments: Sequence[str]) -> int:
    """The command, then the processor seconds that the graph took and those of the whole process."""
    ran, spent = OnnxBackend.run, [0.0]

    def run(self: OnnxBackend, inputs: Tensors, outputs: Sequence[str] = ()) -> Tensors:
        began = time.thread_time()
        answer = ran(self, inputs, outputs)
        spent.append(time.thread_time() - began)
        return answer

    OnnxBackend.run = run
    status = carousel(arguments)
    print(sum(spent), time.process_time())
    return status


if __name__ == "__main__":
    if sys.argv[1:2] == [TIMED]:
        sys.exit(timed(sys.argv[2:]))
    main()
