"""A model folder with an LSTM, a service over it on real sockets, and a real Redis."""

from __future__ import annotations

import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from service.app import create_app
from service.settings import Settings
from tests import artifacts
from tests.api.conftest import serving

from .models import lstm

REDIS = shutil.which("redis-server")


@pytest.fixture(scope="session")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two versions of an LSTM, of other weights each, and a classifier, which has no state."""
    root = tmp_path_factory.mktemp("sequences")
    artifacts.publish(root, "words", lstm(seed=1))
    artifacts.publish(root, "words", lstm(seed=2))
    artifacts.publish(root, "classes", artifacts.classifier())
    return root


@pytest.fixture(scope="session")
def addresses(models: Path) -> Iterator[tuple[str, str]]:
    """Where one service answers over HTTP and over gRPC."""
    app = create_app(Settings(models=models, grpc_port=0, max_sequences=1000))
    with serving(app) as address:
        yield address, f"127.0.0.1:{app.state.grpc_port}"


@pytest.fixture(scope="session")
def redis_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A Redis of these tests alone, on a socket in a folder of theirs."""
    if REDIS is None:
        pytest.skip("no redis-server on this machine: `apt-get install redis-server`")
    folder = tmp_path_factory.mktemp("redis")
    listening = folder / "redis.sock"
    command = [REDIS, "--port", "0", "--unixsocket", str(listening), "--save", "", "--appendonly", "no", "--dir", str(folder)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    try:
        while not _answers(listening):
            assert process.poll() is None
            time.sleep(0.02)
        yield f"unix://{listening}?db=0"
    finally:
        process.terminate()
        process.wait(timeout=20)


def _answers(listening: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as asking:
        try:
            asking.connect(str(listening))
        except OSError:
            return False
        return True
