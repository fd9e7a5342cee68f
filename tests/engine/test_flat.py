"""Numbers between Arrow and numpy."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from service.offline.flat import arrow_of, numbers_of

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize(
    ("column", "expected"),
    [
        (pa.array([1, 2, 3], pa.int16()), np.array([1, 2, 3], np.int16)),
        (pa.array([1.0, 2.0, 3.0, 4.0], pa.float32()).slice(1, 2), np.array([2, 3], np.float32)),
        (pa.chunked_array([pa.array([1, 2]).slice(1), pa.array([3])]), np.array([2, 3])),
        (pa.array([], pa.float64()), np.array([], np.float64)),
        (pa.array([1, None, 3], pa.int64()), np.array([1, -1, 3])),
        (pa.chunked_array([pa.array([None, 2.5])]), np.array([-1, 2.5])),
    ],
)
def test_numbers_are_those_of_the_column(column: pa.Array, expected: np.ndarray):
    found = numbers_of(column, missing=-1)

    assert found.dtype == expected.dtype
    assert found.tolist() == expected.tolist()


def test_missing_floats_may_be_nan():
    np.testing.assert_array_equal(numbers_of(pa.array([1.0, None]), missing=np.nan), [1, np.nan])


@pytest.mark.parametrize("numbers", [np.arange(4), np.arange(8, dtype=np.float32)[::2], np.empty(0, np.int32)])
def test_an_array_comes_back_as_it_was(numbers: np.ndarray):
    found = arrow_of(numbers)

    assert found.null_count == 0
    assert found.to_pylist() == numbers.tolist()
    assert numbers_of(found).dtype == numbers.dtype


def test_pandas_is_not_looked_for():
    script = """
import sys
import numpy as np
import pyarrow as pa
from service.offline.flat import arrow_of, numbers_of
numbers_of(pa.chunked_array([arrow_of(np.arange(3))]))
sys.exit('pandas' in sys.modules)
"""
    assert subprocess.run([sys.executable, "-c", script], cwd=ROOT).returncode == 0
