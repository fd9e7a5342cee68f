"""What is measured: servers, how each is started, and the ways in which it is asked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from benchmarks.serving.environments import CAROUSEL
from benchmarks.serving.questions import Task, Wire

FLOOR = "floor"


@dataclass(frozen=True, slots=True)
class Way:
    """A way of asking a server: its name in tables, its wire, and its paths."""

    name: str
    wire: Wire
    paths: Mapping[Task, str]


@dataclass(frozen=True, slots=True)
class Server:
    """A server: the environment it runs in, its command with {python}, {port} and {models} left open, its best settings in words."""

    key: str
    environment: str
    command: tuple[str, ...]
    ways: tuple[Way, ...]
    settings: str
    variables: Mapping[str, str] = field(default_factory=dict)


def _paths(forecast: str, next_word: str) -> Mapping[Task, str]:
    return {"forecast": forecast, "next-word": next_word}


def _peer(key: str, settings: str, *ways: Way, **variables: str) -> Server:
    return Server(key, key, ("{python}", "-m", f"benchmarks.serving.peers.{key}.server", "{port}"), ways, settings, variables)


_SHORT = _paths("/forecast", "/next-word")
_PREDICT = _paths("/v1/models/bench-forecast:predict", "/v1/models/bench-next-word:predict")
_TENSORS = _paths("/v2/models/bench-forecast/infer", "/v2/models/bench-next-word/infer")
_TYPED = _paths("/v1/models/bench-forecast/forecast", "/v1/models/bench-next-word/next-word")
_SERVE = ("serve", "--models", "{models}", "--port", "{port}", "--precision", "fp32", "--state-cache-mb", "0")
"""Texts are asked again and again here: a service that remembered them would run no graph."""

SERVERS = (
    Server(
        FLOOR,
        CAROUSEL,
        ("{python}", "-m", "uvicorn", "benchmarks.serving.floor:app", "--port", "{port}", "--log-level", "error", "--no-access-log"),
        (Way("floor", "ids", _SHORT),),
        "uvicorn with uvloop and httptools, a bare ASGI app: orjson, numpy, onnxruntime; one request after another",
    ),
    Server(
        "carousel",
        CAROUSEL,
        ("{python}", "-m", "service", *_SERVE),
        (
            Way("Carousel", "text", _TYPED),
            Way("Carousel, OIP in JSON", "tensors", _TENSORS),
            Way("Carousel, :predict", "text-instances", _PREDICT),
            Way("Carousel, OIP in bytes", "binary", _TENSORS),
        ),
        "as it comes, in fp32, but that it remembers no texts",
    ),
    Server(
        "unmetered",
        CAROUSEL,
        ("{python}", "-m", "benchmarks.serving.unmetered", *_SERVE),
        (Way("Carousel without metrics", "text", _TYPED),),
        "nothing is counted: for the cost of metrics alone",
    ),
    Server(
        "workers",
        CAROUSEL,
        ("{python}", "-m", "service", *_SERVE, "--workers", "2"),
        (Way("Carousel, two workers", "text", _TYPED),),
        "--workers 2",
    ),
    _peer(
        "litserve", "a process for each model, fast queue; next words in batches of at most 16 within 2 ms", Way("LitServe", "ids", _SHORT)
    ),
    _peer("bentoml", "one worker, asynchronous methods, no batches", Way("BentoML", "ids", _SHORT)),
    _peer("mlserver", "no parallel workers, batches of at most 32 within 0.2 ms", Way("MLServer", "tensors", _TENSORS)),
    _peer("kserve", "one worker, uvloop, v1 protocol; it has no batches", Way("KServe", "ids-instances", _PREDICT)),
    _peer(
        "ray",
        "HAProxy, settings for throughput, a replica for each model, batches of at most 32 without waiting",
        Way("Ray Serve", "ids", _SHORT),
        RAY_SERVE_ENABLE_HA_PROXY="1",
        RAY_SERVE_THROUGHPUT_OPTIMIZED="1",
    ),
    _peer(
        "triton",
        "Python backend with onnxruntime, one instance for each model, dynamic batches of at most 32 without waiting",
        Way("Triton", "tensors", _TENSORS),
        Way("Triton, OIP in bytes", "binary", _TENSORS),
    ),
)
PYTHON_PEERS = ("LitServe", "BentoML", "MLServer", "KServe", "Ray Serve")
PEERS = (*PYTHON_PEERS, "Triton")
