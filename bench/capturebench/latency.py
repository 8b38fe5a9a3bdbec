"""Commit to readable, at a steady rate of commits."""

import contextlib
import subprocess
import time

from . import figures, peers, processes, workloads

TABLES = ("public.transactions",)
RATES = (100, 1000, 5000)
ENOUGH = 0.98


def run(world, chosen, rates, seconds):
    found = []
    for peer in chosen:
        world.say(f"latency: {peer.name}")
        world.source.clear()
        world.source.sql(workloads.BANK_TABLE)
        world.source.publish(TABLES)
        peer.prepare_topics(TABLES)
        with streaming(world, peer) as running:
            for place, rate in enumerate(rates):
                done = measure(world, peer, running, rate, seconds, first_id=1 + place * 10**9)
                found.append(done)
                world.say(f"  {rate:,} commits/s: p50 {done['p50_ms']:.1f} ms, p99 {done['p99_ms']:.1f} ms")
                if done["reached"] < rate * ENOUGH:
                    world.say(f"  the writer reached {done['reached']:,.0f}/s only: these are not figures of {rate:,}/s")
        world.topics.delete(peer.topics(TABLES) + peer.own_topics())
    world.source.clear()
    return found


@contextlib.contextmanager
def streaming(world, peer):
    if isinstance(peer, peers.Leat):
        with peer.running(TABLES) as running:
            yield running
    else:
        world.source.new_slot()
        with peer.running() as running:
            yield running


def measure(world, peer, running, rate, seconds, first_id):
    env, times = world.servers.env, world.folder / "latency.us"
    words = [peers.program("bench_latency"), env["KAFKA_BROKERS"], peer.topics(TABLES)[0], first_id, rate, seconds,
             times]  # fmt: skip
    with processes.Child(words, world.folder / "latency.log", world.source.environment(), subprocess.PIPE) as child:
        expect(child, "begin")
        began, cpu_began = time.monotonic(), processes.cpu_seconds(running.pid)
        expect(child, "end")
        ended, cpu_ended = time.monotonic(), processes.cpu_seconds(running.pid)
        summary = figures.runs_of_json(child.line())[0]
        child.wait()
    running.check()
    values = [int(line) / 1000 for line in times.read_text().splitlines()]
    if len(values) != summary["rows"]:
        raise RuntimeError(f"{len(values)} times of {summary['rows']} rows")
    return {
        "peer": peer.name,
        "rate": rate,
        "reached": summary["rows"] / summary["seconds"],
        "rows": summary["rows"],
        "p50_ms": figures.percentile(values, 50),
        "p99_ms": figures.percentile(values, 99),
        "max_ms": max(values),
        "cpu_share": (cpu_ended - cpu_began) / (ended - began),
    }


def expect(child, word):
    line = child.line()
    if line != word:
        raise RuntimeError(f'the latency program said "{line}", not "{word}"')
