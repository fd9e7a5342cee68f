"""Where training data come from: a path, or a file that an installed package ships; and what is said when they cannot be used."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from importlib.util import find_spec
from pathlib import Path

PACKAGE = "package:"


class DataError(ValueError):
    """Data that cannot be learnt from: the message names file, row (as an editor counts: a header is row 1) and column, and the remedy."""


def open_data(source: str) -> Path:
    """The file that `source` names: a path, or `package:NAME/PATH` for a file of an installed package.

    Raises:
        DataError: no such file or package; the message says what to install or to check.
    """
    path = _in_package(source) if source.startswith(PACKAGE) else Path(source)
    if not path.is_file():
        what = "is a folder" if path.is_dir() else "does not exist"
        raise DataError(f"{source} {what}: give the path of a file, or package:NAME/PATH for a file of an installed package")
    return path


def source_name(source: str) -> str:
    """How a manifest names `source`: the file's name alone, or the whole `package:NAME/PATH`."""
    return source if source.startswith(PACKAGE) else Path(source).name


def fingerprint(paths: Path | Iterable[Path]) -> str:
    """SHA-256 of the bytes of a file, or of several one after the other, in hexadecimal."""
    digest = hashlib.sha256()
    for path in [paths] if isinstance(paths, Path) else paths:
        with path.open("rb") as stream:
            while block := stream.read(1 << 20):
                digest.update(block)
    return digest.hexdigest()


def _in_package(source: str) -> Path:
    package, _, inner = source.removeprefix(PACKAGE).partition("/")
    if not package or not inner or ".." in inner.split("/"):
        raise DataError(
            f"{source!r} names no file of a package: write package:NAME/PATH, such as package:bokeh_sampledata/_data/stocks.csv.gz"
        )
    spec = find_spec(package) if package.isidentifier() else None  # finds the folder without importing the package
    if spec is None or not spec.submodule_search_locations:
        raise DataError(f"{source}: the package {package} is not installed: pip install {package.replace('_', '-')}")
    return Path(spec.submodule_search_locations[0], inner)
