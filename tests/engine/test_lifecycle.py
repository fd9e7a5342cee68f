"""Models that come, change and go while they are asked."""

from __future__ import annotations

import asyncio
import errno
import gc
import shutil
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from service import served_model
from service.backends.base import Backend
from service.contract import repository
from service.contract.golden import Tensors
from service.contract.repository import Artifact, Location
from service.errors import (
    BadQuestion,
    InferenceFailed,
    LabelNotFound,
    LoadFailed,
    ModelNotFound,
    QueueFull,
    RepositoryClosed,
    ServiceError,
    ShuttingDown,
    StartupError,
    VersionNotFound,
)
from service.lifecycle.registry import ModelRegistry
from service.lifecycle.shadow import Shadow
from service.lifecycle.succession import IndexEntry, fingerprint
from service.lifecycle.update import Updater
from service.observe.statistics import Meter
from service.observe.telemetry import Telemetry
from service.settings import Settings
from tests import artifacts

from .versions import QUESTION, label, probability, publish

Opened = Callable[..., ModelRegistry]


@pytest.fixture
def opened(tmp_path: Path) -> Iterator[Opened]:
    """A registry of `tmp_path` with these settings, loaded."""
    registries: list[ModelRegistry] = []

    def opened(*, telemetry: Telemetry | None = None, draw: Callable[[], float] = lambda: 0.5, **settings: object) -> ModelRegistry:
        given = {"models": tmp_path, "repository_mode": "explicit", "drain_s": 5, **settings}
        registries.append(ModelRegistry(Settings(**given), telemetry, draw=draw))
        registries[-1].load_all()
        return registries[-1]

    yield opened
    for registry in registries:
        registry.close()


def states(registry: ModelRegistry) -> list[tuple[int, str, str]]:
    return [(entry.version, entry.state, entry.reason) for entry in registry.index()]


def settled(registry: ModelRegistry) -> None:
    """Wait for what is being closed."""
    registry._changes._updater.wait(20)


def answering(registry: ModelRegistry, reference: str = "tiny") -> int:
    return registry.resolve(reference).manifest.version


def test_ten_thousand_requests_during_twenty_reloads_are_each_answered_by_one_version_that_says_so(tmp_path: Path, opened: Opened):
    publish(tmp_path)
    registry = opened(version_policy="latest:1")
    asked = 0
    answered: dict[int, int] = {}

    def reload() -> None:
        for number in range(20):
            while asked < 450 * (number + 1):
                threading.Event().wait(0.001)
            publish(tmp_path)
            registry.load("tiny")

    async def ask() -> None:
        nonlocal asked
        asked += 1
        model = registry.resolve("tiny")
        version = model.manifest.version
        outputs = await model.infer(QUESTION)
        assert outputs["probabilities"][0, 1] == pytest.approx(probability(version), abs=1e-6)
        answered[version] = answered.get(version, 0) + 1

    async def caller() -> None:
        while asked < 10_000 or reloader.is_alive():
            await ask()

    async def everyone() -> None:
        await asyncio.gather(*(caller() for _ in range(16)))
        await ask()

    reloader = threading.Thread(target=reload)
    reloader.start()
    asyncio.run(everyone())
    reloader.join(60)

    assert sum(answered.values()) == asked >= 10_000
    assert sorted(answered) == list(range(1, 22))
    settled(registry)
    assert [entry.version for entry in registry.index() if entry.state == "READY"] == [21]


def test_a_request_that_began_before_a_reload_is_answered_by_the_version_it_began_with(tmp_path: Path, opened: Opened):
    publish(tmp_path)
    registry = opened(version_policy="latest:1")
    before = registry.resolve("tiny")
    publish(tmp_path)
    registry.load("tiny")

    assert answering(registry) == 2
    assert states(registry)[0] == (1, "UNLOADING", "")
    assert asyncio.run(before.infer(QUESTION))["probabilities"][0, 1] == pytest.approx(probability(1), abs=1e-6)

    del before
    settled(registry)
    assert states(registry) == [(1, "UNAVAILABLE", "unloaded"), (2, "READY", "")]


def test_what_a_failed_request_holds_in_a_cycle_is_let_go(tmp_path: Path, opened: Opened):
    publish(tmp_path)
    registry = opened(drain_s=20)
    cycle: list[object] = [registry.resolve("tiny")]
    cycle.append(cycle)
    registry.unload("tiny")
    gc.disable()
    try:
        del cycle
        settled(registry)
    finally:
        gc.enable()

    assert states(registry) == [(1, "UNAVAILABLE", "unloaded")]


