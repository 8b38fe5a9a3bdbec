"""The arithmetic of bench/capture: what it says of a run is what the run did."""

import json
import math
import re
import sys
import xml.etree.ElementTree
from pathlib import Path

import pytest

BENCH = Path(__file__).resolve().parents[2] / "bench"
sys.path.insert(0, str(BENCH))

from capturebench import figures, report, svg  # noqa: E402
from capturebench.figures import Sample  # noqa: E402

STAT = "4711 (leat (x) y) S 1 4711 4711 0 -1 4194560 1 2 3 4 250 125 0 0 20 0 5 0 100 1000 200"


def test_cpu_time_is_user_and_system_also_when_the_name_has_parentheses():
    assert figures.cpu_of_stat(STAT, 100) == 3.75
    assert figures.name_of_stat(STAT) == "leat (x) y"


def test_peak_memory_is_the_high_water_mark():
    assert figures.peak_mib_of_status("Name:\tleat\nVmHWM:\t    2048 kB\nVmRSS:\t 1024 kB\n") == 2
    with pytest.raises(ValueError):
        figures.peak_mib_of_status("Name:\tleat\nState:\tZ (zombie)\n")


@pytest.mark.parametrize(
    "name, is_main, group",
    [
        ("leat", True, "source stage"),
        ("leat", False, "other threads"),
        ("rdk:broker0", False, "librdkafka"),
        ("publisher", False, "publisher"),
    ],
)
def test_threads_are_told_apart_by_name(name, is_main, group):
    assert figures.group_of_thread(name, is_main, "leat") == group


@pytest.mark.parametrize(
    "values, p, want",
    [
        ([7], 50, 7),
        ([7], 99, 7),
        ([4, 1, 3, 2], 50, 2),
        (range(1, 101), 50, 50),
        (range(1, 101), 99, 99),
        (range(1, 101), 100, 100),
        (range(1, 1001), 99.9, 999),
    ],
)
def test_a_percentile_is_a_value_that_was_measured(values, p, want):
    assert figures.percentile(values, p) == want


def test_no_values_have_no_percentile():
    with pytest.raises(ValueError):
        figures.percentile([], 50)


def test_what_was_not_measured_is_not_a_number_and_changes_no_median():
    assert math.isnan(figures.median([]))
    assert figures.median([1, figures.NAN, 3]) == 2


def test_a_ratio_is_taken_round_by_round():
    assert figures.median_ratio([100, 10, 100], [50, 5, 200]) == 2
    assert math.isnan(figures.median_ratio([100], []))
    assert math.isnan(figures.median_ratio([100], [0]))


def test_a_drain_runs_from_the_first_event_to_the_last_and_not_to_the_marker_behind_it():
    samples = [
        Sample(10.0, (0, 0), 0.5),
        Sample(10.2, (100, 0), 1.0),
        Sample(11.2, (600, 400), 2.0),
        Sample(12.2, (601, 501), 3.0),
        Sample(13.0, (602, 502), 3.5),
    ]
    drained = figures.drain_of(samples, 9.0, [599, 500], 1100)
    assert drained.first_event_s == pytest.approx(1.2)
    assert drained.seconds == pytest.approx(2.0)
    assert drained.rate == pytest.approx(1000 / 2.0)
    assert drained.steady_cpu_s_per_million == pytest.approx(2.0 * 1e6 / 1000)


def test_events_that_are_readable_all_at_once_are_counted_from_the_start():
    drained = figures.drain_of([Sample(10.0, (0,), 0.0), Sample(12.0, (51,), 1.0)], 8.0, [49], 50)
    assert drained.seconds == pytest.approx(4.0)
    assert drained.rate == pytest.approx(12.5)


def test_a_drain_without_its_last_event_is_refused():
    with pytest.raises(ValueError):
        figures.drain_of([Sample(10.0, (5,), 0.0)], 8.0, [9], 10)


# ---- the report ----


def results(leat_rate=200_000.0, recvlogical_rate=100_000.0):
    def run(rate, cpu, walsender, peak=20.0):
        return {"rate": rate, "cpu_s_per_million": cpu, "walsender_s_per_million": walsender, "peak_mib": peak,
                "first_event_s": 0.1, "threads": {"main": cpu}}  # fmt: skip

    drain = {"leat": [run(leat_rate, 2.0, 3.0)], "recvlogical": [run(recvlogical_rate, 4.0, 6.0)]}
    huge = {"leat": [run(leat_rate, 2.0, 3.0, peak=100.0)]}
    latencies = [
        {"peer": peer, "rate": rate, "reached": rate, "rows": 10, "p50_ms": p50, "p99_ms": 30.0, "max_ms": 40.0,
         "cpu_share": 0.01}
        for peer, rate, p50 in (("leat", 100, 8.0), ("leat", 5000, 11.0), ("debezium json tuned", 100, 17.0))
    ]  # fmt: skip
    return {"drains": {"narrow": drain, "tpcb": drain, "huge": huge}, "latencies": latencies, "snapshots": {}, "curves": {}}


