"""A model that answers: its artifact, a backend that runs its graph, and the batcher in front of it."""

from __future__ import annotations

import importlib.util
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from threading import Semaphore
from typing import Any, Protocol, TypeVar

from service.backends.base import Backend
from service.backends.onnx import OnnxBackend
from service.batching.batcher import Batcher
from service.cgroup import inline_ms, usable_cores
from service.contract.golden import Tensors, parse_goldens, replay
from service.contract.int8 import INT8_TOLERANCE, Precision
from service.contract.manifest import PARITY_TOLERANCE, ArtifactError, ForecastTask, Manifest
from service.contract.repository import GOLDEN, GOLDEN_INT8, ONNX, ONNX_INT8, TORCHSCRIPT, Artifact, Location, load_artifact
from service.contract.subwords import AnyTokenizer
from service.errors import BadQuestion, StartupError
from service.observe.statistics import Meter, ModelStatistics
from service.settings import Settings
from service.tasks.dialogue import Dialogue, QuestionError
from service.tasks.language import Language, load_language
from service.tasks.memory import LruMemory
from service.word_lists import hidden_words

T = TypeVar("T")
Json = dict[str, Any]


class Mirror(Protocol):
    """What is shown the questions and answers of a model."""

    def reflect(self, inputs: Tensors, outputs: Tensors) -> None:
        """Take notice; returns at once and raises nothing."""
        ...


class Lease:
    """Lives as long as anyone holds the served model, its copies included."""

    __slots__ = ("__weakref__",)


@dataclass(frozen=True, slots=True)
class ServedModel:
    """One version of one model, ready to answer; `timeout_s` bounds a question where the caller does not.

    `shadow` is told what this one is asked and answers.
    """

    artifact: Artifact
    backend: Backend
    batcher: Batcher
    language: Language | None = None
    timeout_s: float = 30.0
    shadow: Mirror | None = None
    lease: Lease = field(default_factory=Lease)
    memory: LruMemory | None = None

    @classmethod
    def load(
        cls,
        location: Location,
        *,
        root: Path,
        settings: Settings,
        meter: Meter | None = None,
        running: Semaphore | None = None,
        memory: LruMemory | None = None,
    ) -> ServedModel:
        """Check the artifact, load its graph and replay its golden requests, which also warms it up.

        `meter` goes on counting where another is replaced; `running` bounds the graphs that run at the same time; a next-word
        model remembers in `memory` what it reads.

        Raises:
            ArtifactError: the artifact must not be served; the message says why.
            StartupError: the device or the backend that was asked for is not there.
        """
        artifact = load_artifact(location, root=root)
        language = load_language(artifact, memory, hidden_words(settings))
        backend = load_backend(artifact, settings)
        _warm_up(artifact, backend)
        batcher = Batcher(
            backend.run,
            max_batch_rows=settings.max_batch_rows,
            max_queue_rows=settings.max_queue_rows,
            name=location.name,
            max_queue_delay_ms=settings.max_queue_delay_ms,
            instances=settings.instances,
            priority_levels=settings.priority_levels,
            max_inline_ms=inline_ms(settings.max_inline_ms, cores=usable_cores(), workers=settings.workers),
            meter=meter,
            running=running,
        )
        return cls(artifact, backend, batcher, language, settings.timeout_s, memory=memory if language else None)

    @property
    def manifest(self) -> Manifest:
        """What the artifact says of itself."""
        return self.artifact.manifest

    @property
    def tokenizer(self) -> AnyTokenizer | None:
        """What turns texts into tokens; None where the model reads no texts."""
        return None if self.language is None else self.language.tokenizer

    @property
    def device(self) -> str:
        """Where the graph runs: `cpu` or `cuda`."""
        return self.backend.device

    @property
    def backend_name(self) -> str:
        """`onnx` or `torchscript`."""
        return self.backend.name

    @property
    def precision(self) -> Precision:
        """What the graph computes with."""
        return self.backend.precision

    def statistics(self) -> ModelStatistics:
        """What this version has done since it was loaded."""
        return self.batcher.meter.statistics()

    async def infer(self, inputs: Tensors, timeout_s: float | None = None, priority: int = 0, *, outputs: tuple[str, ...] = ()) -> Tensors:
        """Outputs of the graph; raises what `Batcher.submit` raises. The tensors are taken to be those of the manifest.

        `priority` is 1 for what goes first, then 2 and so on; 0 is the middle. `outputs` names those wanted; by default all.
        """
        timeout_s = self.timeout_s if timeout_s is None else timeout_s
        answer = await self.batcher.submit(inputs, timeout_s=timeout_s, priority=priority, outputs=outputs)
        if self.shadow is not None:
            self.shadow.reflect(inputs, answer)
        return answer

    async def ask(self, dialogue: Dialogue[T], timeout_s: float | None = None, priority: int = 0) -> T:
        """Drive a dialogue to its answer; `timeout_s` and `priority`, as of `infer`, hold for all of it.

        Raises:
            BadQuestion: the model cannot answer this.
            ServiceError: whatever `infer` raises.
        """
        deadline = time.monotonic() + (self.timeout_s if timeout_s is None else timeout_s)
        try:
            step = next(dialogue)
            while True:
                left_s = max(deadline - time.monotonic(), 0.0)
                step = dialogue.send(await self.infer(step.inputs, left_s, priority, outputs=step.outputs))
        except StopIteration as end:
            answer: T = end.value
            return answer
        except QuestionError as error:
            raise BadQuestion.of(error) from error

    def card(self) -> Json:
        """What a client should know of the model, ready for JSON."""
        manifest = self.manifest.model_dump(mode="json")
        network = manifest["network"]
        return {
            "name": manifest["name"],
            "version": manifest["version"],
            "description": manifest["description"],
            "created": manifest["created"],
            "task": manifest["task"],
            "routes": routes(self.manifest),
            "inputs": manifest["inputs"],
            "outputs": manifest["outputs"],
            "network": {name: network[name] for name in ("cell", "layers", "hidden")},
            "parameters": network["total"],
            "scores": manifest["scores"],
            "data": manifest["data"],
            "files": {name: entry["bytes"] for name, entry in manifest["files"].items()},
            "backend": self.backend_name,
            "device": self.device,
            "precision": self.precision,
        }

    def close(self, drain_s: float) -> None:
        """Finish what waits, within `drain_s` seconds, and free the graph. Blocks."""
        _close(self.batcher, self.backend, self.memory, drain_s)

    def closer(self) -> Callable[[float], None]:
        """`close`, without holding the model."""
        return partial(_close, self.batcher, self.backend, self.memory)


