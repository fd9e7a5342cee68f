import re
from dataclasses import dataclass
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

from service.contract.manifest import ParameterEntry, Scores
from training.pictures import Picture, confusion_plot, forecast_plot, loss_curves
from training.report import write_report

PNG = b"\x89PNG\r\n\x1a\n"
SCORES = Scores(
    split="40 windows",
    model={"mae": 0.25, "coverage_0.1_0.9": 0.8, "mystery": 3},
    baselines={"last_value": {"mae": 0.5}},
    beats_naive=True,
    note="A <note>.",
)
PARAMETERS = [
    ParameterEntry(name="cell.weight", shape=(1024, 28), count=28_672, gates=4),
    ParameterEntry(name="head.bias", shape=(10,), count=10),
]


@dataclass
class FakeEpoch:
    number: int
    train_loss: float
    validation_loss: float


def write(folder: Path, **changes: object) -> list[Path]:
    given = {
        "title": "load & more",
        "facts": [("task", "48 steps <ahead>")],
        "scores": SCORES,
        "pictures": [Picture("loss", "Loss", PNG)],
        "parameters": PARAMETERS,
        "samples": [("once upon", "a <time>")],
        "config": {"hidden": 128, "only": {"site": ["Zürich"]}},
    }
    return write_report(folder, **{**given, **changes})  # type: ignore[arg-type]


def text_of(page: str) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<style>.*?</style>|<[^>]+>", " ", page, flags=re.DOTALL))


def test_the_report_and_its_pictures_are_written(tmp_path: Path):
    written = write(tmp_path)
    assert [path.name for path in written] == ["report.html", "loss.png"]
    assert (tmp_path / "loss.png").read_bytes() == PNG


def test_the_report_shows_facts_scores_samples_weights_and_configuration(tmp_path: Path):
    page = text_of(write(tmp_path)[0].read_text(encoding="utf-8"))
    assert "48 steps &lt;ahead&gt;" in page
    assert "mae mean absolute error, in the units of the data 0.25 0.5" in page
    assert "Measured on 40 windows. The model beats every naive baseline. A &lt;note&gt;." in page
    assert "once upon a &lt;time&gt;" in page
    assert "cell.weight 1024 × 28 4 28,672" in page
    assert "total 28,682" in page
    assert "Zürich" in page


def test_a_model_that_loses_is_said_to_lose(tmp_path: Path):
    scores = Scores(split="40 windows", model={"mae": 1.0}, baselines={"last_value": {"mae": 0.5}}, beats_naive=False)
    page = write(tmp_path, scores=scores)[0].read_text(encoding="utf-8")
    assert "does not beat every naive baseline" in page
    assert '<td class="number best">0.5</td>' in page


def test_a_report_without_samples_has_no_heading_for_them(tmp_path: Path):
    assert "Samples" not in write(tmp_path, samples=[])[0].read_text(encoding="utf-8")


def test_the_report_asks_nothing_of_the_network(tmp_path: Path):
    page = write(tmp_path)[0].read_text(encoding="utf-8")
    sources: list[str] = []

    class Sources(HTMLParser):
        def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
            assert tag not in {"script", "link", "iframe"}
            sources.extend(value or "" for name, value in attrs if name in {"src", "href"})

    Sources().feed(page)
    assert sources == ["data:image/png;base64,iVBORw0KGgo="]
    assert "url(" not in page


@pytest.mark.parametrize("history", [[(1, 0.5, 0.6)], [(1, 50.0, 60.0), (2, 1.0, 2.0)], [(1, 0.5, float("nan"))]])
def test_loss_curves_are_drawn_for_any_history(history: list[tuple[int, float, float]]):
    picture = loss_curves([FakeEpoch(*epoch) for epoch in history])
    assert picture.name == "loss"
    assert picture.png.startswith(PNG)


def test_forecasts_are_drawn_beside_what_came_true_with_gaps_and_odd_names():
    times = np.datetime64("2026-01-01T00:00:00") + np.arange(60) * np.timedelta64(1, "h")
    actual = np.sin(np.arange(60, dtype=np.float32))
    actual[5:8] = np.nan
    steps = np.array([40, 41, 42, 50, 52, 53])
    picture = forecast_plot(
        times=times,
        actual=actual,
        forecast_times=times[steps],
        point=actual[steps],
        low=actual[steps] - 1,
        high=actual[steps] + 1,
        split_time=times[40],
        title="price in $ and $^ of 전력",
        levels=(0.1, 0.9),
    )
    assert picture.name == "forecast"
    assert picture.png.startswith(PNG)


@pytest.mark.parametrize("size", [2, 40])
def test_confusion_matrices_of_any_size_are_drawn(size: int):
    matrix = np.eye(size, dtype=np.int64)
    matrix[0, 1] = 7
    picture = confusion_plot(matrix, [f"label ${number}" for number in range(size)])
    assert picture.name == "confusion"
    assert picture.png.startswith(PNG)