def test_the_last_line_has_every_key_once_and_in_order():
    line = report.last_line(report.figures(results()))
    assert tuple(pair.split("=")[0] for pair in line.split(" ")) == report.KEYS
    assert "drain_events_per_s=200000 " in line
    assert "drain_vs_recvlogical=2 " in line
    assert "drain_vs_floor=nan " in line
    assert "walsender_cpu_tpcb_vs_recvlogical=0.5 " in line


def test_steady_memory_leaves_the_huge_transaction_out_and_latency_is_the_worst_rate():
    values = report.figures(results())
    assert values["peak_rss_mib"] == 20.0
    assert values["latency_p50_ms"] == 11.0


def test_a_run_of_one_part_still_has_a_last_line():
    values = report.figures({"drains": {}, "latencies": [], "snapshots": {}, "curves": {}})
    assert report.last_line(values) == " ".join(f"{key}=nan" for key in report.KEYS)


def test_the_baseline_tells_what_got_worse_in_the_direction_of_each_figure(tmp_path):
    baseline = report.Baseline(tmp_path / "baseline.json", "full, scale 1")
    assert "no baseline" in baseline.compare(report.figures(results()))[0]
    baseline.save(report.figures(results()), "2 x some processor")
    assert "nothing got worse" in baseline.compare(report.figures(results(leat_rate=195_000.0)))[0]
    assert "nothing got worse" in baseline.compare(report.figures(results(leat_rate=400_000.0)))[0]
    lines = baseline.compare(report.figures(results(leat_rate=150_000.0)))
    assert [re.match(r"worse than the baseline: (\w+)", line)[1] for line in lines] == [
        "drain_events_per_s", "drain_vs_recvlogical", "drain_tpcb_vs_recvlogical",
    ]  # fmt: skip
    slower = dict(report.figures(results()), latency_p99_ms=60.0)
    assert [key for key, _, _ in report.worse(slower, report.figures(results()))] == ["latency_p99_ms"]


def test_a_partial_run_keeps_the_rest_of_the_baseline_and_other_modes(tmp_path):
    path = tmp_path / "baseline.json"
    full = report.Baseline(path, "full, scale 1")
    full.save(report.figures(results()), "machine")
    report.Baseline(path, "quick, scale 0.1").save({"peak_rss_mib": 9.0}, "machine")
    full.save(dict.fromkeys(report.KEYS, figures.NAN) | {"peak_rss_mib": 33.0}, "machine")
    entries = json.loads(path.read_text())
    assert entries["full, scale 1"]["figures"]["peak_rss_mib"] == 33.0
    assert entries["full, scale 1"]["figures"]["drain_events_per_s"] == 200_000.0
    assert entries["quick, scale 0.1"]["figures"] == {"peak_rss_mib": 9.0}


def test_the_json_has_null_for_what_was_not_measured():
    assert json.loads(report.json_text({"a": [figures.NAN, 1.5], "b": (2,)})) == {"a": [None, 1.5], "b": [2]}


def test_tables_have_a_cell_for_every_column():
    found = results()
    for text in (report.drains_table(found["drains"]["narrow"]), report.latency_table(found["latencies"]),
                 report.threads_table({"narrow": found["drains"]["narrow"]["leat"]})):  # fmt: skip
        assert len({line.count("|") for line in text.splitlines()}) == 1


# ---- curves ----


@pytest.mark.parametrize("largest, want", [(4.9, 1), (5, 1), (7, 2), (0.3, 0.1), (11, 2.5), (0, 1)])
def test_axes_have_round_steps(largest, want):
    assert svg.nice_step(largest) == pytest.approx(want)


def test_a_chart_is_xml_with_every_point_inside_the_frame():
    series = {"leat": [(1, 2.0), (100, 1.0), (10_000, 0.0)], "a < b": [(1, 0.5), (10_000, 4.0)]}
    root = xml.etree.ElementTree.fromstring(svg.chart("cost & size", "rows", "µs", series))
    tag = "{http://www.w3.org/2000/svg}"
    circles = root.findall(f"{tag}circle")
    assert len(circles) == 5
    for circle in circles:
        assert svg.LEFT <= float(circle.get("cx")) <= svg.WIDTH - svg.RIGHT
        assert svg.TOP <= float(circle.get("cy")) <= svg.HEIGHT - svg.BOTTOM
    texts = [text.text for text in root.findall(f"{tag}text")]
    assert {"cost & size", "a < b", "10,000"} <= set(texts)


def test_a_chart_of_one_point_can_be_drawn():
    xml.etree.ElementTree.fromstring(svg.chart("t", "x", "y", {"leat": [(5, 0.0)]}))
