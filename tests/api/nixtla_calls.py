"""Calls of TimeGPT's client `nixtla`, made in a process of its own: it sets up the log of whoever imports it, and warns of itself.

`python -m tests.api.nixtla_calls http://HOST:PORT http://HOST:PORT` prints call -> result as JSON; the second server has one forecaster.
"""

from __future__ import annotations

import json
import logging
import sys
import warnings
from collections.abc import Callable
from typing import Any

import pandas as pd
from nixtla import NixtlaClient
from nixtla.nixtla_client import ApiError

from service.api.examples import hourly_load

DAYS = 12
LONG = 80_000
SPIKED = [5.0] * 8 + [9.0] + [5.0] * 3


def main(address: str, single: str) -> dict[str, Any]:
    """Call -> what came back."""
    client = connected(address)
    return {
        **of_the_service(client),
        **forecasts(client),
        **covariates(client),
        **of_the_past(client),
        **refusals(client),
        **with_one_forecaster(connected(single)),
    }


def connected(address: str) -> NixtlaClient:
    return NixtlaClient(api_key="any", base_url=f"{address}/nixtla", max_retries=2, retry_interval=0)


def of_the_service(client: NixtlaClient) -> dict[str, Any]:
    return {
        "key": client.validate_api_key(),
        "models": client.list_models(),
        "usage": client.usage(),
        "fine-tuned models": client.finetuned_models(),
    }


def forecasts(client: NixtlaClient) -> dict[str, Any]:
    asked = {"df": daily(), "h": 3, "freq": "D", "model": "daily"}
    numbered = daily().assign(ds=[*range(DAYS), *range(DAYS)])
    return {
        "point": table(client.forecast(**asked)),
        "level": table(client.forecast(**asked, level=[80])),
        "quantiles": table(client.forecast(**asked, quantiles=[0.1, 0.5, 0.9])),
        "between": table(client.forecast(**asked, level=[0, 50.5])),
        "inferred": table(client.forecast(**{**asked, "freq": None})),
        "partitions": table(client.forecast(**asked, level=[80], num_partitions=2)),
        "history": table(client.forecast(**{**asked, "df": daily(series=1)}, level=[80], add_history=True)),
        "further": table(client.forecast(**{**asked, "h": 5}, level=[80])),
        "numbers": table(client.forecast(**{**asked, "df": numbered, "freq": 1})),
    }


def covariates(client: NixtlaClient) -> dict[str, Any]:
    df = daily(series=1).assign(price=[0.25] * DAYS)
    ahead = pd.DataFrame({"unique_id": "a", "ds": pd.date_range("2026-01-17", periods=3), "price": [0.5, 1.0, 1.5]})
    priced = {"df": df, "X_df": ahead, "h": 3, "freq": "D", "model": "priced"}
    visits = daily(series=1).assign(visits=[100.0] * 6 + [1.0, 2.0, 3.0, 4.0, 5.0, 6.0])
    asked = {"h": 3, "freq": "D"}
    return {
        "known ahead": table(client.forecast(**priced)),
        "known ahead with date features": table(client.forecast(**priced, date_features=True)),
        "not known ahead": table(client.forecast(df=visits, hist_exog_list=["visits"], model="visited", **asked)),
        "date features": table(client.forecast(df=daily(), date_features=True, model="daily", **asked)),
        "calendar": table(client.forecast(df=daily(series=1), model="weekdays", **asked)),
        "large": table(client.forecast(**{**priced, **large()})),
    }


def of_the_past(client: NixtlaClient) -> dict[str, Any]:
    asked = {"df": daily(), "h": 3, "n_windows": 2, "step_size": 2, "freq": "D", "model": "daily"}
    priced = {**asked, "df": daily(series=1).assign(price=[0.25] * 9 + [0.5, 1.0, 1.5]), "model": "priced"}
    visits = {**asked, "df": daily(series=1).assign(visits=[1.0] * DAYS), "hist_exog_list": ["visits"], "model": "visited"}
    spiked = pd.DataFrame({"unique_id": "a", "ds": pd.date_range("2026-01-05", periods=DAYS), "y": SPIKED})
    judged = {"df": spiked, "freq": "D", "model": "daily", "level": 80}
    return {
        "windows": table(client.cross_validation(**asked, level=[80])),
        "windows known ahead": table(client.cross_validation(**priced)),
        "windows not known ahead": table(client.cross_validation(**visits)),
        "anomalies": table(client.detect_anomalies(**judged)),
        "late anomalies": table(client.detect_anomalies_online(**judged, h=1, detection_size=4)),
        "late anomalies by twos": table(client.detect_anomalies_online(**judged, h=3, step_size=2, detection_size=5)),
    }


