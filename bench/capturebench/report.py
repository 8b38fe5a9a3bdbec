"""Tables, the JSON file, the baseline and the last line of the capture bench."""

import json
import math
from pathlib import Path

from .figures import NAN, median, median_ratio

KEYS = (
    "drain_events_per_s", "drain_vs_floor", "drain_vs_recvlogical", "drain_vs_debezium_avro",
    "drain_vs_debezium_json", "drain_tpcb_vs_recvlogical", "cpu_s_per_million", "cpu_vs_debezium_avro",
    "cpu_vs_debezium_json", "walsender_cpu_vs_recvlogical", "walsender_cpu_tpcb_vs_recvlogical", "peak_rss_mib",
    "first_event_s", "latency_p50_ms", "latency_p99_ms", "snapshot_vs_copy",
)  # fmt: skip
SMALLER_IS_BETTER = {
    "cpu_s_per_million", "cpu_vs_debezium_avro", "cpu_vs_debezium_json", "walsender_cpu_vs_recvlogical",
    "walsender_cpu_tpcb_vs_recvlogical", "peak_rss_mib", "first_event_s", "latency_p50_ms", "latency_p99_ms",
}  # fmt: skip
TOLERANCE = 0.10  # what two runs of the same build differ by on a quiet machine
COLUMNS = (
    ("events/s", "rate", 0),
    ("CPU s per M", "cpu_s_per_million", 2),
    ("walsender CPU s per M", "walsender_s_per_million", 2),
    ("peak RSS MiB", "peak_mib", 1),
    ("first event s", "first_event_s", 2),
    ("bytes/event", "bytes_per_event", 0),
)


def number(value, digits):
    return "" if value is None or math.isnan(value) else f"{value:,.{digits}f}"


def spread(values, digits):
    values = [value for value in values if value is not None and not math.isnan(value)]
    if not values:
        return ""
    if len(values) == 1:
        return number(values[0], digits)
    return " / ".join(number(value, digits) for value in (min(values), median(values), max(values)))


def table(head, rows):
    lines = ["| " + " | ".join(head) + " |", "|" + "--|" * len(head)]
    return "\n".join(lines + ["| " + " | ".join(row) + " |" for row in rows]) + "\n"


def drains_table(runs):
    """runs: {peer: [run, ...]} of one workload."""
    rows = [[peer, *(spread([run.get(key) for run in done], digits) for _, key, digits in COLUMNS)]
            for peer, done in runs.items()]  # fmt: skip
    return table(["", *(title for title, _, _ in COLUMNS)], rows)


def threads_table(runs):
    """CPU seconds per million events of leat's threads. runs: {workload: [run of leat, ...]}"""
    names = sorted({name for done in runs.values() for run in done for name in run["threads"]})
    rows = [
        [workload, *(number(median([run["threads"].get(name, 0.0) for run in done]), 2) for name in names)]
        for workload, done in runs.items()
    ]
    return table(["leat's threads, CPU s per M", *names], rows)


def latency_table(runs):
    rows = [
        [run["peer"], f"{run['rate']:,}", number(run["reached"], 0), f"{run['rows']:,}", number(run["p50_ms"], 1),
         number(run["p99_ms"], 1), number(run["max_ms"], 1), number(run["cpu_share"] * 100, 1)]
        for run in runs
    ]  # fmt: skip
    return table(["", "commits/s", "reached", "samples", "p50 ms", "p99 ms", "max ms", "CPU % of a core"], rows)


# ---- the figures of the last line ----


def _column(results, workload, peer, key):
    return [run.get(key, NAN) for run in results["drains"].get(workload, {}).get(peer, [])]


def _ratio(results, workload, key, peer):
    return median_ratio(_column(results, workload, "leat", key), _column(results, workload, peer, key))


