"""Settings: flags, then environment `CAROUSEL_*`, then `carousel.toml`, then defaults. Nothing else reads the environment."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

PREFIX = "CAROUSEL_"
CONFIG_VARIABLE = "CAROUSEL_CONFIG"
DEFAULT_CONFIG = Path("carousel.toml")


class Settings(BaseModel):
    """What the service is told; keyword arguments come from the command line and win.

    Raises:
        ValueError: a value out of range, an unknown name in the TOML file, or no file where `CAROUSEL_CONFIG` points.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    models: Path = Field(default=Path("models"), description="Folder of artifacts, `<name>/<version>/`.")
    host: str = Field(default="127.0.0.1", description="Address to listen on; `0.0.0.0` for every one of the machine.")
    port: int = Field(default=8000, ge=0, le=65_535, description="Port to listen on; 0 takes a free one and prints it.")
    grpc_port: int | None = Field(
        default=None,
        ge=0,
        le=65_535,
        description="Port for gRPC, which needs the extra `grpc`; 0 takes a free one, none serves HTTP alone.",
    )
    workers: int = Field(default=1, ge=1, le=256, description="Processes that answer, each with its own models and its own queues.")
    repository_mode: Literal["none", "poll", "explicit"] = Field(
        default="none",
        description="What may change after the start: nothing; what changes in the folder; or what is asked for over HTTP.",
    )
    poll_interval_s: float = Field(default=5.0, gt=0, le=86_400, description="Seconds between two looks at the folder, in mode `poll`.")
    version_policy: str = Field(
        default="all",
        pattern=r"^(all|listed|latest:[1-9][0-9]{0,8})$",
        description="Versions of a model that are served: `all`, `latest:N` and those with a label, or `listed`: those with a label.",
    )
    worker_folder: Path | None = Field(
        default=None, description="Folder in which workers add up metrics and agree on models; `serve` makes one where there are several."
    )
    device: Literal["auto", "cpu", "cuda"] = Field(default="auto", description="Where models run; `auto` takes a GPU when there is one.")
    backend: Literal["onnx", "torchscript"] = Field(
        default="onnx", description="Which graph of an artifact runs; `torchscript` needs torch."
    )
    precision: Literal["auto", "fp32", "int8"] = Field(
        default="auto",
        description="What graphs compute with: `auto` takes int8 on the CPU where an artifact has it and it was measured to be faster.",
    )
    threads: int = Field(
        default=1,
        ge=0,
        le=256,
        description="Threads of one model's arithmetic, at most the worker's share of the usable cores; 0 is all of it.",
    )
    max_body_bytes: int = Field(default=8_000_000, ge=1, description="Largest request body; a larger one is answered 413.")
    max_batch_rows: int = Field(
        default=32, ge=1, le=65_536, description="Most rows of one run of a graph; requests that wait are run together."
    )
    max_queue_delay_ms: float = Field(
        default=0.0, ge=0, le=60_000, description="Milliseconds that a batch which is not full waits for more; 0 runs what is there."
    )
    max_inline_ms: float | None = Field(
        default=None,
        ge=0,
        le=100,
        description="Milliseconds that a batch may hold up the event loop, which is cheaper than a hop to a thread; 0 is never."
        " By default 5, and 20 where a worker has no second core.",
    )
    max_queue_rows: int = Field(default=1024, ge=1, description="Most rows that wait for one model; beyond it requests are answered 429.")
    instances: int = Field(default=1, ge=1, le=256, description="Batches of one model that run at the same time.")
    state_cache_mb: int = Field(
        default=64,
        ge=0,
        le=1_000_000,
        description="Megabytes in which the next-word models of a process remember what they have read, so that a text that goes on costs "
        "its new words only; 0 is none.",
    )
    priority_levels: int = Field(default=3, ge=1, le=100, description="Priorities of requests: 1 goes first; none given is the middle.")
    sequence_store: str = Field(
        default="memory",
        pattern=r"^(memory|rediss?://\S+|unix://\S+)$",
        description="Where states of sequences are kept: `memory`, or Redis as `redis://host:6379/0`, which needs the extra `redis`.",
    )
    sequence_idle_s: float = Field(
        default=300.0, gt=0, le=86_400, description="Seconds after which a sequence that nobody goes on with is forgotten."
    )
    max_sequences: int = Field(
        default=10_000, ge=1, le=10_000_000, description="Most sequences in memory; beyond it a new one is answered 429."
    )
    max_sequence_bytes: int = Field(
        default=64_000_000, ge=1, description="Most memory that sequences take; beyond it a new one is answered 429."
    )
    personal_words: Path | None = Field(
        default=None, description="SQLite file for the words of users (`user` of a next-word request); none keeps nothing of anybody."
    )
    personal_max_words: int = Field(
        default=10_000, ge=100, le=1_000_000, description="Most words that are kept of a user; the least used go."
    )
    personal_max_users: int = Field(
        default=10_000, ge=1, le=10_000_000, description="Most users of whom words are kept; those silent for the longest time go."
    )
    personal_max_bytes: int = Field(
        default=1_000_000_000, ge=1_000_000, description="Largest file of personal words; users silent for the longest time go."
    )
    deny_words: Path | None = Field(default=None, description="File of words that are never suggested, one a line.")
    allow_words: Path | None = Field(default=None, description="File of words that are suggested although a list denies them, one a line.")
    profanities: Literal["show", "hide"] = Field(
        default="show", description="`hide` suggests no English or Korean profanities; needs the extra `profanities`."
    )
    timeout_s: float = Field(default=30.0, gt=0, le=86_400, description="Seconds until a request without an answer is answered 504.")
    drain_s: int = Field(default=30, ge=0, le=86_400, description="Seconds that a stopping service gives to what is in flight.")
    stop_delay_s: float = Field(
        default=0.0, ge=0, le=3_600, description="Seconds that a service told to stop goes on, not ready, so that balancers send no more."
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field(default="info", description="Least serious message that is logged.")
    log_format: Literal["text", "json"] = Field(default="text", description="Log lines for people, or one JSON object a line.")
    access_log: bool = Field(default=False, description="A log line for every request; it costs up to a sixth of the throughput.")
    tracing: bool = Field(default=False, description="A trace of every request over OTLP; needs the extra `tracing`; `OTEL_*` hold.")
    otlp_endpoint: str | None = Field(
        default=None,
        pattern=r"^https?://[^\s?#]+$",
        description="Collector of traces, such as `http://collector:4318`; else `OTEL_EXPORTER_OTLP_ENDPOINT` or port 4318 here.",
    )
    trace_ratio: float | None = Field(
        default=None, ge=0, le=1, description="Share of traces begun here that are recorded; else `OTEL_TRACES_SAMPLER` or all."
    )

    def __init__(self, **given: Any) -> None:  # noqa: ANN401 - flags are text, tests give the values themselves
        """Flags, environment, file: the first that says something wins."""
        super().__init__(**{**_from_file(), **_from_environment(), **given})

    def environment(self) -> dict[str, str]:
        """These settings as environment variables, for child processes."""
        said = self.model_dump(mode="json", exclude_none=True)
        return {f"{PREFIX}{name.upper()}": str(value) for name, value in said.items()}


def settings_table() -> str:
    """The table of docs/settings.md."""
    lines = ["| Flag | Environment and `carousel.toml` | Default | Meaning |", "|---|---|---|---|"]
    for name, field in Settings.model_fields.items():
        default = str(field.default).lower() if isinstance(field.default, bool | None) else field.default
        lines.append(f"| `{flag(name)}` | `{PREFIX}{name.upper()}`, `{name}` | `{default}` | {field.description} |")
    return "\n".join(lines) + "\n"


def flag(name: str) -> str:
    """The command-line flag of a setting."""
    return "--" + name.replace("_", "-")


def _from_environment() -> dict[str, str]:
    variables = {name: PREFIX + name.upper() for name in Settings.model_fields}
    return {name: os.environ[variable] for name, variable in variables.items() if variable in os.environ}


def _from_file() -> dict[str, Any]:
    named = os.environ.get(CONFIG_VARIABLE)
    path = DEFAULT_CONFIG if named is None else Path(named)
    if path.is_file():
        return _read_toml(path)
    if named is not None:
        raise ValueError(f"{CONFIG_VARIABLE} names {named}, which is no file: correct it, or unset it")
    return {}


def _read_toml(path: Path) -> dict[str, Any]:
    import tomllib  # here: most services have no such file

    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"{path} is not TOML: {error}") from error
