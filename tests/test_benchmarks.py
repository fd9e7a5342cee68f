"""RESULTS.md: each benchmark writes its own section and leaves the others alone; what is measured is read, judged and told right."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from benchmarks.results import table, write_section
from benchmarks.serving import aims, endurance, processes, report
from benchmarks.serving.figures import Figures, Start
from benchmarks.serving.load import Measured, read_output, wrk_script
from benchmarks.serving.plot import draw
from benchmarks.serving.questions import LENGTH_HEADER, Question, Questions, same
from benchmarks.serving.rounds import other_cores
from benchmarks.serving.servers import PEERS, SERVERS

QUESTIONS = Questions(
    series={"values": [1.5, 2.5], "past": {"a": [0.0, 1.0], "b": [0.1, 0.2]}},
    text="one two ",
    tokens=[0, 3],
    words={"</s>": 0, "<unk>": 1, "a": 2, "b": 3},
)


def _figures(rates, *, p50=None, p99=None, starts=None, bundled_ready_s=None):
    """Three rounds alike of both tasks at every number of connections."""
    p50, p99 = p50 or {}, p99 or {}
    loads = {
        (way, task, connections): [Measured(rate, p50.get(way, 1.0), p99.get(way, 10.0), 0)] * 3
        for way, rate in rates.items()
        for task in ("forecast", "next-word")
        for connections in (1, 16, 64)
    }
    return Figures(loads, starts or {}, bundled_ready_s=bundled_ready_s)


def _verdict(verdicts, beginning):
    return next(verdict for verdict in verdicts if verdict.aim.startswith(beginning))


def test_a_section_is_replaced_in_its_place_and_the_others_stay(tmp_path):
    results = tmp_path / "RESULTS.md"
    for heading, body in (("First", "one"), ("Second", "two"), ("First", "three")):
        write_section(heading, command="make x", body=body, path=results)
    text = results.read_text()
    assert text.startswith("# Results\n")
    assert text.count("## First") == 1
    assert text.index("three") < text.index("## Second") < text.index("two")
    assert "one\n" not in text
    assert "`make x`" in text


def test_a_table_is_markdown():
    assert table(("a", "b"), [(1, 2.5), ("x", "y")]) == "| a | b |\n| --- | --- |\n| 1 | 2.5 |\n| x | y |"


def test_what_wrk_says_is_read_and_refused_where_it_says_nothing():
    measured = read_output("Running 3s test\nRESULT 6000 3000000 1500 12000 7\n")
    assert (measured.requests_s, measured.p50_ms, measured.p99_ms, measured.errors, measured.requests) == (2000.0, 1.5, 12.0, 7, 6000)
    with pytest.raises(RuntimeError, match="wrk said nothing"):
        read_output("unable to connect")


def test_any_byte_of_a_body_stands_in_wrks_script_as_a_number():
    script = wrk_script(Question(b'{"a"\x00\n\xff', {"Content-Type": "x/y"}))
    assert r'wrk.body = "\123\034\097\034\000\010\255"' in script
    assert 'wrk.headers["Content-Type"] = "x/y"' in script


@pytest.mark.parametrize(
    ("wire", "task", "body"),
    [
        ("ids", "forecast", {"series": [QUESTIONS.series]}),
        ("ids", "next-word", {"tokens": [0, 3]}),
        ("text", "next-word", {"text": "one two "}),
        ("ids-instances", "forecast", {"instances": [QUESTIONS.series]}),
        ("ids-instances", "next-word", {"instances": [{"tokens": [0, 3]}]}),
        ("text-instances", "next-word", {"instances": ["one two "]}),
    ],
)
def test_a_question_is_written_as_its_wire_has_it(wire, task, body):
    assert json.loads(QUESTIONS.ask(task, wire).body) == body


def test_tensors_of_a_forecast_have_time_on_axis_1_in_json_and_in_bytes():
    asked = json.loads(QUESTIONS.ask("forecast", "tensors").body)
    assert asked == {
        "inputs": [
            {"name": "target", "shape": [1, 2], "datatype": "FP32", "data": [1.5, 2.5]},
            {"name": "past", "shape": [1, 2, 2], "datatype": "FP32", "data": [0.0, 0.1, 1.0, 0.2]},
        ],
        "outputs": [{"name": "quantiles"}],
    }
    in_bytes = QUESTIONS.ask("forecast", "binary")
    length = int(in_bytes.headers[LENGTH_HEADER])
    assert [tensor["parameters"] for tensor in json.loads(in_bytes.body[:length])["inputs"]] == [
        {"binary_data_size": 8},
        {"binary_data_size": 16},
    ]
    np.testing.assert_allclose(np.frombuffer(in_bytes.body[length:], np.float32), [1.5, 2.5, 0.0, 0.1, 1.0, 0.2])


@pytest.mark.parametrize(
    "answer",
    [
        {"ids": [3, 2], "log_probs": [-1.0, -2.0]},
        {"predictions": [{"ids": [3, 2], "log_probs": [-1.0, -2.0]}]},
        {"suggestions": [{"word": "b", "probability": 0.36787944}, {"word": "a", "probability": 0.13533528}], "model": "m"},
        {"outputs": [{"name": "top_log_probs", "data": [-1.0, -2.0]}, {"name": "top_ids", "data": [[3, 2]]}]},
    ],
)
def test_answers_of_all_wires_are_the_same_numbers(answer):
    assert same(QUESTIONS.read(json.dumps(answer).encode(), {}), np.array([3, 2, -1.0, -2.0]))


def test_an_answer_in_bytes_is_the_same_numbers():
    outputs = [
        {"name": "top_ids", "datatype": "INT64", "shape": [1, 2], "parameters": {"binary_data_size": 16}},
        {"name": "top_log_probs", "datatype": "FP32", "shape": [1, 2], "parameters": {"binary_data_size": 8}},
    ]
    head = json.dumps({"outputs": outputs}).encode()
    data = head + np.array([3, 2], np.int64).tobytes() + np.array([-1, -2], np.float32).tobytes()
    assert QUESTIONS.read(data, {LENGTH_HEADER: str(len(head))}).tolist() == [3, 2, -1, -2]


def test_another_answer_is_not_the_same_and_no_answer_is_refused():
    assert not same(np.array([1.0, 2.0]), np.array([1.0, 2.01]))
    assert not same(np.array([1.0]), np.array([1.0, 1.0]))
    with pytest.raises(ValueError, match="not an answer"):
        QUESTIONS.read(b'{"error": "no"}', {})


def test_aims_are_met_by_the_figures_that_are_good_enough_and_missed_by_the_others():
    rates = {"floor": 100, "Carousel": 150, "LitServe": 40, "MLServer": 70, "Triton": 120, "Carousel, OIP in bytes": 200}
    verdicts = aims.under_load(_figures(rates), pinned=True)
    floor = _verdict(verdicts, "requests/s of the typed route")
    assert [cell.text for cell in floor.cells] == ["1.50"] * 4
    assert floor.met is True
    python = _verdict(verdicts, "… over the best Python peer's")
    assert python.cells[0] == aims.Cell("2.14", False)
    assert python.met is False
    assert _verdict(verdicts, "… over Triton's").met is True
    assert _verdict(verdicts, "OIP in bytes over the typed route").met is True


def test_an_aim_without_its_figure_is_neither_met_nor_missed():
    verdict = _verdict(aims.under_load(_figures({"Carousel": 100}), pinned=True), "OIP in JSON")
    assert verdict.met is None
    assert verdict.cells[0].text == "not measured"


def test_two_workers_are_judged_only_where_they_have_two_cores():
    figures = _figures({"Carousel": 100, "Carousel, two workers": 180, "Triton": 100})
    assert _verdict(aims.under_load(figures, pinned=False), "two workers over one").cells[0] == aims.Cell("1.80", True)
    assert not [verdict for verdict in aims.under_load(figures, pinned=True) if verdict.aim.startswith("two workers")]


def test_p99_has_a_bound_at_each_number_of_connections_and_must_be_the_lowest():
    p99 = {"Carousel": 6.0, "Triton": 8.0}
    verdicts = aims.under_load(_figures({"Carousel": 1, "Triton": 1}, p99=p99), pinned=True)
    bounded = _verdict(verdicts, "p99 under 5 ms at 16 and 15 ms at 64")
    assert [cell.met for cell in bounded.cells] == [False, True, False, True]
    assert _verdict(verdicts, "p99 over the best peer's").cells[0] == aims.Cell("0.75", True)


def test_the_cost_of_metrics_is_the_median_of_each_rounds_ratio():
    loads = {
        (way, task, connections): [Measured(rate, 1, 1, 0) for rate in rates]
        for way, rates in (("Carousel", (96, 480, 90)), ("Carousel without metrics", (100, 500, 100)))
        for task in ("forecast", "next-word")
        for connections in (16, 64)
    }
    verdict = _verdict(aims.under_load(Figures(loads), pinned=True), "cost of metrics")
    assert verdict.cells[0] == aims.Cell("4.0%", True)


def test_memory_must_be_under_its_bound_and_under_every_peers():
    starts = {key: Start(1.0, mb, 1, 0.0, 50.0) for key, mb in (("floor", 90), ("carousel", 120), ("kserve", 110), ("triton", 200))}
    verdict = _verdict(aims.otherwise(_figures({}, starts=starts)), "memory")
    assert verdict.cells == (aims.Cell("120 MB", True), aims.Cell("the lowest peer 110 MB", False))


def test_the_report_names_what_was_refused_and_marks_what_is_missed():
    starts = {"floor": Start(0.5, 90, 1, 0.0, 50.0), "carousel": Start(1.0, 150, 1, 0.001, 60.0)}
    figures = _figures({"floor": 2000, "Carousel": 1000}, starts=starts, bundled_ready_s=1.2)
    refused = Figures(figures.loads, figures.starts, {"ray": "not installed: no such version"}, 0.4, 1.2)
    text = report.body(refused, rounds=3, seconds=1, cores="0")
    assert "| ray | not installed: no such version |" in text
    assert "| Carousel | 1,000 (0.50) | 1,000 (0.50) | 1,000 (0.50) | 1.00 | 10.0 | 10.0 | 0 |" in text
    assert "| requests/s of the typed route over the floor's: at least 1.0 | **0.50** |" in text
    assert "ready in 1.20 s, 3.00 times" in text


def test_a_picture_is_drawn_of_whatever_was_measured(tmp_path):
    draw(_figures({"floor": 2000, "Carousel": 3000}), tmp_path / "serving.png", title="Servers")
    assert (tmp_path / "serving.png").read_bytes().startswith(b"\x89PNG")


def test_memory_is_flat_where_the_last_quarter_is_near_the_second():
    samples = [endurance.Sample(number, 100 + (20 if number <= 250 else 0) + (1 if number > 750 else 0), 0) for number in range(1, 1001)]
    assert endurance.quarters(samples) == [120, 100, 100, 101]
    assert endurance.growth(samples) == pytest.approx(0.01)
    assert "changed by +1.0%; the aim is at most 2%: met" in endurance.report(samples)


def test_the_load_runs_on_the_cores_that_servers_are_not_pinned_to(monkeypatch):
    monkeypatch.setattr("os.sched_getaffinity", lambda _: {0, 1, 2, 3})
    assert other_cores("0,2-3") == ("taskset", "-c", "1")
    assert other_cores("0-3") == ()
    assert other_cores(None) == ()


def test_every_peer_is_a_server_with_pinned_packages():
    names = {way.name for server in SERVERS for way in server.ways}
    assert set(PEERS) <= names
    for path in Path("benchmarks/serving/peers").glob("*/requirements.txt"):
        assert all("==" in line for line in path.read_text().splitlines())


def test_the_family_of_a_process_is_itself_and_what_it_has_started_and_all_of_it_is_ended():
    script = "import subprocess, sys; subprocess.run([sys.executable, '-c', 'import time; print(1, flush=True); time.sleep(60)'])"
    process = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE)
    process.stdout.readline()
    family = processes.family(process.pid)
    assert family[0] == process.pid
    assert len(family) == 2
    assert processes.memory_mb(family) > 1
    processes.rest(family)
    processes.end(process)
    process.stdout.close()
    assert processes.family(family[1]) == []
