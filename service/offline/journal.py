"""Parts of an output that have been written and the journal that says so: what a run that was killed need not do again."""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import IO, Any

import orjson
import pyarrow as pa
import pyarrow.compute as pc

from service.offline.bad_file import BadFile
from service.offline.chunks import Name
from service.offline.output import SERIES

JOURNAL = "journal.jsonl"
SUFFIX = ".parts"


@dataclass(frozen=True, slots=True)
class Failure:
    """A series without a forecast, and why."""

    series: Name
    reason: str


@dataclass(frozen=True, slots=True)
class Part:
    """A written part: its series, forecast or not, and the first row of the file after them."""

    number: int
    series: int
    end_row: int
    failed: Sequence[Failure]

    @classmethod
    def read(cls, line: bytes) -> Part:
        """A line of the journal."""
        found = orjson.loads(line)
        return cls(found["number"], found["series"], found["end_row"], [Failure(**failure) for failure in found["failed"]])


@dataclass(slots=True)
class Journal:
    """`OUT.parts/`, which one process at a time may add to."""

    folder: Path
    _file: IO[bytes]
    parts: list[Part] = field(default_factory=list)

    @classmethod
    def open(cls, output: Path, identity: dict[str, Any]) -> Journal:
        """The journal beside `output`, new or as another run of the same `identity` has left it.

        Raises:
            BadFile: it belongs to another question, or another process writes it.
            OSError: it cannot be written.
        """
        folder = output.with_name(output.name + SUFFIX)
        folder.mkdir(exist_ok=True)
        file = (folder / JOURNAL).open("a+b")
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            journal = cls(folder, file)
            journal._resume(identity)
        except BlockingIOError as error:
            file.close()
            raise BadFile(f"another process writes {output}: wait for it, or name another output") from error
        except BaseException:
            file.close()
            raise
        return journal

    def add(self, table: Any, *, series: int, end_row: int, failed: Sequence[Failure]) -> None:  # noqa: ANN401 - pyarrow ships no types
        """Write the next part: whole and on the disk before the journal has it."""
        part = Part(len(self.parts) + 1, series, end_row, failed)
        beside = self._path(part).with_suffix(".new")
        with pa.OSFile(str(beside), "wb") as file, pa.ipc.new_file(file, table.schema) as writer:  # in a fifth of Parquet's time
            writer.write_table(table)
        flush(beside)
        beside.replace(self._path(part))
        flush(self.folder)
        self._write(asdict(part))
        self.parts.append(part)

    @property
    def end_row(self) -> int:
        """The first row of the file that is not done."""
        return self.parts[-1].end_row if self.parts else 0

    def seen(self) -> set[Name]:
        """Names of the series that are done."""
        names = {failure.series for part in self.parts for failure in part.failed}
        for table in self.tables():
            if SERIES in table.schema.names:
                names.update(pc.unique(table.column(SERIES)).to_pylist())
        return names

    def tables(self) -> Iterator[Any]:
        """What the parts hold, in order."""
        for part in self.parts:
            with pa.OSFile(str(self._path(part))) as file:
                yield pa.ipc.open_file(file).read_all()

    def close(self) -> None:
        """Let another process add to it; where there are no parts, nothing is left behind."""
        if not self._file.closed and not self.parts:
            shutil.rmtree(self.folder)
        self._file.close()

    def remove(self) -> None:
        """Delete the parts, which are not needed any more."""
        shutil.rmtree(self.folder)
        self._file.close()

    def _resume(self, identity: dict[str, Any]) -> None:
        self._file.seek(0)
        lines = self._file.read().split(b"\n")[:-1]  # what a kill cut off ends in no line feed
        self._file.truncate(sum(len(line) + 1 for line in lines))
        self._file.seek(0, os.SEEK_END)
        if not lines:
            self._write(identity)
            return
        found = orjson.loads(lines[0])
        differ = [name for name in identity if found.get(name) != identity[name]]
        if differ:
            raise BadFile(
                f"{self.folder} was begun with another {' and '.join(differ)}: delete it to begin again, or give the same to go on with it"
            )
        self.parts = [Part.read(line) for line in lines[1:]]

    def _write(self, line: dict[str, Any]) -> None:
        self._file.write(orjson.dumps(line, option=orjson.OPT_APPEND_NEWLINE))
        self._file.flush()
        os.fsync(self._file.fileno())

    def _path(self, part: Part) -> Path:
        return self.folder / f"part-{part.number:05d}.arrow"


def flush(path: Path) -> None:
    """Have the disk hold what was written to a file or folder."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
