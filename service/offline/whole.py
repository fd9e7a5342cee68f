"""The output: written beside its place, part for part, and there once it is whole."""

from __future__ import annotations

from pathlib import Path
from types import TracebackType
from typing import Any

from service.offline.journal import flush
from service.offline.output import parquet_writer


class Whole:
    """A file of forecasts to be; nothing of it stays unless it was finished."""

    def __init__(self, path: Path, schema: Any) -> None:  # noqa: ANN401 - pyarrow ships no types
        """Begin it anew.

        Raises:
            OSError: it cannot be written.
        """
        self._path = path
        self._beside = path.with_name(f".{path.name}.new")
        self._writer = parquet_writer(self._beside, schema)

    def __enter__(self) -> Whole:
        """The file."""
        return self

    def add(self, table: Any) -> None:  # noqa: ANN401 - pyarrow ships no types
        """Write the next part, and have the disk begin with it: all at the end would have to be waited for."""
        self._writer.write_table(table)
        flush(self._beside)

    def finish(self) -> None:
        """Put it in its place, whole and on the disk."""
        self._writer.close()
        flush(self._beside)
        self._beside.replace(self._path)
        flush(self._path.parent)

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Leave nothing unfinished behind."""
        try:
            self._writer.close()
        finally:
            self._beside.unlink(missing_ok=True)
