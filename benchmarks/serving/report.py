"""The section of RESULTS.md: what was measured in tables, a picture of it, and a verdict on every aim."""

from __future__ import annotations

from benchmarks.results import table, write_section
from benchmarks.serving import aims, environments
from benchmarks.serving.environments import CAROUSEL, PROJECT
from benchmarks.serving.figures import CONNECTIONS, MOST_IDLE_CPU, Figures
from benchmarks.serving.plot import draw
from benchmarks.serving.questions import TASKS, Task
from benchmarks.serving.servers import FLOOR, SERVERS

IMAGES = PROJECT / "docs" / "images"


def write(figures: Figures, *, rounds: int, seconds: int, cores: str | None) -> None:
    """Write the section and draw its picture."""
    picture = IMAGES / ("serving-pinned.png" if cores else "serving.png")
    heading = f"Serving, pinned to {_cores(cores)}" if cores else "Serving"
    command = "python -m benchmarks.serving" + (f" --cores {cores}" if cores else "")
    text = body(figures, rounds=rounds, seconds=seconds, cores=cores)
    write_section(heading, command=command, body=f"![Requests per second and p99](../docs/images/{picture.name})\n\n{text}")
    draw(figures, picture, title=f"Servers on {_cores(cores)}, the load on the others" if cores else "Servers and load on all cores")


def body(figures: Figures, *, rounds: int, seconds: int, cores: str | None) -> str:
    """The section in Markdown, but for its heading."""
    where = f"Servers run on {_cores(cores)}, wrk on the others." if cores else "Servers and wrk share all cores."
    note = (
        f"Medians of {rounds} interleaved rounds of {seconds} s; in brackets the ratio to the floor. {where} "
        f"What takes over {MOST_IDLE_CPU:.0%} of a core while idle is stopped until its turn. Before each measurement the server's answer "
        "is compared with the floor's."
    )
    parts = [note, *(_loads(figures, task) for task in TASKS), _starts(figures), _refused(figures), _verdicts(figures, pinned=bool(cores))]
    return "\n\n".join(part for part in parts if part)


def _loads(figures: Figures, task: Task) -> str:
    columns = ("server", *(f"req/s at {count}" for count in CONNECTIONS), "p50 ms at 1", "p99 ms at 16", "p99 ms at 64", "errors")
    rows = []
    for way in figures.ways():
        latencies = (figures.median(way, task, 1, "p50_ms"), *(figures.median(way, task, count, "p99_ms") for count in (16, 64)))
        digits = (2, 1, 1)
        words = ["" if found is None else f"{found:.{places}f}" for found, places in zip(latencies, digits, strict=True)]
        rows.append((way, *(_rate(figures, way, task, count) for count in CONNECTIONS), *words, figures.errors(way, task)))
    return f"### {'Forecasts' if task == 'forecast' else 'Next words'}\n\n{table(columns, rows)}"


def _rate(figures: Figures, way: str, task: Task, connections: int) -> str:
    found, floor = (figures.median(name, task, connections) for name in (way, FLOOR))
    if found is None:
        return ""
    return f"{found:,.0f} ({found / floor:.2f})" if floor else f"{found:,.0f}"


def _starts(figures: Figures) -> str:
    columns = ("server", "settings", "MB", "processes", "idle CPU %", "ready s", "installed MB")
    rows = []
    for server in SERVERS:
        start = figures.starts.get(server.key)
        if start is None:
            continue
        name = (
            server.ways[0].name if server.environment == CAROUSEL else f"{server.ways[0].name} ({environments.version(server.environment)})"
        )
        installed = "" if server.key == FLOOR else f"{start.installed_mb:.0f}"
        numbers = (f"{start.memory_mb:.0f}", start.processes, f"{start.idle_cpu * 100:.1f}", f"{start.ready_s:.2f}", installed)
        rows.append((name, server.settings, *numbers))
    lines = [
        "### What each takes",
        "Each alone on the machine. MB: what its processes hold after load, shared pages counted once. "
        "Ready: from its start to its first answers for both models.",
        table(columns, rows),
    ]
    if figures.imports_s is not None and figures.bundled_ready_s is not None:
        ratio = figures.bundled_ready_s / figures.imports_s
        lines.append(
            f"With the bundled models Carousel is ready in {figures.bundled_ready_s:.2f} s, {ratio:.2f} times "
            f'`python -c "import onnxruntime, fastapi"` ({figures.imports_s:.2f} s).'
        )
    return "\n\n".join(lines)


def _refused(figures: Figures) -> str:
    if not figures.refused:
        return ""
    return "### Not measured\n\n" + table(("server", "why"), figures.refused.items())


def _verdicts(figures: Figures, *, pinned: bool) -> str:
    columns = ("aim", *(f"{task} at {count}" for task in TASKS for count in aims.UNDER_LOAD), "")
    loads = [(verdict.aim, *map(_figure, verdict.cells), _word(verdict.met)) for verdict in aims.under_load(figures, pinned=pinned)]
    others = [(verdict.aim, ", ".join(map(_figure, verdict.cells)), _word(verdict.met)) for verdict in aims.otherwise(figures)]
    return f"### Aims\n\n{table(columns, loads)}\n\n{table(('aim', 'figure', ''), others)}"


def _figure(cell: aims.Cell) -> str:
    return f"**{cell.text}**" if cell.met is False else cell.text


def _word(met: bool | None) -> str:
    return {True: "met", False: "**missed**", None: "not measured"}[met]


def _cores(cores: str | None) -> str:
    return f"core {cores}" if cores and cores.isdigit() else f"cores {cores}"
