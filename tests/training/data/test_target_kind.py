"""What a target's values say of those it can have."""

import numpy as np
import pytest

from training.data.files import DataError
from training.data.target_kind import target_kind

NAN = np.nan


@pytest.mark.parametrize(
    ("values", "found"),
    [
        ([0.0, 3.0, NAN, 12.0], (0.0, True)),
        ([0.5, 0.0, 2.0], (0.0, False)),
        ([4.25, 3.5], (0.0, False)),
        ([-1.0, 2.0], (None, False)),
        ([NAN, NAN], (None, False)),
        ([], (None, False)),
    ],
)
def test_the_kind_is_seen_from_the_values_that_are_there(values, found):
    assert target_kind(np.array(values, np.float32)) == found


@pytest.mark.parametrize(("declared", "found"), [("real", (None, False)), ("non-negative", (0.0, False)), ("count", (0.0, True))])
def test_a_declared_kind_holds_whatever_the_values_suggest(declared, found):
    assert target_kind(np.array([0, 1, 2, NAN], np.float32), declared) == found


@pytest.mark.parametrize(
    ("declared", "values", "message"),
    [
        ("non-negative", [1, -2], "declared non-negative and has the value -2: correct it, or train with --target-kind real"),
        ("count", [1, -2], "declared count and has the value -2: correct it, or train with --target-kind real"),
        ("count", [1, 2.5], "declared count and has the value 2.5: correct it, or train with --target-kind non-negative"),
    ],
)
def test_values_that_contradict_the_declared_kind_are_an_error(declared, values, message):
    with pytest.raises(DataError, match=message):
        target_kind(np.array(values, np.float32), declared)
