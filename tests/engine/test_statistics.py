from __future__ import annotations

from service.observe.statistics import BatchStatistics, Histogram, Meter, ModelStatistics, Phase, Run


def test_a_meter_that_was_told_nothing_is_all_zero():
    assert Meter().statistics() == ModelStatistics()


def test_every_request_of_a_batch_took_its_whole_time_and_the_batch_is_counted_once():
    meter = Meter()
    meter.answered([Run(3, 10, 100, 1)], [5, 7], [120, 122])

    statistics = meter.statistics()
    assert (statistics.inference_count, statistics.execution_count) == (3, 1)
    assert statistics.last_inference_ms > 1_700_000_000_000
    assert statistics.success == Phase(2, 242)
    assert statistics.queue == Phase(2, 12)
    assert statistics.compute_input == Phase(2, 20)
    assert statistics.compute_infer == Phase(2, 200)
    assert statistics.compute_output == Phase(2, 2)
    assert statistics.batch_stats == (BatchStatistics(3, Phase(1, 10), Phase(1, 100), Phase(1, 1)),)


def test_a_request_of_several_runs_is_one_request_and_several_runs():
    meter = Meter()
    meter.answered([Run(4, 1, 100), Run(4, 1, 100), Run(2, 1, 50)], [5], [300])

    statistics = meter.statistics()
    assert (statistics.inference_count, statistics.execution_count) == (10, 3)
    assert statistics.success == Phase(1, 300)
    assert statistics.compute_infer == Phase(1, 250)
    assert statistics.batch_stats == (
        BatchStatistics(2, Phase(1, 1), Phase(1, 50), Phase(1, 0)),
        BatchStatistics(4, Phase(2, 2), Phase(2, 200), Phase(2, 0)),
    )


def test_failures_and_late_requests_are_failures_and_those_whose_caller_left_are_not():
    meter = Meter()
    meter.fail(10)
    meter.drop("deadline", 20)
    meter.drop("cancelled", 40)

    assert meter.statistics().fail == Phase(2, 30)
    assert meter.statistics().success == Phase(0, 0)
    assert meter.dropped == {"deadline": 1, "cancelled": 1}


def test_a_value_on_a_bound_is_below_it():
    histogram = Histogram((1, 2, 4))
    for value in (0, 1, 2, 3, 4, 5):
        histogram.add(value)

    assert histogram.counts == [2, 1, 2, 1]
    assert histogram.total == 15


def test_a_shadow_that_answers_something_else_entirely_leaves_the_sum_finite():
    meter = Meter()
    meter.compared("answered", float("inf"))
    meter.compared("failed")

    assert meter.shadow == {"answered": 1, "failed": 1, "dropped": 0}
    assert meter.shadow_difference.total == 1000
