"""Workers that change together: here as registries that share a folder, each as it would be in a process of its own."""

from __future__ import annotations

import asyncio
import logging
import shutil
import threading
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest

from service import served_model
from service.backends.base import Backend
from service.contract.repository import Artifact
from service.errors import LoadFailed, ModelNotFound, ShuttingDown, StartupError, WorkersBehind
from service.lifecycle.following import Following
from service.lifecycle.order import Order
from service.lifecycle.registry import ModelRegistry
from service.lifecycle.roster import Done, Roster, least
from service.lifecycle.succession import IndexEntry
from service.settings import Settings

from .versions import QUESTION, label, probability, publish

Worker = Callable[..., ModelRegistry]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A model folder with one version of one model."""
    publish(tmp_path / "models")
    return tmp_path / "models"


@pytest.fixture
def worker(tmp_path: Path, root: Path) -> Iterator[Worker]:
    """Starts one worker more."""
    registries: list[ModelRegistry] = []

    def started(**settings: object) -> ModelRegistry:
        given = {"repository_mode": "explicit", "worker_folder": tmp_path / "workers", "drain_s": 5, "timeout_s": 20, **settings}
        registry = ModelRegistry(Settings(models=root, **given))
        registries.append(registry)
        registry.load_all()
        return registry

    yield started
    for registry in registries:
        registry.close()


def versions(registry: ModelRegistry, name: str = "tiny") -> list[int]:
    try:
        return registry.versions(name)
    except ModelNotFound:
        return []


def until(condition: Callable[[], bool]) -> None:
    while not condition():
        threading.Event().wait(0.005)


def states(registry: ModelRegistry) -> list[tuple[int, str, str]]:
    return [(entry.version, entry.state, entry.reason) for entry in registry.index()]


def test_what_one_worker_is_asked_to_load_all_have_loaded_when_it_answers(root: Path, worker: Worker):
    workers = [worker(), worker(), worker()]
    for version, asked in enumerate(workers, start=2):
        publish(root)
        asked.load("tiny")

        assert [versions(one) for one in workers] == [list(range(1, version + 1))] * 3
        assert all(one.resolve("tiny").manifest.version == version for one in workers)
        assert [states(one) for one in workers] == [[(number, "READY", "") for number in range(1, version + 1)]] * 3


def test_what_one_worker_is_asked_to_unload_none_serves_when_it_answers(root: Path, worker: Worker):
    publish(root, "other")
    one, two = worker(), worker()
    one.unload("tiny")

    assert [versions(one), versions(two)] == [[], []]
    with pytest.raises(ModelNotFound):
        two.unload("tiny")
    two.load("tiny")
    assert [versions(one), versions(two)] == [[1], [1]]
    assert versions(one, "other") == [1]


def test_what_each_worker_serves_answers_as_its_version_does(root: Path, worker: Worker):
    workers = [worker(version_policy="latest:1") for _ in range(2)]
    publish(root)
    workers[0].load("tiny")

    for one in workers:
        assert asyncio.run(one.resolve("tiny").infer(QUESTION))["probabilities"][0, 1] == pytest.approx(probability(2), abs=1e-6)


def test_a_worker_that_comes_later_serves_what_the_others_were_told_and_not_what_the_folder_has(root: Path, worker: Worker):
    publish(root, "other")
    one = worker()
    publish(root)
    publish(root, "new")
    one.unload("other")
    later = worker()

    assert [versions(later, name) for name in ("tiny", "other", "new")] == [[1], [], []]
    assert IndexEntry("other", 1, "UNAVAILABLE", "unloaded") in later.index()
    later.load("tiny")
    later.load("new")
    assert [versions(one, name) for name in ("tiny", "other", "new")] == [[1, 2], [], [1]]


def test_workers_that_start_when_all_have_ended_begin_with_what_the_folder_has(root: Path, worker: Worker):
    one = worker()
    one.unload("tiny")
    one.close()
    publish(root, "new")
    again = worker()

    assert [versions(again, name) for name in ("tiny", "new")] == [[1], [1]]


def test_what_cannot_be_loaded_is_refused_by_every_worker_and_said_once(root: Path, worker: Worker):
    one, two = worker(), worker()
    publish(root, spoilt=True)

    with pytest.raises(LoadFailed) as refusal:
        one.load("tiny")

    reason = "model.onnx was changed: its sha256 is not the one in manifest.json; publish it again"
    assert refusal.value.detail == f"'tiny' was not loaded: version 2: {reason} (still served: 1)"
    assert states(one) == states(two) == [(1, "READY", ""), (2, "UNAVAILABLE", reason)]


def test_what_another_worker_cannot_load_is_said_with_its_number_and_the_index_says_that_not_all_have_it(
    root: Path, worker: Worker, monkeypatch: pytest.MonkeyPatch
):
    one, two = worker(), worker()
    publish(root)
    plain = served_model.load_backend

    def load_backend(artifact: Artifact, settings: Settings) -> Backend:
        if threading.current_thread().name.startswith("change-") and settings.priority_levels == 7:
            raise StartupError("no memory is left")
        return plain(artifact, settings)

    monkeypatch.setattr(served_model, "load_backend", load_backend)
    poor = worker(priority_levels=7)
    with pytest.raises(LoadFailed, match=r"'tiny' was not loaded: worker \d+: no memory is left \(still served: 1, 2\)"):
        one.load("tiny")

    assert [versions(each) for each in (one, two, poor)] == [[1, 2], [1, 2], [1]]
    assert states(one) == [(1, "READY", ""), (2, "UNAVAILABLE", "no memory is left")]
    with pytest.raises(LoadFailed, match=r"'tiny' was not loaded: no memory is left \(still served: 1\)"):
        poor.load("tiny")


def test_a_model_that_a_worker_could_not_load_is_unloaded_from_the_others_through_it(root: Path, worker: Worker):
    one = worker()
    (root / "tiny" / "1" / "golden.json").unlink()
    poor = worker()
    assert [versions(one), versions(poor)] == [[1], []]

    poor.unload("tiny")

    assert versions(one) == []


def test_loads_and_unloads_of_all_workers_at_once_end_with_all_serving_the_same(root: Path, worker: Worker):
    workers = [worker(), worker(), worker()]
    wrong: list[Exception] = []

    def change(how: Callable[[str], None]) -> None:
        try:
            how("tiny")
        except ModelNotFound:
            pass  # the unload came before
        except Exception as error:
            wrong.append(error)

    changes = [threading.Thread(target=change, args=(how,)) for one in workers for how in (one.load, one.unload, one.load)]
    for thread in changes:
        thread.start()
    for thread in changes:
        thread.join(60)
    until(lambda: len({tuple(versions(one)) for one in workers}) == 1)
    publish(root)
    workers[0].load("tiny")

    assert wrong == []
    assert [versions(one) for one in workers] == [[1, 2]] * 3


def test_a_worker_that_ends_keeps_nobody_waiting(root: Path, worker: Worker):
    one, two = worker(), worker()
    two.close()
    publish(root)
    one.load("tiny")

    assert versions(one) == [1, 2]


def test_a_worker_that_hangs_keeps_a_load_for_a_bounded_time_which_says_who_it_is(root: Path, worker: Worker, tmp_path: Path):
    one = worker(timeout_s=0.2)
    hanging = Roster(tmp_path / "workers" / "models")
    hanging.join()
    publish(root)

    with pytest.raises(WorkersBehind, match=r"not every worker has changed 'tiny' within 0\.2 s, process \d+ not yet"):
        one.load("tiny")
    assert versions(one) == [1, 2]
    hanging.leave()
    one.load("tiny")


def test_where_workers_follow_the_folder_an_unloaded_model_stays_unloaded_until_it_changes(root: Path, worker: Worker):
    publish(root, "other")
    polling = {"repository_mode": "poll", "poll_interval_s": 0.01}
    one, two = worker(**polling), worker(**polling)
    one.unload("tiny")
    later = worker(**polling)
    publish(root, "other")
    until(lambda: all(versions(each, "other") == [1, 2] for each in (one, two, later)))
    assert [versions(each) for each in (one, two, later)] == [[], [], []]

    publish(root)
    until(lambda: all(versions(each) == [1, 2] for each in (one, two, later)))
    shutil.rmtree(root / "other")
    until(lambda: all(versions(each, "other") == [] for each in (one, two, later)))


def test_a_folder_that_changes_before_a_worker_has_seen_the_unload_is_served_by_all(worker: Worker):
    one, two = (worker(repository_mode="poll", poll_interval_s=60) for _ in range(2))
    order = Order(9, False, (1,), "the folder as it was")

    assert [each._changes._obey("tiny", order) for each in (one, two)] == ["", ""]
    assert [versions(one), versions(two)] == [[1], [1]]


def test_a_model_that_was_unloaded_is_not_loaded_because_a_worker_sees_an_earlier_change_late(root: Path, worker: Worker):
    one, two = (worker(repository_mode="poll", poll_interval_s=60) for _ in range(2))
    label(root, {"stable": 1})
    one.unload("tiny")
    two._changes._refresh("tiny")

    assert [versions(one), versions(two)] == [[], []]


def test_a_load_whose_folder_is_emptied_meanwhile_leaves_what_answers(worker: Worker):
    one = worker()

    assert one._changes._obey("tiny", Order(9, True, (7,), "")) == "its folder holds no version"
    assert versions(one) == [1]


def following(folder: Path, obey: Callable[[str, Order], str] = lambda _name, _order: "") -> Following:
    return Following(folder, obey=obey, index=list)


def loading(number: int) -> Order:
    return Order(number, True, (1,), "")


def test_a_fault_while_an_order_is_followed_is_told_and_nobody_waits_for_it(tmp_path: Path, caplog: pytest.LogCaptureFixture):
    def obey(_name: str, _order: Order) -> str:
        raise ZeroDivisionError("a fault")

    worker = following(tmp_path, obey)
    worker.join({})
    worker.start()
    try:
        assert worker.order("tiny", loading, timeout_s=20) == "ZeroDivisionError: a fault"
        assert "tiny broke while an order for it was followed" in caplog.text
    finally:
        worker.stop(20)


def test_orders_that_cannot_be_read_for_a_moment_are_read_again(tmp_path: Path, caplog: pytest.LogCaptureFixture):
    worker = following(tmp_path)
    worker.join({"tiny": loading(0)})
    worker.start()
    try:
        (tmp_path / "orders").write_text("{")
        until(lambda: "this worker could not follow the others; it tries again" in caplog.text)
        assert worker.order("tiny", loading, timeout_s=20).startswith("the workers could not be told: ")
        (tmp_path / "orders").unlink()
        assert worker.order("tiny", loading, timeout_s=20) == ""
    finally:
        worker.stop(20)


def test_who_waits_for_a_worker_that_stops_is_told_so(tmp_path: Path):
    begun, let_go = threading.Event(), threading.Event()

    def obey(_name: str, _order: Order) -> str:
        begun.set()
        assert let_go.wait(20)
        return ""

    worker = following(tmp_path, obey)
    worker.join({})
    worker.start()
    stopping = threading.Thread(target=lambda: (begun.wait(20), worker.stop(20)))
    stopping.start()
    with pytest.raises(ShuttingDown):
        worker.order("tiny", loading, timeout_s=20)
    let_go.set()
    stopping.join(20)


def test_workers_without_a_folder_to_share_cannot_start(root: Path, tmp_path: Path):
    (tmp_path / "file").write_text("")
    registry = ModelRegistry(Settings(models=root, repository_mode="explicit", worker_folder=tmp_path / "file"))

    with pytest.raises(StartupError, match=r"the workers cannot share .*file: .*: make it writable"):
        registry.load_all()


def test_a_report_that_cannot_be_read_counts_as_a_worker_that_has_done_nothing(tmp_path: Path, caplog: pytest.LogCaptureFixture):
    one, two = Roster(tmp_path), Roster(tmp_path)
    assert (one.join(), two.join()) == (True, False)
    two.tell({"tiny": Done(3)}, [])
    assert [report.done for report in one.others()] == [{"tiny": Done(3)}]

    next(tmp_path.glob("*.report")).write_text("{")
    with caplog.at_level(logging.WARNING):
        assert [report.done for report in one.others()] == [{}]
    assert "its worker counts as one that has followed no order" in caplog.text
    one.leave()
    two.leave()


@pytest.mark.parametrize(
    ("own", "other", "told"),
    [
        ({1: "READY"}, {1: "READY"}, {1: "READY"}),
        ({1: "READY"}, {1: "LOADING"}, {1: "LOADING"}),
        ({1: "UNLOADING"}, {1: "READY"}, {1: "UNLOADING"}),
        ({1: "UNAVAILABLE"}, {1: "UNLOADING"}, {1: "UNAVAILABLE"}),
        ({1: "READY", 2: "READY"}, {1: "READY"}, {1: "READY", 2: "UNAVAILABLE"}),
        ({}, {1: "UNAVAILABLE", 2: "LOADING"}, {1: "UNAVAILABLE", 2: "LOADING"}),
        ({}, {}, {}),
    ],
)
def test_the_index_of_several_workers_tells_the_least_state_of_each_version(
    own: Mapping[int, str], other: Mapping[int, str], told: Mapping[int, str]
):
    def index(of: Mapping[int, str]) -> list[IndexEntry]:
        return [IndexEntry("tiny", version, state) for version, state in of.items()]  # type: ignore[arg-type]  # states are literals

    for one, another in ((own, other), (other, own)):
        assert {entry.version: entry.state for entry in least(index(one), [index(another)])} == told
