from __future__ import annotations

import os
from pathlib import Path

import pytest

from service.cgroup import cpu_quota, inline_ms, session_threads, usable_cores


def tree(root: Path, groups: str, **files: str) -> Path:
    """A file system with these groups of the process; in names of files `__` stands for a slash and `_dot_` for a dot."""
    (root / "proc/self").mkdir(parents=True)
    (root / "proc/self/cgroup").write_text(groups)
    for name, text in files.items():
        path = root / "sys/fs/cgroup" / name.replace("__", "/").replace("_dot_", ".")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


def test_version_2_in_a_container_of_its_own(tmp_path: Path):
    assert cpu_quota(tree(tmp_path, "0::/\n", cpu_dot_max="150000 100000\n")) == 1.5


def test_version_2_without_a_limit(tmp_path: Path):
    assert cpu_quota(tree(tmp_path, "0::/\n", cpu_dot_max="max 100000\n")) is None


def test_version_2_where_a_group_above_is_narrower(tmp_path: Path):
    root = tree(
        tmp_path,
        "0::/pods/web\n",
        pods__web__cpu_dot_max="400000 100000\n",
        pods__cpu_dot_max="200000 100000\n",
        cpu_dot_max="max 100000\n",
    )

    assert cpu_quota(root) == 2.0


def test_version_2_whose_group_lies_above_what_is_seen(tmp_path: Path):
    assert cpu_quota(tree(tmp_path, "0::/../other\n", cpu_dot_max="300000 100000\n")) == 3.0


@pytest.mark.parametrize("controllers", ["cpu", "cpu,cpuacct"])
def test_version_1(tmp_path: Path, controllers: str):
    root = tree(tmp_path, f"5:memory:/docker/a\n4:{controllers}:/docker/a\n1:name=systemd:/\n")
    folder = root / "sys/fs/cgroup" / controllers / "docker/a"
    folder.mkdir(parents=True)
    (folder / "cpu.cfs_quota_us").write_text("250000\n")
    (folder / "cpu.cfs_period_us").write_text("100000\n")

    assert cpu_quota(root) == 2.5


def test_version_1_without_a_limit(tmp_path: Path):
    assert cpu_quota(tree(tmp_path, "4:cpu:/\n", cpu__cpu_dot_cfs_quota_us="-1\n", cpu__cpu_dot_cfs_period_us="100000\n")) is None


def test_where_there_are_no_groups_there_is_no_limit(tmp_path: Path):
    assert cpu_quota(tmp_path) is None
    assert cpu_quota(tree(tmp_path, "0::/none\nnonsense\n")) is None


@pytest.mark.parametrize(("quota", "cores"), [("50000", 1), ("150000", 1), ("300000", 3), ("6400000", 8), ("max", 8)])
def test_whole_cores_are_usable_and_no_more_than_the_affinity(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, quota: str, cores: int):
    monkeypatch.setattr(os, "sched_getaffinity", lambda _process: set(range(8)))

    assert usable_cores(tree(tmp_path, "0::/\n", cpu_dot_max=f"{quota} 100000\n")) == cores


def test_the_cores_of_this_very_process_are_counted():
    assert 1 <= usable_cores() <= (os.cpu_count() or 1)


@pytest.mark.parametrize(
    ("asked", "cores", "workers", "threads"),
    [(1, 8, 1, 1), (4, 8, 1, 4), (0, 8, 1, 8), (0, 8, 2, 4), (8, 8, 2, 4), (4, 2, 1, 2), (0, 2, 4, 1)],
)
def test_threads_are_never_more_than_a_workers_share_of_the_cores(asked: int, cores: int, workers: int, threads: int):
    assert session_threads(asked, cores=cores, workers=workers) == threads


@pytest.mark.parametrize(
    ("asked", "cores", "workers", "ms"),
    [(None, 1, 1, 20.0), (None, 2, 1, 5.0), (None, 2, 2, 20.0), (None, 8, 3, 5.0), (0.0, 1, 1, 0.0), (7.5, 4, 1, 7.5)],
)
def test_a_batch_may_hold_up_a_loop_longer_where_no_other_core_could_run_it(asked: float | None, cores: int, workers: int, ms: float):
    assert inline_ms(asked, cores=cores, workers=workers) == ms
