from __future__ import annotations

import errno
import os
import shutil
import signal
import subprocess
import sys
import textwrap
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from service.contract.manifest import ArtifactError, Manifest
from service.contract.repository import Artifact, Location, load_artifact, locations, publish
from tests import artifacts

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def root(tiny_models: Path, tmp_path: Path) -> Path:
    """A model folder of one's own, to spoil."""
    return Path(shutil.copytree(tiny_models, tmp_path / "models"))


def words(root: Path) -> Location:
    return Location("tiny-words", 1, root / "tiny-words" / "1")


def test_artifacts_are_found_by_name_and_rising_version(root: Path):
    for version in ("10", "9"):
        (root / "tiny-words" / version).mkdir()
    for stranger in (
        ".hidden",
        "Upper",
        "a..b",
        "tiny-words/latest",
        "tiny-words/007",
        "tiny-words/.publishing-x",
        "tiny-words/1234567890",
    ):
        (root / stranger).mkdir()
    (root / "README.md").write_text("no artifact")
    (root / "tiny-words" / "11").write_text("no artifact")

    assert [(found.name, found.version) for found in locations(root)] == [
        ("tiny-classes", 1),
        ("tiny-classes", 2),
        ("tiny-forecast", 1),
        ("tiny-words", 1),
        ("tiny-words", 9),
        ("tiny-words", 10),
    ]


def test_a_folder_that_is_not_there_holds_nothing(tmp_path: Path):
    assert list(locations(tmp_path / "none")) == []


def test_a_whole_artifact_is_loaded(root: Path):
    artifact = load_artifact(words(root), root=root)

    assert artifact.manifest.name == "tiny-words"
    assert artifact.file("model.onnx") == root / "tiny-words" / "1" / "model.onnx"
    assert artifact.read("golden.json") == (root / "tiny-words" / "1" / "golden.json").read_bytes()


def test_a_file_that_the_manifest_does_not_list_is_not_given(root: Path):
    artifact = load_artifact(words(root), root=root)

    with pytest.raises(ArtifactError, match=r"tiny-words version 1 has no report\.html; it has golden\.json, model\.onnx, tokenizer\.json"):
        artifact.file("report.html")


@pytest.mark.parametrize("name", ["golden.json", "model.onnx", "tokenizer.json"])
@pytest.mark.parametrize("place", [0, -1])
def test_one_changed_byte_in_any_file_is_refused_by_name(root: Path, name: str, place: int):
    path = root / "tiny-words" / "1" / name
    content = bytearray(path.read_bytes())
    content[place] ^= 1
    path.write_bytes(content)

    with pytest.raises(ArtifactError, match=f"{name} was changed: its sha256 is not the one in manifest.json"):
        load_artifact(words(root), root=root)


def test_any_changed_byte_of_the_manifest_is_refused_or_changes_no_file(root: Path):
    path = root / "tiny-words" / "1" / "manifest.json"
    content = path.read_bytes()
    place = content.index(b'"sha256"', content.index(b'"files"')) + 12
    path.write_bytes(content[:place] + (b"0" if content[place : place + 1] != b"0" else b"1") + content[place + 1 :])

    with pytest.raises(ArtifactError, match=r"golden\.json was changed"):
        load_artifact(words(root), root=root)


def test_a_file_changed_after_the_check_is_not_read(root: Path):
    artifact = load_artifact(words(root), root=root)
    (artifact.folder / "model.onnx").write_bytes(b"other")

    with pytest.raises(ArtifactError, match=r"model\.onnx was changed"):
        artifact.read("model.onnx")


def test_a_file_that_went_away_is_refused(root: Path):
    artifact = load_artifact(words(root), root=root)
    (artifact.folder / "model.onnx").unlink()

    with pytest.raises(ArtifactError, match=r"model\.onnx cannot be read: No such file"):
        artifact.read("model.onnx")
    with pytest.raises(ArtifactError, match=r"model\.onnx is missing or is a link"):
        load_artifact(words(root), root=root)


def test_a_file_that_is_a_link_is_refused(root: Path, tmp_path: Path):
    path = root / "tiny-words" / "1" / "model.onnx"
    shutil.move(path, tmp_path / "elsewhere")
    path.symlink_to(tmp_path / "elsewhere")

    with pytest.raises(ArtifactError, match=r"model\.onnx is missing or is a link"):
        load_artifact(words(root), root=root)


def test_a_manifest_that_is_a_link_is_refused(root: Path, tmp_path: Path):
    path = root / "tiny-words" / "1" / "manifest.json"
    shutil.move(path, tmp_path / "elsewhere")
    path.symlink_to(tmp_path / "elsewhere")

    with pytest.raises(ArtifactError, match=r"manifest\.json is a link or over 4000000 bytes"):
        load_artifact(words(root), root=root)


def test_a_manifest_that_is_not_there_is_refused(root: Path):
    (root / "tiny-words" / "1" / "manifest.json").unlink()

    with pytest.raises(ArtifactError, match=r"manifest\.json cannot be read: No such file"):
        load_artifact(words(root), root=root)


@pytest.mark.parametrize("link", ["outside", "outside/1"])
def test_a_link_out_of_the_model_folder_is_refused(root: Path, tmp_path: Path, link: str):
    (tmp_path / "outside").mkdir()
    shutil.copytree(root / "tiny-words" / "1", tmp_path / "outside" / "1")
    (root / link).parent.mkdir(exist_ok=True)
    (root / link).symlink_to(tmp_path / link)

    [found] = [location for location in locations(root) if location.name == "outside"]
    with pytest.raises(ArtifactError, match="leads out of the model folder: copy the artifact in"):
        load_artifact(found, root=root)


