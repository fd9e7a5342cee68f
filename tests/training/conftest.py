"""Small data for whole runs."""

import io

import numpy as np
import pandas as pd
import pytest
from rich.console import Console


@pytest.fixture
def console():
    """A terminal that keeps what it was told, wide enough not to wrap."""
    return Console(record=True, width=250, file=io.StringIO())


@pytest.fixture
def daily_csv(tmp_path):
    """Two hundred days of two shops, a weekly shape, a covariate that says what comes tomorrow, and a price."""
    generator = np.random.default_rng(0)
    days = pd.date_range("2024-01-01", periods=200, freq="D")
    rows = []
    for shop, level in (("north", 100.0), ("south", 20.0)):
        promotion = generator.integers(0, 2, 200)
        sales = level * (1 + 0.3 * np.sin(2 * np.pi * np.arange(200) / 7) + 0.2 * promotion) + generator.normal(0, level / 50, 200)
        rows.append(pd.DataFrame({"day": days, "shop": shop, "sales": sales, "visitors": sales * 3, "promotion": promotion}))
    path = tmp_path / "shops.csv"
    pd.concat(rows).to_csv(path, index=False)
    return path


@pytest.fixture
def stripes_npz(tmp_path):
    """Images of 8 rows of 8: a bright stripe in the upper or the lower half."""
    generator = np.random.default_rng(0)
    labels = generator.integers(0, 2, 300)
    images = generator.uniform(0, 50, (300, 8, 8)).astype(np.float32)
    images[np.arange(300), 4 * labels + generator.integers(0, 4, 300)] += 200
    path = tmp_path / "stripes.npz"
    np.savez(path, sequences=images, labels=np.array(["upper", "lower"])[labels])
    return path