def routes(manifest: Manifest) -> list[str]:
    """Paths that answer for this model: its task's, the generic one, and the tensors'."""
    model = f"/v1/models/{manifest.name}"
    own = (manifest.task.kind, "anomalies") if isinstance(manifest.task, ForecastTask) else (manifest.task.kind,)
    return [*(f"{model}/{question}" for question in own), f"{model}:predict", f"/v2/models/{manifest.name}/infer"]


def load_backend(artifact: Artifact, settings: Settings) -> Backend:
    """The artifact's graph on the backend that the settings name.

    Raises:
        ArtifactError: the graph is refused.
        StartupError: the device or the backend is not there.
    """
    match settings.backend:
        case "onnx":
            return OnnxBackend.load(artifact, device=settings.device, threads=settings.threads, precision=settings.precision)
        case "torchscript":
            if settings.precision == "int8":
                raise StartupError("--backend torchscript has no graphs in int8: start with --precision auto, or with --backend onnx")
            if importlib.util.find_spec("torch") is None:
                raise StartupError("--backend torchscript needs torch: `pip install 'carousel-serve[torchscript]'`, or start without it")
            from service.backends.torchscript import TorchScriptBackend  # here, as torch is optional and slow to import

            return TorchScriptBackend.load(artifact, device=settings.device, threads=settings.threads)


def _close(batcher: Batcher, backend: Backend, memory: LruMemory | None, drain_s: float) -> None:
    batcher.close(drain_s)
    backend.close()
    if memory is not None:
        memory.clear()


def _warm_up(artifact: Artifact, backend: Backend) -> None:
    """Replay the golden requests of what the backend runs."""
    match backend.name, backend.precision:
        case "onnx", "int8":
            what, recorded, tolerance = ONNX_INT8, GOLDEN_INT8, INT8_TOLERANCE
        case "onnx", _:
            what, recorded, tolerance = ONNX, GOLDEN, PARITY_TOLERANCE
        case _:
            what, recorded, tolerance = TORCHSCRIPT, GOLDEN, PARITY_TOLERANCE
    goldens = parse_goldens(artifact.read(recorded))
    try:
        replay(goldens, backend.run, what=what, tolerance=tolerance)
    except ArtifactError:
        raise
    except Exception as error:  # a graph may raise anything, and its library anything of its own
        raise ArtifactError(f"{what} cannot answer its golden requests: {error}") from error
