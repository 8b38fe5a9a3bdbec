"""Pure arithmetic of the capture bench: what /proc says, percentiles, what a drain's samples mean."""

import json
import math
import statistics
from typing import NamedTuple

NAN = float("nan")


def cpu_of_stat(text, ticks_per_s):
    """User and system seconds of /proc/PID/stat, or of a thread's."""
    fields = text.rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / ticks_per_s


def name_of_stat(text):
    return text[text.index("(") + 1 : text.rindex(")")]


def peak_mib_of_status(text):
    for line in text.splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) / 1024
    raise ValueError("a process status without VmHWM")


def group_of_thread(name, is_main, program):
    """What a thread of leat works on, for the table that tells them apart."""
    if name.startswith("rdk:"):
        return "librdkafka"
    if is_main:
        return "source stage"
    return "other threads" if name == program else name


def percentile(values, p):
    """The smallest value that p percent of them do not exceed."""
    ordered = sorted(values)
    if not ordered:
        raise ValueError("no values")
    return ordered[max(0, math.ceil(len(ordered) * p / 100) - 1)]


def median(values):
    """NaN when there are none: what was not measured is not a number."""
    values = [value for value in values if value is not None and not math.isnan(value)]
    return statistics.median(values) if values else NAN


def ratio(a, b):
    return a / b if b else NAN


def median_ratio(ours, theirs):
    """Of runs that were made in the same rounds: the median of the rounds' ratios, so that what slowed a whole round
    down weighs on both."""
    return median([ratio(a, b) for a, b in zip(ours, theirs)])


class Sample(NamedTuple):
    """What is readable at one moment: the end of each topic for a reader of committed records, as records since the
    run's begin."""

    at: float
    ends: tuple
    cpu_s: float


class Drain(NamedTuple):
    """first_event_s runs from the start of the process. rate leaves out what was readable with the first event."""

    first_event_s: float
    seconds: float
    rate: float
    steady_cpu_s_per_million: float


def drain_of(samples, began, last_offsets, n_events):
    """last_offsets: of each topic's last event, -1 for a topic without one. All events have to be in the samples."""

    def everything(sample):
        return all(end > last for end, last in zip(sample.ends, last_offsets))

    first = next((s for s in samples if any(s.ends)), None)
    last = next((s for s in samples if everything(s)), None)
    if first is None or last is None:
        raise ValueError("the samples end before the last event was readable")
    ahead = min(sum(first.ends), n_events)
    if last.at <= first.at or n_events - ahead < 1:  # all at once: there is no rate but the whole run's
        seconds, counted, cpu_s = last.at - began, n_events, last.cpu_s
    else:
        seconds, counted, cpu_s = last.at - first.at, n_events - ahead, last.cpu_s - first.cpu_s
    return Drain(first.at - began, seconds, counted / seconds, cpu_s * 1e6 / counted)


def runs_of_json(text):
    """The objects of a program's lines that are JSON; the others are left out."""
    return [json.loads(line) for line in text.splitlines() if line.startswith("{")]
