"""Numbers of Arrow's arrays as numpy's and back, where they lie.

pyarrow's own ways look for pandas first, and where it is installed a command would wait a third of a second for it, of which it has no use.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray


def numbers_of(column: Any, *, missing: float = 0) -> NDArray[Any]:  # noqa: ANN401 - pyarrow ships no types
    """A column's numbers (rows,), its chunks one after another; `missing` stands for those that are not there."""
    if column.null_count:
        column = column.fill_null(missing)
    array = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    kind = np.dtype(array.type.to_pandas_dtype())
    if not len(array):
        return np.empty(0, kind)
    return np.frombuffer(array.buffers()[1], kind, len(array), array.offset * kind.itemsize)


def arrow_of(numbers: NDArray[Any]) -> Any:  # noqa: ANN401 - pyarrow ships no types
    """The numbers (rows,) as Arrow's array."""
    flat = np.ascontiguousarray(numbers)
    return pa.Array.from_buffers(pa.from_numpy_dtype(flat.dtype), len(flat), [None, pa.py_buffer(flat)])
