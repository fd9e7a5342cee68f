"""What served models remember of what they have read: shared runs, reloads, the setting, the metrics."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pytest

from service.backends.base import Backend
from service.batching.batcher import Batcher
from service.contract.golden import Tensors
from service.contract.repository import Location
from service.lifecycle.registry import ModelRegistry
from service.observe.telemetry import Telemetry
from service.served_model import ServedModel
from service.settings import Settings
from service.tasks.dialogue import converse
from service.tasks.memory import LruMemory, MemoryPool
from service.tasks.reading import Reading, read_text
from tests import artifacts, recurrent

TEXTS = ("", "the ", "the cat ", "on ", "on the ", "sat ", "mat ", "the mat ")
"""Of 1, 2, 3, 2, 3, 2, 2 and 3 tokens."""


@dataclass(slots=True)
class Gated:
    """A graph that waits for its gate; keeps the rows of each run."""

    graph: Backend
    runs: list[int] = field(default_factory=list)
    gate: threading.Event = field(default_factory=threading.Event)

    def run(self, inputs: Tensors, outputs: Sequence[str] = ()) -> Tensors:
        assert self.gate.wait(timeout=20)
        self.runs.append(len(inputs["tokens"]))
        return self.graph.run(inputs, outputs)


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("recurrent-models")
    artifacts.publish(root, "words", recurrent.next_word())
    return root


def reading(model: ServedModel, text: str) -> Reading:
    assert model.tokenizer is not None
    return asyncio.run(model.ask(read_text(model.manifest, model.tokenizer, text, model.memory)))[0]


def lines(telemetry: Telemetry) -> list[str]:
    return [line for line in telemetry.exposition().decode().splitlines() if line.startswith("carousel_memory")]


def test_texts_that_are_read_at_the_same_time_share_runs_and_are_read_as_alone(root: Path):
    loaded = ServedModel.load(
        Location("words", 1, root / "words" / "1"), root=root, settings=Settings(models=root), memory=LruMemory(MemoryPool(10**6))
    )
    gated = Gated(loaded.backend)
    batcher = Batcher(gated.run, max_batch_rows=32, max_queue_rows=100, name="words")
    model = replace(loaded, batcher=batcher)

    async def all_at_once() -> list[Reading]:
        asked = [
            asyncio.create_task(model.ask(read_text(model.manifest, model.tokenizer, text, model.memory)))  # type: ignore[arg-type]  # it has one
            for text in TEXTS
        ]
        while batcher.in_flight < len(TEXTS):  # noqa: ASYNC110 - the batcher tells nobody of its queue
            await asyncio.sleep(0)
        gated.gate.set()
        return [one for one, _ in await asyncio.gather(*asked)]

    found = asyncio.run(all_at_once())
    batcher.close(5)

    assert sum(gated.runs) == 18
    assert len(gated.runs) < 9
    for text, one in zip(TEXTS, found, strict=True):
        alone, _ = converse(read_text(model.manifest, model.tokenizer, text), loaded.backend.run)  # type: ignore[arg-type]  # as above
        np.testing.assert_allclose(np.exp(one.log_probs), np.exp(alone.log_probs), rtol=0, atol=1e-6)
    loaded.close(5)


def test_a_model_that_is_loaded_again_remembers_nothing_and_counts_on(root: Path):
    telemetry = Telemetry.create()
    registry = ModelRegistry(Settings(models=root, repository_mode="explicit"), telemetry)
    registry.load_all()
    reading(registry.get("words"), "the cat sat ")
    before = registry.get("words").memory
    registry.load("words")
    model = registry.get("words")

    assert before is not None
    assert model.memory is not None
    assert model.memory is not before
    assert model.memory.recall is before.recall
    reading(model, "the cat sat ")
    reading(model, "the cat sat o")
    found = lines(telemetry)
    registry.close()

    assert 'carousel_memory_texts_total{model="words",remembered="none",version="1"} 2.0' in found
    assert 'carousel_memory_texts_total{model="words",remembered="whole",version="1"} 1.0' in found
    assert 'carousel_memory_tokens_total{model="words",outcome="read",version="1"} 8.0' in found
    assert 'carousel_memory_tokens_total{model="words",outcome="spared",version="1"} 4.0' in found
    assert (model.memory.recall.entries, model.memory.recall.bytes) == (0, 0)


def test_a_memory_of_nothing_is_none(root: Path):
    telemetry = Telemetry.create()
    registry = ModelRegistry(Settings(models=root, state_cache_mb=0), telemetry)
    registry.load_all()
    model = registry.get("words")

    assert model.memory is None
    assert model.language is not None
    assert model.language.memory is None
    reading(model, "the cat ")
    registry.close()
    assert [line for line in lines(telemetry) if "words" in line] == []


def test_models_of_other_tasks_remember_nothing(tiny_models: Path):
    registry = ModelRegistry(Settings(models=tiny_models))
    registry.load_all()

    assert {model.manifest.name: model.memory is not None for model in registry.newest()} == {
        "tiny-classes": False,
        "tiny-forecast": False,
        "tiny-words": True,
    }
    registry.close()
