"""Routes that are seldom asked: imported when the first of them is, since at the start they would take longer than loading a model."""

from __future__ import annotations

from service.api import absent, inference, model_config, models, personal, sequences, statistics, suggestions
from service.api.compat import nixtla, openai, timeseries

HOT = (nixtla.router, timeseries.router, openai.router)
"""Questions to models, as `service.app.HOT`."""
COLD = (
    models.router,
    statistics.router,
    suggestions.router,
    inference.router,
    sequences.router,
    personal.router,
    model_config.router,
    absent.router,
    nixtla.cold_router,
    timeseries.cold_router,
    openai.cold_router,
)
"""All others; the first that fits answers, so that `/v2/models/stats` is no model's name."""
