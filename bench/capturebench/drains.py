"""Draining a backlog: how it is made, and the alternating runs."""

from typing import NamedTuple, Optional

from bank import wait

from . import peers
from .source import PUBLICATION


class Backlog(NamedTuple):
    name: str
    tables: tuple
    events: int  # the two fences among them
    load_lsn: str  # after the load and before the first fence
    end_lsn: str  # between the fences
    ledger: Optional[bytes]  # leat's last record before the backlog; None: leat starts for the first time
    has_walsender: bool = True  # a snapshot has none of its own
    snapshot_mode: str = "no_data"  # Debezium's


def prepare(world, workload):
    """Tables and rows, then a master slot with the backlog, and leat's ledger as it is right before it."""
    source, leat = world.source, peers.Leat(world)
    source.clear()
    before = workload.make(source)
    source.publish(workload.tables)
    ledger = make_slot(world, leat, workload, before)
    events = workload.load(source)
    load_lsn = source.position()
    workload.fence(source, 1)
    end_lsn = source.position()
    workload.fence(source, 2)
    source.sql("checkpoint")
    return Backlog(workload.name, workload.tables, events + 2, load_lsn, end_lsn, ledger)


def make_slot(world, leat, workload, before):
    """leat makes the slot, copies what is there, and drains one change more: then its ledger and the slot agree on a
    position, whatever leat writes into its ledger."""
    leat.prepare_topics(workload.tables)
    with leat.running(workload.tables) as running:

        def has(events):
            def look():
                running.check()
                return running.metric("leat_capture_events_total") >= events

            wait.until(look, peers.STALL_S, f"leat has captured {events:,} events ({workload.name})")

        has(before)
        wait.until(lambda: running.check() or world.source.holder(), 60, "leat streams")
        workload.fence(world.source, 0)
        has(before + 1)
    ledger = world.topics.last_value(leat.ledger_topic)
    world.source.keep_as_master()
    return ledger


def rounds(names, n):
    """The order of the peers in each round: everyone is first once before anyone is twice."""
    return [[names[(place + number) % len(names)] for place in range(len(names))] for number in range(n)]


def run(world, workload, chosen, n_rounds):
    """{peer: [run, ...]}; the runs of one round have the same place in their lists."""
    world.say(f"{workload.name}: {workload.title}")
    backlog = prepare(world, workload)
    world.say(f"  {backlog.events:,} changes lie before {PUBLICATION}'s readers")
    by_name = {peer.name: peer for peer in chosen}
    runs = {name: [] for name in by_name}
    for number, order in enumerate(rounds(list(by_name), n_rounds), 1):
        for name in order:
            world.source.fresh_slot()
            done = by_name[name].drain(backlog)
            runs[name].append(done)
            world.say(f"  round {number}, {name}: {done['rate']:,.0f} events/s, "
                      f"{done['cpu_s_per_million']:.2f} CPU s per million")  # fmt: skip
    forget(world, workload, chosen)
    return runs


def forget(world, workload, chosen):
    """The topics' logs and the write-ahead log can go."""
    for peer in chosen:
        if peer.prefix is not None:
            world.topics.delete(peer.topics(workload.tables) + peer.own_topics())
    world.source.clear()