def test_a_model_that_is_held_too_long_is_closed_after_the_drain_time(tmp_path: Path, opened: Opened):
    publish(tmp_path)
    registry = opened(drain_s=0)
    held = registry.resolve("tiny")
    registry.unload("tiny")
    settled(registry)

    with pytest.raises(ShuttingDown):
        asyncio.run(held.infer(QUESTION))


def test_a_corrupt_new_version_leaves_the_old_one_serving_and_is_shown_with_its_reason(tmp_path: Path, opened: Opened):
    publish(tmp_path)
    telemetry = Telemetry.create()
    registry = opened(version_policy="latest:1", telemetry=telemetry)
    publish(tmp_path, spoilt=True)
    reason = "model.onnx was changed: its sha256 is not the one in manifest.json; publish it again"

    with pytest.raises(LoadFailed) as refusal:
        registry.load("tiny")

    assert refusal.value.detail == f"'tiny' was not loaded: version 2: {reason} (still served: 1)"
    assert answering(registry) == 1
    assert registry.index() == [IndexEntry("tiny", 1, "READY"), IndexEntry("tiny", 2, "UNAVAILABLE", reason, refused=True)]
    text = telemetry.exposition().decode()
    assert 'carousel_model_state{model="tiny",reason="",state="READY",version="1"} 1.0' in text
    assert f'carousel_model_state{{model="tiny",reason="{reason}",state="UNAVAILABLE",version="2"}} 1.0' in text

    publish(tmp_path)
    registry.load("tiny")
    settled(registry)
    assert states(registry) == [
        (1, "UNAVAILABLE", "unloaded"),
        (2, "UNAVAILABLE", "not chosen by --version-policy latest:1"),
        (3, "READY", ""),
    ]


def test_a_version_whose_newer_copy_is_corrupt_answers_as_before_and_is_shown_with_the_reason(tmp_path: Path, opened: Opened):
    publish(tmp_path)
    registry = opened()
    (tmp_path / "tiny" / "1" / "model.onnx").write_bytes(b"other")

    with pytest.raises(LoadFailed, match=r"version 1: model\.onnx was changed"):
        registry.load("tiny")

    assert asyncio.run(registry.resolve("tiny").infer(QUESTION))["probabilities"].shape == (1, 3)
    assert [(entry.state, entry.refused) for entry in registry.index()] == [("READY", True)]


def test_a_device_that_is_gone_fails_a_reload_and_stops_nothing(tmp_path: Path, opened: Opened, monkeypatch: pytest.MonkeyPatch):
    publish(tmp_path)
    registry = opened()
    publish(tmp_path)

    def load_backend(*_: object) -> None:
        raise StartupError("the GPU is gone")

    monkeypatch.setattr("service.served_model.load_backend", load_backend)
    with pytest.raises(LoadFailed, match=r"'tiny' was not loaded: the GPU is gone \(still served: 1\)"):
        registry.load("tiny")

    assert states(registry) == [(1, "READY", ""), (2, "UNAVAILABLE", "the GPU is gone")]


