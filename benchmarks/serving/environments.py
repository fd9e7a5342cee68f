"""Virtual environments of the servers, one each, under benchmarks/.peers: made when they are first needed, and when what they hold changes.

python -m benchmarks.serving.environments [NAME ...]
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import tomllib
import venv
from pathlib import Path

PROJECT = Path(__file__).parents[2]
PEERS = Path(__file__).with_name("peers")
ENVIRONMENTS = PROJECT / "benchmarks" / ".peers"
CAROUSEL = "carousel"
"""The environment of Carousel alone, as its users have it; the floor runs in it too."""
INSTALL_TIMEOUT_S = 900
VARIABLES = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
"""Of what is measured: each environment is compiled once, as it is where it is installed, and not at every start."""


class NotInstalledError(RuntimeError):
    """A server that could not be installed, and why."""


def names() -> list[str]:
    """Every environment."""
    return [CAROUSEL, *sorted(path.parent.name for path in PEERS.glob("*/requirements.txt"))]


def python(name: str, *, peers: Path = PEERS) -> Path:
    """The interpreter of an environment, which is made where it is not there or not what is declared in `peers`.

    Raises:
        NotInstalledError: pip has failed; the message is what it said.
    """
    folder = ENVIRONMENTS / name
    interpreter, mark = folder / "bin" / "python", folder / ".installed"
    declared = _declared(name, peers)
    if mark.exists() and mark.read_text(encoding="utf-8") == declared:
        return interpreter
    print(f"installing {name} into {folder} ...", flush=True)
    venv.EnvBuilder(clear=True, symlinks=True).create(folder)
    try:
        _install(interpreter, name, peers)
    except (subprocess.SubprocessError, OSError) as error:
        shutil.rmtree(folder, ignore_errors=True)
        raise NotInstalledError(_reason(error)) from error
    mark.write_text(declared, encoding="utf-8")
    return interpreter


def installed_mb(name: str) -> float:
    """Megabytes of an environment's packages, what is compiled at the first import left out."""
    packages = [path for path in (ENVIRONMENTS / name / "lib").rglob("*") if path.is_file() and path.suffix != ".pyc"]
    if name == CAROUSEL:
        packages += (PROJECT / "service").rglob("*.py")
    return sum(path.stat().st_size for path in packages) / 1e6


def version(name: str) -> str:
    """`litserve 0.2.19`: what a peer's first requirement says."""
    first = (PEERS / name / "requirements.txt").read_text(encoding="utf-8").splitlines()[0]
    return first.replace("==", " ")


def _declared(name: str, peers: Path) -> str:
    """What an environment is to hold, in short."""
    if name == CAROUSEL:
        project = tomllib.loads((PROJECT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
        declared = "\n".join([*project["dependencies"], (PROJECT / "constraints.txt").read_text(encoding="utf-8")])
    else:
        declared = (peers / name / "requirements.txt").read_text(encoding="utf-8")
    return f"{hashlib.sha256(declared.encode()).hexdigest()} Python {sys.version}"


def _install(interpreter: Path, name: str, peers: Path) -> None:
    what = (
        ["-e", str(PROJECT), "-c", str(PROJECT / "constraints.txt")] if name == CAROUSEL else ["-r", str(peers / name / "requirements.txt")]
    )
    pip = [sys.executable, "-m", "pip", "--python", str(interpreter), "--disable-pip-version-check"]
    subprocess.run(
        [*pip, "install", "--quiet", "--no-compile", *what], check=True, capture_output=True, text=True, timeout=INSTALL_TIMEOUT_S
    )


def _reason(error: Exception) -> str:
    """The first line of pip's that tells of an error."""
    said = error.stderr if isinstance(error, subprocess.CalledProcessError) else str(error)
    lines = [line.removeprefix("ERROR: ") for line in said.splitlines() if line.startswith("ERROR")]
    return (lines or said.splitlines() or [type(error).__name__])[0][:200]


def main() -> int:
    """Make the environments named, or all; 1 when one could not be made."""
    failed = 0
    for name in sys.argv[1:] or names():
        try:
            python(name)
            print(f"{name}: {installed_mb(name):.0f} MB")
        except NotInstalledError as error:
            failed = 1
            print(f"{name} is not installed: {error}")
    return failed


if __name__ == "__main__":
    sys.exit(main())