def figures(results):
    """NaN for what was not measured in this run."""
    leat = {key: median(_column(results, "narrow", "leat", key)) for _, key, _ in COLUMNS}
    steady = [
        run["peak_mib"]
        for workload, peers in results["drains"].items() if workload != "huge" for run in peers.get("leat", [])
    ]  # fmt: skip
    ours = [run for run in results["latencies"] if run["peer"] == "leat"]
    snapshots = results["snapshots"]
    values = {
        "drain_events_per_s": leat["rate"],
        "drain_vs_floor": _ratio(results, "narrow", "rate", "floor"),
        "drain_vs_recvlogical": _ratio(results, "narrow", "rate", "recvlogical"),
        "drain_vs_debezium_avro": _ratio(results, "narrow", "rate", "debezium avro tuned"),
        "drain_vs_debezium_json": _ratio(results, "narrow", "rate", "debezium json tuned"),
        "drain_tpcb_vs_recvlogical": _ratio(results, "tpcb", "rate", "recvlogical"),
        "cpu_s_per_million": leat["cpu_s_per_million"],
        "cpu_vs_debezium_avro": _ratio(results, "narrow", "cpu_s_per_million", "debezium avro tuned"),
        "cpu_vs_debezium_json": _ratio(results, "narrow", "cpu_s_per_million", "debezium json tuned"),
        "walsender_cpu_vs_recvlogical": _ratio(results, "narrow", "walsender_s_per_million", "recvlogical"),
        "walsender_cpu_tpcb_vs_recvlogical": _ratio(results, "tpcb", "walsender_s_per_million", "recvlogical"),
        "peak_rss_mib": max(steady, default=NAN),
        "first_event_s": leat["first_event_s"],
        "latency_p50_ms": max((run["p50_ms"] for run in ours), default=NAN),
        "latency_p99_ms": max((run["p99_ms"] for run in ours), default=NAN),
        "snapshot_vs_copy": median_ratio(
            [run["rate"] for run in snapshots.get("leat", [])], [run["rate"] for run in snapshots.get("copy", [])]
        ),
    }
    return {key: values[key] for key in KEYS}


def last_line(values):
    return " ".join(f"{key}={_shown(key, values[key])}" for key in KEYS)


def _shown(key, value):
    if math.isnan(value):
        return "nan"
    return f"{value:.0f}" if key == "drain_events_per_s" else f"{value:.4g}"


# ---- the baseline ----


def worse(values, baseline, tolerance=TOLERANCE):
    """[(key, before, now)] of what got worse by more than the tolerance."""
    found = []
    for key in KEYS:
        before, now = baseline.get(key), values[key]
        if before is None or math.isnan(now):
            continue
        limit = before * (1 + tolerance) if key in SMALLER_IS_BETTER else before * (1 - tolerance)
        if (now > limit) if key in SMALLER_IS_BETTER else (now < limit):
            found.append((key, before, now))
    return found


class Baseline:
    """One file; an entry for each way of running (--quick or not, and the scale), because only like is compared."""

    def __init__(self, path, mode):
        self.path, self.mode = Path(path), mode

    def _entries(self):
        return json.loads(self.path.read_text()) if self.path.exists() else {}

    def compare(self, values):
        """Lines to print."""
        entry = self._entries().get(self.mode)
        if entry is None:
            return [f"no baseline of this kind ({self.mode}) in {self.path.name}: --save-baseline writes one"]
        found = worse(values, entry["figures"])
        if not found:
            return [f"nothing got worse than the baseline by more than {TOLERANCE:.0%} ({entry['machine']})"]
        return [f"worse than the baseline: {key} was {before:.4g}, is {now:.4g}" for key, before, now in found]

    def save(self, values, machine):
        """What was not measured keeps its older figure."""
        entries = self._entries()
        kept = entries.get(self.mode, {}).get("figures", {})
        measured = {key: value for key, value in values.items() if not math.isnan(value)}
        entries[self.mode] = {"machine": machine, "figures": kept | measured}
        aside = self.path.with_suffix(".new")
        aside.write_text(json.dumps(entries, indent=1, sort_keys=True) + "\n")
        aside.rename(self.path)


def json_text(results):
    """NaN is not JSON: what was not measured becomes null."""
    return json.dumps(_without_nan(results), indent=1) + "\n"


def _without_nan(node):
    if isinstance(node, dict):
        return {key: _without_nan(value) for key, value in node.items()}
    if isinstance(node, (list, tuple)):
        return [_without_nan(value) for value in node]
    return None if isinstance(node, float) and math.isnan(node) else node
