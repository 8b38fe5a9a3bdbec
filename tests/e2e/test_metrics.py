"""What a worker tells: metrics that Prometheus accepts, probes that say the truth."""

import subprocess

import pytest
from bank import wait


@pytest.fixture
def running(road):
    road.table("public.accounts", "id int primary key, v text")
    road.collection("items", [{"column": "name", "path": "name", "type": "string", "required": True}])
    road.configure()
    road.start()
    road.sql("insert into public.accounts values (1, 'one')")
    road.docs["items"].insert_many([{"_id": "1", "name": "fits"}, {"_id": "2"}, {"_id": "3", "name": 5}])
    road.settle()
    return road


def test_promtool_accepts_the_metrics_of_every_worker(running):
    for worker in running.workers:
        status, text = worker.get("/metrics")
        assert status == 200
        done = subprocess.run(["promtool", "check", "metrics"], input=text, capture_output=True, text=True)
        assert done.returncode == 0, f"{worker.name}: {done.stdout}{done.stderr}"
        assert "leat_build_info" in text


def test_the_counters_count_what_happened(running):
    core, docs, sink = running.workers
    assert core.metric("leat_capture_events_total", f"{running.prefix}.public.accounts") == 1
    assert docs.metric("leat_capture_events_total", f"{running.prefix}.{running.documents_name}.items") == 1
    topic = f"{running.prefix}.{running.documents_name}.items"
    assert docs.metric("leat_capture_rejects_total", topic, "DOC_MISSING_FIELD") == 1
    assert docs.metric("leat_capture_rejects_total", topic, "DOC_WRONG_TYPE") == 1
    assert sink.metric("leat_sink_batches_total", "warehouse") >= 1
    merged = sink.metrics("leat_sink_rows_merged_total")
    assert sum(n for (table,), n in merged.items() if table.endswith("accounts")) == 1
    assert sum(sink.metrics("leat_sink_s3_bytes_total").values()) > 0
    assert sum(sink.metrics("leat_sink_commit_to_queryable_seconds_count").values()) >= 1


def test_the_probes_tell_the_truth(running):
    for worker in running.workers:
        worker.wait_ready()
        assert worker.get("/healthz")[0] == 200
        assert worker.state() == "running"
        assert worker.get("/")[0] == 200
        assert worker.get("/nothing")[0] == 404


def test_lag_falls_back_when_caught_up(running):
    core, docs, sink = running.workers
    wait.until(
        lambda: sink.metric("leat_sink_ledger_offset", "core") >= sink.metric("leat_sink_ledger_end", "core") > 0,
        30,
        lambda: f"{sink.metrics('leat_sink_ledger_offset')} of {sink.metrics('leat_sink_ledger_end')}",
    )
    assert core.metric("leat_resident_bytes") > 1 << 20


def test_a_stop_drains_and_ends_with_0(running):
    for worker in running.workers:
        assert worker.stop() == 0, worker.tail()
        assert worker.log_events("worker_ended")
    comparison = running.compare("public.accounts")
    assert comparison.is_equal(), str(comparison)