def test_a_device_that_goes_while_versions_are_loaded_leaves_none_of_them_half_served(
    tmp_path: Path, opened: Opened, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    publish(tmp_path)
    registry = opened(repository_mode="poll", poll_interval_s=60)
    publish(tmp_path)
    publish(tmp_path)
    plain = served_model.load_backend

    def load_backend(artifact: Artifact, settings: Settings) -> Backend:
        if artifact.manifest.version == 3:
            raise StartupError("the GPU is gone")
        return plain(artifact, settings)

    monkeypatch.setattr(served_model, "load_backend", load_backend)
    registry._changes._refresh("tiny")

    assert "tiny was not loaded: the GPU is gone" in caplog.text
    assert registry.versions("tiny") == [1]
    assert states(registry)[1:] == [(2, "UNAVAILABLE", "the GPU is gone"), (3, "UNAVAILABLE", "the GPU is gone")]


def test_a_folder_that_is_gone_has_no_fingerprint(tmp_path: Path):
    assert fingerprint(tmp_path / "none") == ()


def test_an_unloaded_model_is_unknown_until_it_is_loaded_again(tmp_path: Path, opened: Opened):
    publish(tmp_path)
    registry = opened()
    registry.unload("tiny")
    settled(registry)

    assert not registry.ready
    with pytest.raises(ModelNotFound):
        registry.resolve("tiny")
    with pytest.raises(ModelNotFound):
        registry.unload("tiny")

    registry.load("tiny")
    assert registry.ready
    assert states(registry) == [(1, "READY", "")]


def test_a_model_that_is_nowhere_cannot_be_loaded(tmp_path: Path, opened: Opened):
    publish(tmp_path)
    registry = opened()
    with pytest.raises(ModelNotFound, match=r"no model '\.\./etc'"):
        registry.load("../etc")

    shutil.rmtree(tmp_path / "tiny")
    with pytest.raises(LoadFailed, match=r"its folder holds no version \(still served: 1\)"):
        registry.load("tiny")


def test_a_closed_repository_neither_loads_nor_unloads(tmp_path: Path, opened: Opened):
    publish(tmp_path)
    registry = opened(repository_mode="none")

    for change in (registry.load, registry.unload):
        with pytest.raises(RepositoryClosed, match="start the service with --repository-mode explicit, or poll"):
            change("tiny")


def test_a_stopping_service_is_not_ready_loads_nothing_and_still_answers(tmp_path: Path, opened: Opened):
    publish(tmp_path)
    registry = opened()
    registry.announce_stop()

    assert not registry.ready
    with pytest.raises(ShuttingDown):
        registry.load("tiny")
    assert asyncio.run(registry.resolve("tiny").infer(QUESTION))["probabilities"].shape == (1, 3)


def test_two_reloads_and_an_unload_at_once_come_one_after_the_other(tmp_path: Path, opened: Opened):
    publish(tmp_path)
    registry = opened()
    wrong: list[Exception] = []

    def change(how: Callable[[str], None]) -> None:
        try:
            how("tiny")
        except ModelNotFound:
            pass  # the unload came before
        except Exception as error:
            wrong.append(error)

    changes = [threading.Thread(target=change, args=(how,)) for how in (registry.load, registry.load, registry.unload) * 3]
    for thread in changes:
        thread.start()
    for thread in changes:
        thread.join(60)
    registry.load("tiny")
    settled(registry)

    assert wrong == []
    assert states(registry) == [(1, "READY", "")]
    assert len([thread for thread in threading.enumerate() if thread.name.startswith("batcher-tiny")]) == 1


def test_statistics_go_on_when_a_version_is_loaded_again(tmp_path: Path, opened: Opened):
    publish(tmp_path)
    registry = opened()
    asyncio.run(registry.resolve("tiny").infer(QUESTION))
    registry.load("tiny")
    asyncio.run(registry.resolve("tiny").infer(QUESTION))

    assert registry.resolve("tiny").statistics().success.count == 2


def test_metrics_of_a_model_that_is_gone_are_gone(tmp_path: Path, opened: Opened):
    publish(tmp_path)
    telemetry = Telemetry.create()
    registry = opened(telemetry=telemetry)
    held = registry.resolve("tiny")
    registry.unload("tiny")
    shutil.rmtree(tmp_path / "tiny")
    del held
    settled(registry)

    assert 'model="tiny"' not in telemetry.exposition().decode()


def test_metrics_of_a_version_go_when_its_last_request_ends_whatever_happens_to_the_model_meanwhile(tmp_path: Path, opened: Opened):
    publish(tmp_path)
    telemetry = Telemetry.create()
    registry = opened(telemetry=telemetry, version_policy="latest:1", drain_s=20)
    held = [registry.resolve("tiny")]
    registry.load("tiny")  # another of the same version answers now
    held.append(registry.resolve("tiny"))
    publish(tmp_path)
    registry.load("tiny")
    registry.load("tiny")  # while both of the version before are still held
    assert 'model="tiny",precision="fp32",task="classify",version="1"' in telemetry.exposition().decode()

    held.clear()
    settled(registry)
    told = telemetry.exposition().decode()
    assert [line for line in told.splitlines() if 'version="1"' in line and "model_state" not in line] == []
    assert 'version="2"' in told
    assert [entry.state for entry in registry.index()] == ["UNAVAILABLE", "READY"]


@pytest.mark.parametrize(
    ("policy", "labels", "served"),
    [
        ("all", {}, [1, 2, 3]),
        ("latest:2", {}, [2, 3]),
        ("latest:1", {"stable": 1}, [1, 3]),
        ("listed", {"stable": 1, "canary": 3}, [1, 3]),
        ("listed", {}, []),
    ],
)
def test_the_version_policy_says_what_is_served(tmp_path: Path, opened: Opened, policy: str, labels: dict[str, int], served: list[int]):
    for _ in range(3):
        publish(tmp_path)
    label(tmp_path, labels)
    registry = opened(version_policy=policy)

    assert [entry.version for entry in registry.index() if entry.state == "READY"] == served
    assert registry.refused == []


def test_labels_lead_to_their_versions_and_a_canary_gets_its_share(tmp_path: Path, opened: Opened):
    for _ in range(3):
        publish(tmp_path)
    label(tmp_path, {"stable": 1, "canary": {"version": 2, "share": 0.25}})
    numbers = iter([0.0, 0.24, 0.25, 0.99])
    registry = opened(draw=lambda: next(numbers))

    assert [answering(registry) for _ in range(4)] == [2, 2, 1, 1]
    assert answering(registry, "tiny@stable") == 1
    assert answering(registry, "tiny@canary") == 2
    assert registry.resolve("tiny", 3).manifest.version == 3
    with pytest.raises(LabelNotFound, match="no label 'none' of 'tiny'; its labels: stable, canary"):
        registry.resolve("tiny@none")
    with pytest.raises(BadQuestion, match="name a label or a version, not both"):
        registry.resolve("tiny@stable", 1)
    with pytest.raises(VersionNotFound):
        registry.resolve("tiny", 9)


def test_without_a_stable_label_the_newest_version_answers(tmp_path: Path, opened: Opened):
    publish(tmp_path)
    publish(tmp_path)
    registry = opened()

    assert answering(registry) == 2
    with pytest.raises(LabelNotFound, match=r"it has no labels: write them into tiny/labels\.json"):
        registry.resolve("tiny@stable")


def test_labels_change_without_loading_anything_and_wrong_ones_leave_the_former(tmp_path: Path, opened: Opened):
    publish(tmp_path)
    publish(tmp_path)
    label(tmp_path, {"stable": 1})
    registry = opened(repository_mode="poll", poll_interval_s=60)
    one = registry.resolve("tiny", 1)
    label(tmp_path, {"stable": 2})
    registry._changes._refresh("tiny")
    assert answering(registry) == 2
    assert registry.resolve("tiny", 1) is one

    label(tmp_path, {"stable": 9})
    registry._changes._refresh("tiny")
    assert answering(registry) == 2
    assert states(registry)[0] == (1, "READY", "labels.json: stable is version 9, which is not served")

    (tmp_path / "tiny" / "labels.json").write_text("{")
    registry._changes._refresh("tiny")
    assert answering(registry) == 2
    assert states(registry)[1][2].startswith("labels.json: the file: Invalid JSON")

    label(tmp_path, {"stable": 1})
    registry._changes._refresh("tiny")
    assert answering(registry) == 1
    assert states(registry) == [(1, "READY", ""), (2, "READY", "")]


def test_wrong_labels_at_the_start_refuse_the_model_rather_than_guess(tmp_path: Path, opened: Opened):
    publish(tmp_path)
    publish(tmp_path, "other")
    label(tmp_path, {"stable": "1"})
    label(tmp_path, {"stable": 7}, "other")
    registry = opened()

    assert [(refusal.name, refusal.version) for refusal in registry.refused] == [("other", 1), ("tiny", 1)]
    with pytest.raises(ModelNotFound):
        registry.resolve("tiny")
    with pytest.raises(VersionNotFound, match="no version 7 of 'other'; served here: 1"):
        registry.resolve("other")


def test_a_shadow_runs_on_what_another_version_is_asked_and_is_compared(tmp_path: Path, opened: Opened):
    publish(tmp_path)
    publish(tmp_path)
    label(tmp_path, {"stable": 1, "next": {"version": 2, "shadow": True}})
    telemetry = Telemetry.create()
    registry = opened(telemetry=telemetry)

    async def ask() -> Tensors:
        outputs = await registry.resolve("tiny").infer(QUESTION)
        while registry.resolve("tiny", 2).batcher.meter.shadow["answered"] == 0:  # noqa: ASYNC110 - the shadow tells nobody
            await asyncio.sleep(0.001)
        return outputs

    assert asyncio.run(ask())["probabilities"][0, 1] == pytest.approx(probability(1), abs=1e-6)
    text = telemetry.exposition().decode()
    assert 'carousel_shadow_total{model="tiny",outcome="answered",version="2"} 1.0' in text
    assert 'carousel_shadow_difference_bucket{le="0.01",model="tiny",version="2"} 0.0' in text
    assert 'carousel_shadow_difference_bucket{le="0.1",model="tiny",version="2"} 1.0' in text
    assert registry.resolve("tiny", 1).shadow is None


def test_a_version_that_takes_other_inputs_is_not_shadowed(tmp_path: Path, opened: Opened):
    publish(tmp_path)
    artifacts.publish(tmp_path, "tiny", artifacts.next_word())
    label(tmp_path, {"stable": 1, "next": {"version": 2, "shadow": True}})

    assert opened().resolve("tiny").shadow is None


class SlowCandidate:
    """Answers nobody before `gate` is set, and then with an error."""

    def __init__(self, error: ServiceError) -> None:
        self.batcher = SimpleNamespace(meter=Meter())
        self.gate = asyncio.Event()
        self.error = error

    async def infer(self, _inputs: Tensors, *, priority: int, outputs: tuple[str, ...]) -> Tensors:  # noqa: ARG002 - as of a served model
        assert priority > 100  # after everyone else
        await self.gate.wait()
        raise self.error


@pytest.mark.parametrize(
    ("error", "outcome"), [(InferenceFailed("tiny"), "failed"), (QueueFull("tiny", queued_rows=9, limit_rows=9), "dropped")]
)
def test_a_shadow_that_fails_or_falls_behind_is_counted_and_holds_up_nobody(error: ServiceError, outcome: str):
    async def reflected() -> dict[str, int]:
        candidate = SlowCandidate(error)
        shadow = Shadow(candidate)  # type: ignore[arg-type]  # a stand-in has what a shadow needs
        for _ in range(70):
            shadow.reflect(QUESTION, {})
        assert candidate.batcher.meter.shadow["dropped"] == 6
        candidate.gate.set()
        while sum(candidate.batcher.meter.shadow.values()) < 70:  # noqa: ASYNC110 - a meter tells nobody
            await asyncio.sleep(0)
        return candidate.batcher.meter.shadow

    assert asyncio.run(reflected()) == {"answered": 0, "failed": 0, "dropped": 6} | {outcome: 64 + 6 * (outcome == "dropped")}


def test_no_more_graphs_run_at_once_than_the_cores_carry(
    tmp_path: Path, opened: Opened, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    monkeypatch.setattr("service.lifecycle.update.usable_cores", lambda: 4)
    for name in ("a", "b", "c"):
        publish(tmp_path, name)
    registry = opened(threads=8, workers=2)
    running: list[int] = []
    most: list[int] = []

    for name in ("a", "b", "c"):
        backend = registry.resolve(name).backend
        plain = backend.session

        def run(outputs: list[str], inputs: Tensors, plain: object = plain) -> object:
            running.append(1)
            most.append(len(running))
            threading.Event().wait(0.005)
            running.pop()
            return plain.run(outputs, inputs)

        backend.session = SimpleNamespace(run=run)

    async def everyone() -> None:
        await asyncio.gather(*(registry.resolve(name).infer(QUESTION) for name in ("a", "b", "c") * 3))

    asyncio.run(everyone())

    assert "2 threads for each model instead of 8: 4 cores, 2 workers" in caplog.text
    assert max(most) == 1


def until(condition: Callable[[], bool]) -> None:
    while not condition():
        threading.Event().wait(0.005)


def test_a_folder_that_is_watched_is_followed(tmp_path: Path, opened: Opened):
    publish(tmp_path)
    registry = opened(repository_mode="poll", poll_interval_s=0.01)
    publish(tmp_path)
    until(lambda: registry.versions("tiny") == [1, 2])
    publish(tmp_path, "other")
    until(lambda: {entry.name for entry in registry.index() if entry.state == "READY"} == {"tiny", "other"})
    shutil.rmtree(tmp_path / "tiny" / "1")
    until(lambda: registry.versions("tiny") == [2])
    shutil.rmtree(tmp_path / "tiny")
    until(lambda: [entry.name for entry in registry.index()] == ["other"])


def test_what_was_unloaded_from_a_watched_folder_comes_back_when_it_changes(tmp_path: Path, opened: Opened):
    publish(tmp_path)
    publish(tmp_path, "other")
    registry = opened(repository_mode="poll", poll_interval_s=0.01)
    registry.unload("tiny")
    publish(tmp_path, "other")
    until(lambda: registry.versions("other") == [1, 2])  # the folder was looked at since
    with pytest.raises(ModelNotFound):
        registry.resolve("tiny")

    publish(tmp_path)
    until(lambda: any(model.manifest.name == "tiny" for model in registry.newest()))


def test_a_folder_that_is_away_for_a_moment_is_looked_at_again_and_what_is_served_stays(
    tmp_path: Path, opened: Opened, caplog: pytest.LogCaptureFixture
):
    root = tmp_path / "models"
    publish(root)
    registry = opened(models=root, repository_mode="poll", poll_interval_s=0.01)
    root.rename(tmp_path / "away")
    until(lambda: "it is looked at again in 0.01 s" in caplog.text)
    assert registry.versions("tiny") == [1]

    (tmp_path / "away").rename(root)
    publish(root)
    until(lambda: registry.versions("tiny") == [1, 2])


@pytest.fixture
def forbidden(monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """Names of models whose folders cannot be read from now on."""
    names: set[str] = set()

    def versions(root: Path, name: str) -> list[Location]:
        if name in names:
            raise PermissionError(errno.EACCES, "Permission denied")
        return repository.versions(root, name)

    for module in ("folder_watch", "update"):
        monkeypatch.setattr(f"service.lifecycle.{module}.versions", versions)
    return names


def test_a_model_whose_folder_cannot_be_read_keeps_no_other_from_being_served(
    tmp_path: Path, opened: Opened, forbidden: set[str], caplog: pytest.LogCaptureFixture
):
    publish(tmp_path)
    publish(tmp_path, "other")
    forbidden.add("other")
    registry = opened()

    assert [model.manifest.name for model in registry.newest()] == ["tiny"]
    assert "other is not served: its folder cannot be read: Permission denied" in caplog.text
    with pytest.raises(
        LoadFailed, match=r"'other' was not loaded: its folder cannot be read: Permission denied \(nothing of it is served\)"
    ):
        registry.load("other")
    registry.load("tiny")
    forbidden.clear()
    registry.load("other")
    assert registry.versions("other") == [1]


def test_a_model_whose_folder_cannot_be_read_for_a_moment_goes_on_and_others_are_followed(
    tmp_path: Path, opened: Opened, forbidden: set[str], caplog: pytest.LogCaptureFixture
):
    publish(tmp_path)
    publish(tmp_path, "other")
    registry = opened(repository_mode="poll", poll_interval_s=0.01)
    forbidden.add("other")
    publish(tmp_path, "other")
    publish(tmp_path)
    until(lambda: registry.versions("tiny") == [1, 2])
    until(lambda: "the folder of other cannot be read, so that it stays as it is: Permission denied" in caplog.text)
    assert registry.versions("other") == [1]

    forbidden.clear()
    until(lambda: registry.versions("other") == [1, 2])


def test_a_fault_in_one_model_keeps_no_other_from_following_its_folder(
    tmp_path: Path, opened: Opened, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    publish(tmp_path, "a")
    publish(tmp_path, "b")
    registry = opened(repository_mode="poll", poll_interval_s=0.01)
    plain = Updater.updated

    def updated(self: Updater, name: str, *rest: object, **more: object) -> object:
        if name == "a":
            raise ZeroDivisionError("a fault")
        return plain(self, name, *rest, **more)

    monkeypatch.setattr(Updater, "updated", updated)
    publish(tmp_path, "a")
    publish(tmp_path, "b")
    until(lambda: registry.versions("b") == [1, 2])
    until(lambda: "a was not brought in line with its folder" in caplog.text)
    assert registry.versions("a") == [1]


def test_a_model_folder_that_cannot_be_read_stops_the_service_with_a_remedy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def unreadable(_root: Path) -> list[str]:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr("service.lifecycle.folder_watch.model_names", unreadable)

    with pytest.raises(StartupError, match=r"the model folder cannot be read: .* let the user of this service read and enter it"):
        ModelRegistry(Settings(models=tmp_path)).load_all()


def test_of_two_loads_at_once_the_later_look_at_the_folder_is_the_one_that_stays(
    tmp_path: Path, opened: Opened, monkeypatch: pytest.MonkeyPatch
):
    publish(tmp_path)
    registry = opened()
    looked, go_on = threading.Event(), threading.Event()
    plain = Updater.updated

    def updated(self: Updater, *given: object, **more: object) -> object:
        looked.set()
        assert go_on.wait(20)
        return plain(self, *given, **more)

    monkeypatch.setattr(Updater, "updated", updated)
    loads = [threading.Thread(target=registry.load, args=("tiny",)) for _ in range(2)]
    loads[0].start()
    assert looked.wait(20)
    publish(tmp_path)
    loads[1].start()
    go_on.set()
    for load in loads:
        load.join(60)

    assert registry.versions("tiny") == [1, 2]
