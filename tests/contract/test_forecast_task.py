from __future__ import annotations

import sys
from pathlib import Path

import pytest
from pydantic import ValidationError

from service.contract.manifest import ArtifactError, ForecastTask
from service.contract.repository import load_artifact, versions
from tests import artifacts

TASK = artifacts.forecaster(calendar=("day_of_week",), frequency="h").task


def changed(**fields: object) -> ForecastTask:
    return ForecastTask.model_validate(TASK.model_dump() | fields)


def test_a_task_without_zone_and_country_runs_as_its_times_stand():
    clock = changed().clock

    assert (str(clock.frequency), clock.time_zone, clock.holidays) == ("h", None, None)


def test_a_task_says_how_its_times_run():
    clock = changed(time_zone="Europe/Berlin", holidays="DE-BY", calendar=["holiday", "holiday_eve"]).clock

    assert (str(clock.frequency), clock.time_zone, clock.holidays) == ("h", "Europe/Berlin", "DE-BY")


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"time_zone": "Mars/Olympus"}, "unknown time zone 'Mars/Olympus': give a name of the IANA database"),
        ({"time_zone": "../../../etc/passwd"}, "unknown time zone"),
        ({"calendar": ["holiday"]}, "'holiday' is derived from the holidays of a country: say it as holidays, such as DE"),
        ({"frequency": "BMS"}, "unknown frequency 'BMS'"),
    ],
)
def test_what_cannot_be_derived_is_refused(fields: dict[str, object], message: str):
    with pytest.raises(ValidationError, match=message):
        changed(**fields)


def test_a_model_with_holidays_is_not_loaded_where_they_cannot_be_looked_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    artifacts.publish(tmp_path, "load", artifacts.forecaster(calendar=("holiday",), holidays="DE"))
    [location] = versions(tmp_path, "load")

    assert load_artifact(location, root=tmp_path).manifest.name == "load"
    monkeypatch.setitem(sys.modules, "holidays", None)
    with pytest.raises(ArtifactError, match=r"manifest.json: holidays 'DE' are those of the library `holidays`: `pip install"):
        load_artifact(location, root=tmp_path)


def test_a_model_with_holidays_of_nowhere_is_not_published(tmp_path: Path):
    with pytest.raises(ArtifactError, match="holidays 'ZZ' are not known"):
        artifacts.publish(tmp_path, "load", artifacts.forecaster(calendar=("holiday",), holidays="ZZ"))
