"""`carousel-train`, and what to install when training is not."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib.util import find_spec

NEEDED = ("torch", "onnx", "pandas", "pyarrow", "matplotlib", "rich")
"""Packages of the extra `training`."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line, where the extra is installed; the exit status."""
    missing = [name for name in NEEDED if find_spec(name) is None]
    if missing:
        sys.stderr.write(f"carousel-train: {', '.join(missing)} is not installed: pip install -c constraints.txt '.[training]'\n")
        return 1
    from training.command import main as run_command

    return run_command(arguments)


if __name__ == "__main__":
    sys.exit(main())
