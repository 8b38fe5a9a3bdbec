"""The source database of the capture bench: its settings, its slots, and what a walsender has cost."""

import os
import subprocess

import psycopg
from bank import wait

from . import processes

SLOT = "bench"  # the one that a peer drains
MASTER = "bench_master"  # the one that it is copied from, and that nobody reads
PUBLICATION = "bench"
# synchronous_commit stays on: a walsender sends what has been flushed, and without it that is what the log writer has
# flushed in its 200 ms, which would be the latency of every peer. The stack has fsync off, so it costs little.
SETTINGS = {
    "shared_buffers": "512MB",
    "wal_sender_timeout": "0",
    "autovacuum": "off",  # its work would fall into some runs and not into others
    "max_wal_size": "16GB",
    "checkpoint_timeout": "1h",
}


class Source:
    def __init__(self, servers):
        self.servers = servers
        connection = servers.postgres(autocommit=True)
        with connection:
            for name, value in SETTINGS.items():
                connection.execute(f"alter system set {name} = '{value}'")
        servers.stack("restart", "postgres")
        self.connection = servers.postgres(autocommit=True)

    def close(self):
        self.connection.close()

    def sql(self, text, parameters=None):
        return self.connection.execute(text, parameters)

    def scalar(self, text, parameters=None):
        row = self.sql(text, parameters).fetchone()
        return row[0] if row else None

    def environment(self):
        """For libpq's programs."""
        env = self.servers.env
        return os.environ | {
            "PGHOST": env["PG_HOST"], "PGPORT": env["PG_PORT"], "PGUSER": env["PG_USER"],
            "PGPASSWORD": env["PG_PASSWORD"], "PGDATABASE": env["PG_DATABASE"],
        }  # fmt: skip

    def program(self, *words):
        """Runs one of PostgreSQL's programs to its end."""
        done = subprocess.run(words, env=self.environment(), stdin=subprocess.DEVNULL, capture_output=True, text=True)
        if done.returncode != 0:
            raise RuntimeError(f"{' '.join(words)}: {done.stderr.strip()[-500:]}")

    def position(self):
        """Where the log ends. Not what was written of it, which may lag behind."""
        return self.scalar("select pg_current_wal_insert_lsn()::text")

    # ---- slots ----

    def drop_slot(self, name):
        """Also one whose reader has just ended, or has to be ended."""

        def dropped():
            pid = self.holder(name)
            if pid:
                self.sql("select pg_terminate_backend(%s)", (pid,))
                return False
            try:
                self.sql("select pg_drop_replication_slot(slot_name) from pg_replication_slots where slot_name = %s",
                         (name,))  # fmt: skip
            except psycopg.errors.ObjectInUse:
                return False
            return True

        wait.until(dropped, 30, f"slot {name} is free")

    def keep_as_master(self):
        """From here on the slot's position is kept, for copies."""
        self.drop_slot(MASTER)
        self.sql("select pg_copy_logical_replication_slot(%s, %s)", (SLOT, MASTER))
        self.drop_slot(SLOT)

    def fresh_slot(self):
        self.drop_slot(SLOT)
        self.sql("select pg_copy_logical_replication_slot(%s, %s)", (MASTER, SLOT))

    def new_slot(self):
        self.drop_slot(SLOT)
        self.sql("select pg_create_logical_replication_slot(%s, 'pgoutput')", (SLOT,))

    def holder(self, name=SLOT):
        """Process id of the walsender that has the slot; None: nobody."""
        return self.scalar("select active_pid from pg_replication_slots where slot_name = %s", (name,))

    def confirmed_beyond(self, lsn):
        return self.scalar(
            "select confirmed_flush_lsn > %s::pg_lsn from pg_replication_slots where slot_name = %s", (lsn, SLOT)
        )

    def publish(self, tables):
        self.sql(f"drop publication if exists {PUBLICATION}")
        self.sql(f"create publication {PUBLICATION} for table {', '.join(tables)}")

    def clear(self):
        """Nothing of a workload is left: slots first, so that its log can go."""
        self.drop_slot(SLOT)
        self.drop_slot(MASTER)
        self.sql(f"drop publication if exists {PUBLICATION}")
        self.sql("drop schema public cascade")
        self.sql("create schema public")
        self.sql("checkpoint")


class Walsender:
    """Costs of whoever reads the slot; asked for often enough, also of one that ends by itself."""

    def __init__(self, source):
        self.source = source
        self.pid = None
        self.cpu_s = 0.0

    def look(self):
        if self.pid is None:
            self.pid = self.source.holder()
        if self.pid is not None:
            self.cpu_s = max(self.cpu_s, processes.cpu_seconds(self.pid) or 0.0)
        return self.cpu_s

    def final(self):
        """While it is still there: a peer whose walsender was never seen was not measured."""
        self.look()
        if self.pid is None:
            raise RuntimeError("no walsender was seen on the slot")
        return self.cpu_s
