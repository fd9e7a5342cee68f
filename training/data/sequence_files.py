"""Files of labelled sequences: IDX pairs, .npz and CSV -> numbers and labels as they stand."""

from __future__ import annotations

import csv
import gzip
import math
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from training.data.files import DataError
from training.data.tables import MISSING, read_table

Values = NDArray[np.float32]

IDX_TYPES = {0x08: ">u1", 0x09: ">i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}
"""Type byte of an IDX file -> numpy type (http://yann.lecun.com/exdb/mnist)."""


@dataclass(frozen=True, slots=True)
class SequenceFile:
    """Sequences (n, time, features), in raw units, and their labels (n,) as text."""

    sequences: Values
    labels: NDArray[np.str_]


def read_sequence_file(path: Path, labels: Path | None, *, label: str | None, rows: int | None) -> SequenceFile:
    """Read a file of sequences: .npz, .csv(.gz), or IDX with `labels` beside it; `label` and `rows` are for CSV.

    Raises:
        DataError: not such a file, not finite numbers, or not as many labels as sequences.
    """
    match "".join(path.suffixes[-2:]).lower():
        case name if name.endswith(".npz"):
            read = _read_npz(path)
        case name if name.endswith((".csv", ".csv.gz")):
            read = _read_csv(path, label, rows)
        case _:
            if labels is None:
                raise DataError(f"{path.name}: give the IDX file of its labels too (--labels), or a .npz or .csv file, which hold both")
            read = SequenceFile(_with_features(read_idx(path), path), _label_texts(read_idx(labels), labels))
    if len(read.sequences) != len(read.labels):
        raise DataError(
            f"{path.name} has {len(read.sequences)} sequences, but there are {len(read.labels)} labels: give the labels of this file"
        )
    if not read.sequences.size:
        raise DataError(f"{path.name} holds no numbers: give a file with sequences")
    wrong = np.argwhere(~np.isfinite(read.sequences))
    if len(wrong):
        sequence, row, feature = wrong[0].tolist()
        raise DataError(
            f"{path.name} sequence {sequence + 1}: number {feature + 1} of row {row + 1} is missing or not finite as a 32-bit float: "
            "correct it or remove the sequence"
        )
    return read


def read_idx(path: Path) -> NDArray[np.generic]:
    """The array of an IDX file, gzipped where its name ends in .gz.

    Raises:
        DataError: another magic number, or not as many bytes as it announces.
    """
    content = _bytes(path)
    if len(content) < 4 or content[:2] != b"\0\0" or content[2] not in IDX_TYPES or not 1 <= content[3] <= 4:
        raise DataError(
            f"{path.name} is not an IDX file: it begins with {content[:4].hex(' ') or 'nothing'}; give an IDX, .npz or .csv file"
        )
    dtype = np.dtype(IDX_TYPES[content[2]])
    header = 4 + 4 * content[3]
    shape = [int(size) for size in np.frombuffer(content[4:header], ">u4")] if len(content) >= header else []
    announced = header + math.prod(shape) * dtype.itemsize
    if not shape or len(content) != announced:
        raise DataError(
            f"{path.name} announces {announced} bytes ({' x '.join(map(str, shape))} numbers) and has {len(content)}: fetch it again"
        )
    return np.frombuffer(content, dtype, offset=header).reshape(shape)


def _bytes(path: Path) -> bytes:
    try:
        content = path.read_bytes()
        return gzip.decompress(content) if path.suffix.lower() == ".gz" else content
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"{path.name} cannot be read: {error}: fetch it again") from error


def _read_npz(path: Path) -> SequenceFile:
    try:
        with np.load(path, allow_pickle=False) as arrays:
            names = {wanted: next((name for name in own if name in arrays), None) for wanted, own in _NPZ_NAMES.items()}
            for wanted, name in names.items():
                if name is None:
                    raise DataError(
                        f"{path.name} has no array of {wanted}: name it {' or '.join(_NPZ_NAMES[wanted])}; it has {', '.join(arrays)}"
                    )
            sequences, labels = (arrays[name] for name in names.values())
    except DataError:
        raise
    except (ValueError, OSError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        if "allow_pickle" in str(error) and "Object" in str(error):
            raise DataError(f"{path.name} holds sequences of different lengths: pad them to one length and save one array") from error
        raise DataError(f"{path.name} is not a .npz file: {error}") from error
    return SequenceFile(_with_features(sequences, path), _label_texts(labels, path))


_NPZ_NAMES = {"sequences": ("sequences", "x"), "labels": ("labels", "y")}


def _read_csv(path: Path, label: str | None, rows: int | None) -> SequenceFile:
    """One sequence a line; without a header where the first line is all numbers."""
    table = read_table(path, header=_has_header(path))
    column = label or table.columns[-1]
    table.require([column])
    names = [name for name in table.columns if name != column]
    if not names or len(names) % (rows or 1):
        raise DataError(
            f"{path.name} has {len(names)} columns of numbers beside {column!r}: they do not make {rows or 1} equal rows (--rows)"
        )
    labels = table.text(column)
    if (labels == "").any():
        row = table.rows[int(np.flatnonzero(labels == "")[0])]
        raise DataError(f"{path.name} row {row}, column {column!r}: no label: write it or remove the row")
    values = np.stack([table.numbers(name) for name in names], axis=1)
    missing = np.argwhere(np.isnan(values))
    if len(missing):
        row, number = missing[0].tolist()
        raise DataError(f"{path.name} row {table.rows[row]}, column {names[number]!r}: no number: write it or remove the row")
    return SequenceFile(values.reshape(len(values), rows or len(names), -1), labels.to_numpy(np.str_))


def _has_header(path: Path) -> bool:
    try:
        with gzip.open(path, "rt", encoding="utf-8-sig") if path.suffix.lower() == ".gz" else path.open(encoding="utf-8-sig") as stream:
            first = next((row for row in csv.reader(stream) if row), [])
    except (OSError, EOFError, zlib.error, UnicodeDecodeError) as error:
        raise DataError(f"{path.name} cannot be read as a table: {error}") from error
    return not all(_is_number(field) for field in first)


def _is_number(field: str) -> bool:
    try:
        float(field)
    except ValueError:
        return field.strip().lower() in MISSING
    return True


def _with_features(array: NDArray[np.generic], path: Path) -> Values:
    """(n, time, features) of (n, time, features) or (n, time)."""
    if not np.issubdtype(array.dtype, np.number) or np.issubdtype(array.dtype, np.complexfloating) or array.ndim not in (2, 3):
        shape = " x ".join(map(str, array.shape))
        raise DataError(
            f"{path.name}: sequences are {shape} of {array.dtype}: save numbers as sequences x time x features, or sequences x time"
        )
    with np.errstate(over="ignore"):
        numbers = array.astype(np.float32)
    return numbers if numbers.ndim == 3 else numbers[:, :, None]


def _label_texts(array: NDArray[np.generic], path: Path) -> NDArray[np.str_]:
    if array.ndim != 1 or not (np.issubdtype(array.dtype, np.integer) or np.issubdtype(array.dtype, np.str_)):
        shape = " x ".join(map(str, array.shape))
        raise DataError(f"{path.name}: labels are {shape} of {array.dtype}: save one whole number or text for each sequence")
    return array.astype(np.str_)
