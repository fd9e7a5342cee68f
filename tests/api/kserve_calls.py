"""Every call of KServe's clients, made in a process of its own: its messages and NVIDIA's have the same names, and cannot both be in one.

`python -m tests.api.kserve_calls http://HOST:PORT HOST:GRPC_PORT` prints call -> result as JSON.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Awaitable
from typing import Any

import grpc
import httpx
import numpy as np
from kserve import InferenceGRPCClient, InferenceRESTClient, InferInput, InferRequest, InferResponse, RESTConfig
from kserve.protocol.infer_type import RequestedOutput
from kserve.protocol.rest.timeseries import ForecastOptions, ForecastRequest, ForecastResponse, Frequency, TimeSeriesInput, TimeSeriesType
from kserve.protocol.rest.timeseries.types import ErrorResponse

IMAGES = np.stack([np.full((28, 28), 60, np.float32), np.full((28, 28), 40, np.float32)])


async def main(http: str, where: str) -> dict[str, Any]:
    """Call -> what came back."""
    async with InferenceRESTClient(RESTConfig(protocol="v2")) as client:
        found = {f"v2 {name}": value for name, value in (await v2(client, http)).items()}
    async with InferenceRESTClient(RESTConfig(protocol="v1")) as client:
        found |= {f"v1 {name}": value for name, value in (await v1(client, http)).items()}
    async with InferenceGRPCClient(where) as client:
        found |= {f"grpc {name}": value for name, value in (await over_grpc(client)).items()}
    async with httpx.AsyncClient(base_url=http) as client:
        return found | {f"time series {name}": value for name, value in (await time_series(client)).items()}


async def v2(client: InferenceRESTClient, url: str) -> dict[str, Any]:
    headers: dict[str, str] = {}
    plain = {"id": "d", "inputs": [{"name": "sequence", "shape": [2, 28, 28], "datatype": "FP32", "data": IMAGES.ravel().tolist()}]}
    return {
        "live": await client.is_server_live(url),
        "ready": await client.is_server_ready(url),
        "model ready": await client.is_model_ready(url, "digit-rows"),
        "no model ready": await client.is_model_ready(url, "none"),
        "json": answer(await client.infer(url, question(binary=False), model_name="digit-rows", response_headers=headers)),
        "binary in": answer(await client.infer(url, question(binary=True), model_name="digit-rows")),
        "binary both": answer(await client.infer(url, question(binary=True, outputs=True), model_name="digit-rows")),
        "dictionary": answer(await client.infer(url, plain, model_name="digit-rows")),
        "graph": (await client.infer(f"{url}/v2/models/digit-rows/infer", plain, is_graph_endpoint=True))["id"],
        "version": headers["x-model-version"],
        "wrong": await refusal(client.infer(url, question(binary=False, name="image"), model_name="digit-rows")),
        "no model": await refusal(client.infer(url, question(binary=True), model_name="none")),
    }


async def v1(client: InferenceRESTClient, url: str) -> dict[str, Any]:
    answers = await client.infer(url, {"instances": IMAGES.tolist()}, model_name="digit-rows")
    return {
        "live": await client.is_server_live(url),
        "model ready": await client.is_model_ready(url, "digit-rows"),
        "no model ready": await refusal(client.is_model_ready(url, "none")),
        "infer": [one["label"] for one in answers["predictions"]],
        "explain": await refusal(client.explain(url, "digit-rows", {"instances": []})),
    }


async def over_grpc(client: InferenceGRPCClient) -> dict[str, Any]:
    return {
        "live": await client.is_server_live(),
        "ready": await client.is_server_ready(),
        "model ready": await client.is_model_ready("digit-rows"),
        "no model ready": await client.is_model_ready("none"),
        "bytes": answer(await client.infer(question(binary=True))),
        "contents": answer(await client.infer(question(binary=False))),
        "no model": await refusal(client.infer(question(binary=True, model="none"))),
    }


async def time_series(client: httpx.AsyncClient) -> dict[str, Any]:
    """The protocol has types and no client."""
    asked = series()
    own = {"series": [{"start": asked.start_timestamp, "values": asked.series}], "horizon": 3, "quantiles": [0.1, 0.25]}
    plain = (await client.post("/v1/models/energy-load/forecast", json=own)).json()["forecasts"][0]
    answer = ForecastResponse.model_validate((await forecast(client, asked)).raise_for_status().json())
    found = answer.outputs[0].content[0]
    day = series(frequency=Frequency.DAY, past=dict.fromkeys(("Open", "High", "Low", "Volume"), asked.series), start_timestamp="2026-01-05")
    business = ForecastResponse.model_validate((await forecast(client, day, model="share-price")).raise_for_status().json())
    return {
        "forecast": [answer.model, answer.status, found.name, found.frequency, found.start_timestamp, found.mean_forecast],
        "own route": [found.mean_forecast, found.quantiles] == [plain["point"], plain["quantiles"]],
        "covariates": [business.outputs[0].content[0].mean_forecast, business.outputs[0].content[0].start_timestamp],
        "models": (await client.get("/v1/timeseries/models")).json(),
        "wrong unit": await fault(forecast(client, series(frequency=Frequency.DAY))),
        "no model": await fault(forecast(client, asked, model="digit-rows")),
        "wrong level": await fault(forecast(client, asked, quantiles=[0.01])),
        "too far": await fault(forecast(client, asked, horizon=49)),
        "no series": await fault(forecast(client)),
        "no start": await fault(forecast(client, series(start_timestamp=None))),
        "short": await fault(forecast(client, series(series=[1.0]))),
        "no time": await fault(forecast(client, series(start_timestamp="noon"))),
        "beyond a float": await fault(forecast(client, series(series=[1.0, 1e39]))),
        "no covariates": await fault(forecast(client, series(frequency=Frequency.DAY), model="share-price")),
        "no route": await fault(client.get("/v1/timeseries/forecast")),
    }


async def forecast(
    client: httpx.AsyncClient, *inputs: TimeSeriesInput, model: str = "energy-load", horizon: int = 3, quantiles: list[float] | None = None
) -> httpx.Response:
    options = ForecastOptions(horizon=horizon, quantiles=quantiles or [0.1, 0.25])
    request = ForecastRequest(model=model, inputs=list(inputs), options=options)
    return await client.post("/v1/timeseries/forecast", json=request.model_dump(mode="json"))


def series(frequency: Frequency = Frequency.HOUR, **more: object) -> TimeSeriesInput:
    values = [float(step) for step in range(24)]
    told = {"name": "hall", "series": values, "start_timestamp": "2026-01-05T00:00:00Z", **more}
    return TimeSeriesInput(type=TimeSeriesType.UNIVARIATE, frequency=frequency, **told)


async def fault(call: Awaitable[httpx.Response]) -> list[Any]:
    answer = await call
    error = ErrorResponse.model_validate(answer.json()).error
    return [answer.status_code, error.code, error.param, error.message]


def question(*, binary: bool, name: str = "sequence", model: str = "digit-rows", outputs: bool = False) -> InferRequest:
    tensor = InferInput(name, list(IMAGES.shape), "FP32")
    tensor.set_data_from_numpy(IMAGES, binary_data=binary)
    wanted = [RequestedOutput("probabilities", parameters={"binary_data": True})] if outputs else None
    return InferRequest(model, [tensor], request_id="seven", request_outputs=wanted)


def answer(response: InferResponse) -> list[Any]:
    """Model, version, id, and the likeliest label of each row."""
    return [response.model_name, response.model_version, response.id, response.outputs[0].as_numpy().argmax(axis=1).tolist()]


async def refusal(call: Awaitable[object]) -> list[Any]:
    """The status and the words of a call that is refused."""
    try:
        await call
    except httpx.HTTPStatusError as error:
        return [error.response.status_code, str(error)]
    except grpc.aio.AioRpcError as error:
        return [error.code().name, error.details()]
    return ["answered"]


if __name__ == "__main__":
    sys.stdout.write(json.dumps(asyncio.run(main(*sys.argv[1:]))) + "\n")
