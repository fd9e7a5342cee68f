"""Publishers who are killed or find the disk full at any moment: a version is there whole, or not at all."""

from __future__ import annotations

import json
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from service.contract.repository import load_artifact, locations
from tests import artifacts

ROOT = Path(__file__).resolve().parents[2]

KILLED = """
    import os, signal, sys
    from pathlib import Path
    from service.contract import repository
    from tests import artifacts

    MOMENTS = {
        "a file is written": (Path, "write_bytes"),
        "the manifest is written": (Path, "write_text"),
        "the artifact is read again": (repository, "load_artifact"),
        "it is flushed to the disk": (repository, "_flush"),
        "it gets its name": (Path, "rename"),
        "a file is flushed to the disk": (repository, "_sync"),
    }

    def die_at(moment, after):
        where, name = MOMENTS[moment]
        plain = getattr(where, name)

        def dying(*given, **more):
            if after:
                plain(*given, **more)
            os.kill(os.getpid(), signal.SIGKILL)

        setattr(where, name, dying)

    for moment in MOMENTS:
        for after in (False, True):
            root = Path(sys.argv[1]) / f"{moment}, {'after' if after else 'before'}"
            child = os.fork()
            if child == 0:
                die_at(moment, after)
                artifacts.publish(root, "tiny", artifacts.classifier())
                os._exit(0)
            assert os.waitpid(child, 0)[1] == signal.SIGKILL, moment
"""

FULL = """
    import json, os, resource, signal, sys
    from pathlib import Path
    from tests import artifacts

    said = {}
    for size in range(0, 4000, 250):
        root = Path(sys.argv[1]) / str(size)
        reading, writing = os.pipe()
        if os.fork() == 0:
            resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))  # writing beyond fails in the middle, as on a disk that is full
            try:
                artifacts.publish(root, "tiny", artifacts.classifier())
            except OSError as error:
                os.write(writing, type(error).__name__.encode())
            os._exit(0)
        os.close(writing)
        said[size] = os.read(reading, 100).decode()
        os.wait()
    print(json.dumps(said))
"""


def run(program: str, folder: Path) -> str:
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program), str(folder)], cwd=ROOT, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def killed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of model folders, in each of which a publisher was killed."""
    folder = tmp_path_factory.mktemp("killed")
    run(KILLED, folder)
    return folder


def test_a_publisher_who_is_killed_at_any_moment_leaves_a_whole_version_or_none(killed: Path):
    left = {root.name: [load_artifact(found, root=root).manifest.version for found in locations(root)] for root in killed.iterdir()}

    assert len(left) == 12
    assert {moment: versions for moment, versions in left.items() if versions} == {"it gets its name, after": [1]}


def test_the_next_publisher_finds_the_way_free_wherever_one_was_killed(killed: Path):
    for root in list(killed.iterdir()):
        before = [found.version for found in locations(root)]
        published = artifacts.publish(root, "tiny", artifacts.classifier())

        assert published.manifest.version == len(before) + 1
        assert [found.version for found in locations(root)] == [*before, published.manifest.version]


def test_a_disk_that_is_full_at_any_byte_leaves_a_whole_version_or_nothing_and_is_said(tmp_path: Path):
    said = json.loads(run(FULL, tmp_path))

    full = [size for size, error in said.items() if error == "OSError"]
    enough = [size for size, error in said.items() if error == ""]
    assert len(full) > 3
    assert len(enough) > 3
    assert sorted(full + enough, key=int) == list(said)
    for size in full:
        assert list((tmp_path / size).iterdir()) == []
    for size in enough:
        [found] = locations(tmp_path / size)
        assert load_artifact(found, root=tmp_path / size).manifest.version == 1
