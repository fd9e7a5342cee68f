from __future__ import annotations

import sys

import numpy as np
import pytest

from service.contract.public_holidays import check_holidays, is_holiday


def days(*texts: str) -> np.ndarray:
    return np.array(texts, "datetime64[D]")


@pytest.mark.parametrize("code", ["DE", "DE-BY", "US-CA", "GB-SCT"])
def test_countries_and_their_parts_are_known(code: str):
    check_holidays(code)


def test_a_part_of_a_country_has_holidays_of_its_own():
    epiphany = days("2026-01-06")

    assert is_holiday(epiphany, "DE").tolist() == [False]
    assert is_holiday(epiphany, "DE-BY").tolist() == [True]


def test_days_of_several_years_and_beyond_all_calendars():
    found = is_holiday(days("2024-07-04", "2026-07-04", "2026-07-05", "0001-01-01", "9999-12-31"), "US")

    assert found.tolist() == [True, True, False, False, False]
    assert is_holiday(days("9999-12-31"), "US").tolist() == [False]


@pytest.mark.parametrize("code", ["Germany", "de", "", "DE_BY", "utils"])
def test_what_is_no_code_is_refused_with_how_one_looks(code: str):
    with pytest.raises(ValueError, match="write a country of ISO 3166, or a part of one, such as DE or US-CA"):
        check_holidays(code)


@pytest.mark.parametrize("code", ["XX", "DE-XX"])
def test_an_unknown_country_or_part_is_refused_with_where_they_are_listed(code: str):
    with pytest.raises(ValueError, match=r"are not known: `python -c .*list_supported_countries"):
        check_holidays(code)


def test_without_the_library_the_remedy_is_named(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "holidays", None)

    with pytest.raises(ValueError, match=r"holidays 'DE' are those of the library `holidays`: `pip install 'carousel-serve\[holidays\]'`"):
        check_holidays("DE")