def refusals(client: NixtlaClient) -> dict[str, Any]:
    asked = {"df": daily(), "h": 3, "freq": "D", "model": "daily"}
    hourly = daily().assign(ds=[*pd.date_range("2026-01-05", periods=DAYS, freq="h")] * 2)
    local = daily().assign(ds=daily()["ds"].dt.tz_localize("Europe/Berlin"))
    visits = daily().assign(visits=1.0)
    judged = {"freq": "D", "model": "daily", "h": 1}
    return {
        "no model": refusal(lambda: client.forecast(df=daily(), h=3, freq="D")),
        "no forecaster": refusal(lambda: client.forecast(**{**asked, "model": "words"})),
        "wide": refusal(lambda: client.detect_anomalies(df=daily(), freq="D", model="daily")),
        "far": refusal(lambda: client.forecast(**{**asked, "h": 31})),
        "hourly": refusal(lambda: client.forecast(**{**asked, "df": hourly, "freq": "h"})),
        "local": refusal(lambda: client.forecast(**{**asked, "df": local, "model": "weekdays"})),
        "columns": refusal(lambda: client.forecast(**{**asked, "df": visits}, hist_exog_list=["visits"])),
        "no columns": refusal(lambda: client.forecast(**{**asked, "model": "priced"})),
        "too many windows": refusal(lambda: client.cross_validation(**asked, n_windows=4)),
        "nothing before": refusal(lambda: client.detect_anomalies_online(df=daily().head(2), level=80, detection_size=2, **judged)),
        "together": refusal(
            lambda: client.detect_anomalies_online(df=daily(), level=80, detection_size=2, threshold_method="multivariate", **judged)
        ),
        "fine-tune": refusal(lambda: client.finetune(df=daily(), freq="D", model="daily")),
        "fine-tuned": refusal(lambda: client.forecast(**asked, finetuned_model_id="mine")),
        "fine-tune first": refusal(lambda: client.forecast(**asked, finetune_steps=10)),
    }


def with_one_forecaster(client: NixtlaClient) -> dict[str, Any]:
    """Its default name asks it; a trained model, whose numbers are no round ones."""
    load = pd.DataFrame({"unique_id": "a", "ds": pd.date_range("2026-01-05", periods=400, freq="h"), "y": hourly_load(400)})
    return {
        "trained": table(client.forecast(df=load, h=48, freq="h", level=[80, 50])),
        "trained windows": table(client.cross_validation(df=load, h=24, n_windows=2, freq="h", level=[80])),
    }


def daily(series: int = 2) -> pd.DataFrame:
    """1 to 12, and ten times that."""
    days = pd.date_range("2026-01-05", periods=DAYS)
    rising = {"a": 1.0, "b": 10.0}
    both = [pd.DataFrame({"unique_id": name, "ds": days, "y": [by * day for day in range(1, DAYS + 1)]}) for name, by in rising.items()]
    return pd.concat(both[:series], ignore_index=True)


def large() -> dict[str, pd.DataFrame]:
    """A series that is over 1 MB in JSON, and its covariate."""
    days = pd.date_range("1800-01-01", periods=LONG + 3)
    df = pd.DataFrame({"unique_id": "a", "ds": days[:LONG], "y": [1000 + step % 100 / 8 for step in range(LONG)], "price": 1000.125})
    return {"df": df, "X_df": pd.DataFrame({"unique_id": "a", "ds": days[LONG:], "price": [0.5, 1.0, 1.5]})}


def table(found: pd.DataFrame) -> dict[str, list[Any]]:
    """Column -> values, times as text."""
    times = {column: found[column].astype(str) for column in ("ds", "cutoff") if column in found}
    return found.assign(**times).to_dict("list")


def refusal(call: Callable[[], object]) -> list[Any]:
    """The status and the words of a call that is refused."""
    try:
        call()
    except ApiError as error:
        return [error.status_code, error.body["detail"]]
    return ["answered"]


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    logging.disable()
    sys.stdout.write(json.dumps(main(*sys.argv[1:])) + "\n")