def test_an_artifact_under_another_name_or_version_is_refused(root: Path):
    (root / "tiny-words" / "1").rename(root / "tiny-words" / "2")

    with pytest.raises(ArtifactError, match=r"is of tiny-words version 1, but lies in tiny-words/2"):
        load_artifact(Location("tiny-words", 2, root / "tiny-words" / "2"), root=root)


def test_a_file_that_no_manifest_lists_is_refused_by_name(root: Path):
    (root / "tiny-words" / "1" / "extra.so").write_text("code")

    with pytest.raises(ArtifactError, match=r"extra\.so is not in the manifest: publish a new version"):
        load_artifact(words(root), root=root)


@pytest.mark.parametrize("needed", ["model.onnx", "golden.json"])
def test_an_artifact_without_a_graph_or_golden_requests_is_not_published(tmp_path: Path, needed: str):
    with pytest.raises(ArtifactError, match=f"the manifest lists no {needed}"):
        artifacts.publish(tmp_path, "tiny", artifacts.classifier(), alter=lambda folder: (folder / needed).unlink())

    assert list(tmp_path.iterdir()) == []


def test_versions_are_counted_from_one(tmp_path: Path):
    versions = [artifacts.publish(tmp_path, "tiny", artifacts.classifier()).manifest.version for _ in range(3)]

    assert versions == [1, 2, 3]
    assert [location.version for location in locations(tmp_path)] == [1, 2, 3]


def test_the_version_after_a_gap_is_the_next_highest(tmp_path: Path):
    (tmp_path / "tiny" / "7").mkdir(parents=True)

    assert artifacts.publish(tmp_path, "tiny", artifacts.classifier()).manifest.version == 8


@pytest.mark.parametrize("name", ["../up", "a/b", "", ".hidden", "Upper", "a..b", "a\n", "/etc"])
def test_a_name_that_could_be_a_path_is_not_published(tmp_path: Path, name: str):
    with pytest.raises(ArtifactError, match="not a model name"):
        artifacts.publish(tmp_path / "models", name, artifacts.classifier())

    assert list(tmp_path.iterdir()) == []


def test_what_a_check_refuses_is_not_published(tmp_path: Path):
    def refuse(_artifact: Artifact) -> None:
        raise ArtifactError("worse than naive")

    with pytest.raises(ArtifactError, match="worse than naive"):
        artifacts.publish(tmp_path, "tiny", artifacts.classifier(), check=refuse)

    assert list(tmp_path.iterdir()) == []


def test_a_manifest_for_another_version_is_not_published(tmp_path: Path):
    def write(folder: Path, version: int) -> Manifest:
        return artifacts.manifest(artifacts.classifier(), "tiny", version + 1, folder)

    with pytest.raises(ArtifactError, match="is of tiny version 2, but lies in tiny/1"):
        publish(tmp_path, "tiny", write=write, check=lambda _artifact: None)


def test_a_full_disk_leaves_nothing_of_a_first_version_and_all_of_the_one_before(tmp_path: Path):
    def disk_full(folder: Path) -> None:
        (folder / "report.html").write_text("half")
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with pytest.raises(OSError, match="No space left"):
        artifacts.publish(tmp_path, "tiny", artifacts.classifier(), alter=disk_full)
    assert list(tmp_path.iterdir()) == []

    artifacts.publish(tmp_path, "tiny", artifacts.classifier())
    with pytest.raises(OSError, match="No space left"):
        artifacts.publish(tmp_path, "tiny", artifacts.classifier(), alter=disk_full)
    assert [path.name for path in (tmp_path / "tiny").iterdir()] == ["1"]


def test_a_publisher_killed_in_the_middle_leaves_only_a_hidden_folder(tmp_path: Path):
    program = f"""
        import os, signal
        from pathlib import Path
        from tests import artifacts
        die = lambda artifact: os.kill(os.getpid(), signal.SIGKILL)
        artifacts.publish(Path({str(tmp_path)!r}), "tiny", artifacts.classifier(), check=die)
    """
    killed = subprocess.run([sys.executable, "-c", textwrap.dedent(program)], cwd=ROOT, timeout=60)

    assert killed.returncode == -signal.SIGKILL
    [left] = (tmp_path / "tiny").iterdir()
    assert left.name.startswith(".publishing-")
    assert list(locations(tmp_path)) == []
    assert artifacts.publish(tmp_path, "tiny", artifacts.classifier()).manifest.version == 1


def test_publishers_at_the_same_time_get_versions_of_their_own(tmp_path: Path):
    together = threading.Barrier(4)
    waited = threading.local()

    def meet(_artifact: Artifact) -> None:
        if not getattr(waited, "once", False):
            waited.once = True
            together.wait(timeout=20)  # all of them are about to become version 1

    with ThreadPoolExecutor(4) as pool:
        jobs = [pool.submit(artifacts.publish, tmp_path, "tiny", artifacts.classifier(), check=meet) for _ in range(4)]
        versions = sorted(job.result().manifest.version for job in jobs)

    assert versions == [1, 2, 3, 4]
    assert sorted(path.name for path in (tmp_path / "tiny").iterdir()) == ["1", "2", "3", "4"]
    for location in locations(tmp_path):
        assert load_artifact(location, root=tmp_path).manifest.version == location.version


def test_a_published_folder_can_be_read_by_others(tmp_path: Path):
    artifact = artifacts.publish(tmp_path, "tiny", artifacts.classifier())

    assert artifact.folder.stat().st_mode & 0o777 == 0o755
