"""Metrics of what next-word models remember of the texts that they have read."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from service.tasks.memory import Recall

MODEL = ("model", "version")


def memory_metrics(recalls: Iterable[tuple[str, int, Recall]]) -> Iterator[Metric]:
    """The families of docs/metrics.md, from the memories of models by name and version."""
    held = GaugeMetricFamily("carousel_memory_bytes", "Bytes of what a model remembers.", labels=MODEL)
    entries = GaugeMetricFamily("carousel_memory_entries", "States, log-probabilities and places that a model remembers.", labels=MODEL)
    evicted = CounterMetricFamily("carousel_memory_evicted", "Entries that were forgotten for want of room.", labels=MODEL)
    texts = CounterMetricFamily("carousel_memory_texts", "Texts read, by how much of them was remembered.", labels=(*MODEL, "remembered"))
    tokens = CounterMetricFamily("carousel_memory_tokens", "Tokens of texts, read or spared by memory.", labels=(*MODEL, "outcome"))
    for model, version, recall in recalls:
        labels = [model, str(version)]
        held.add_metric(labels, recall.bytes)
        entries.add_metric(labels, recall.entries)
        evicted.add_metric(labels, recall.evicted)
        for remembered, count in recall.texts.items():
            texts.add_metric([*labels, remembered], count)
        tokens.add_metric([*labels, "read"], recall.tokens_read)
        tokens.add_metric([*labels, "spared"], recall.tokens_spared)
    yield from (held, entries, evicted, texts, tokens)
