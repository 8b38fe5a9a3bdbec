"""The first copy of a table, against COPY ... TO STDOUT of the same table over as many connections."""

import threading
import time

from . import drains, peers, processes, workloads

TABLE = "public.transactions"
ROWS = 2_000_000
SQL_COPYING = """select count(*) from pg_stat_activity
    where application_name like 'leat%' and backend_type = 'client backend' and state = 'active'
    and query ilike '%copy (select %'"""


class Connections(threading.Thread):
    """The most connections that leat has copied over at one time."""

    def __init__(self, servers):
        super().__init__(daemon=True)
        self.connection = servers.postgres(autocommit=True)
        self.most = 0
        self.ended = threading.Event()

    def run(self):
        while not self.ended.wait(0.02):
            self.most = max(self.most, self.connection.execute(SQL_COPYING).fetchone()[0])

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.ended.set()
        self.join()
        self.connection.close()


def copy_out(world, n_rows, n_connections):
    """psql to /dev/null, each its share of the table's pages."""
    pages = world.source.scalar("select pg_relation_size(%s::regclass) / 8192", (TABLE,))
    share = -(-pages // n_connections)
    began = time.monotonic()
    children = []
    try:
        for i in range(n_connections):
            query = (f"\\copy (select * from {TABLE} where ctid >= '({i * share},0)'::tid and "
                     f"ctid < '({(i + 1) * share},0)'::tid) to '/dev/null'")  # fmt: skip
            words = ["/usr/bin/psql", "-XAt", "-v", "ON_ERROR_STOP=1", "-c", query]
            children.append(processes.Child(words, world.folder / f"copy{i}.log", world.source.environment()))
        for child in children:
            child.wait(600)
        seconds = time.monotonic() - began
        copied = sum(int(child.tail().rsplit(" ", 1)[1]) for child in children)
    finally:
        for child in children:
            child.__exit__()
    if copied != n_rows:
        raise RuntimeError(f"COPY gave {copied:,} rows of {n_rows:,}")
    return {"rate": n_rows / seconds, "wall_s": seconds, "connections": n_connections}


def snapshot(world, peer, n_rows):
    """A first start: no slot, no ledger. Counted by the topic, as a drain."""
    world.source.drop_slot("bench")
    backlog = drains.Backlog(
        "snapshot", (TABLE,), n_rows, "", "", None, has_walsender=False, snapshot_mode="initial_only"
    )
    if isinstance(peer, peers.Leat):
        with Connections(world.servers) as connections:
            run = peer.drain(backlog)
        return run | {"connections": connections.most}
    return peer.drain(backlog) | {"connections": 1}


def run(world, chosen, scale, n_rounds):
    """{peer: [run, ...]}, `copy` among them: over as many connections as leat had in that round."""
    source, n_rows = world.source, workloads.scaled(ROWS, scale)
    world.say(f"snapshot: {n_rows:,} of the bank's rows")
    source.clear()
    source.sql(workloads.BANK_TABLE)
    source.sql(workloads.BANK_ROWS.format(table=TABLE), (1, n_rows))
    source.sql("vacuum analyze transactions")
    source.publish([TABLE])
    runs = {peer.name: [] for peer in chosen}
    runs["copy"] = []
    leat_first = sorted(chosen, key=lambda peer: peer.name != "leat")
    for number in range(1, n_rounds + 1):
        for peer in leat_first:
            runs[peer.name].append(snapshot(world, peer, n_rows))
        n_connections = runs["leat"][-1]["connections"] if runs.get("leat") else 1
        world.say(f"  round {number}: COPY over {max(1, n_connections)} of {n_connections} connections seen")
        runs["copy"].append(copy_out(world, n_rows, max(1, n_connections)))
        world.say("  round {}: {}".format(
            number, ", ".join(f"{name} {done[-1]['rate']:,.0f} rows/s" for name, done in runs.items())))  # fmt: skip
    for peer in chosen:
        world.topics.delete(peer.topics([TABLE]) + peer.own_topics())
    source.clear()
    return runs
