"""One road through the stack: its source database, its document database, its configuration and its workers."""

import json
import shutil
from typing import NamedTuple

from bank import compare, leatconfig, processes, wait

SETTLE_SECONDS = 60
FATAL = 1  # the exit code of a worker that nobody asked to end
FENCE_COLUMNS = [{"column": "n", "path": "n", "type": "int", "required": True}]


class Failure(NamedTuple):
    exit_code: int
    code: str  # of base/errors.def
    message: str
    hint: str


class Road:
    def __init__(self, servers, binary, name, folder, cluster=None):
        """cluster: a PostgreSQL of the test's own instead of the stack's; it is gone with the test."""
        self.servers = servers if cluster is None else servers.beside(**cluster.env())
        self.cluster = cluster
        self.binary = binary
        self.name = name
        self.folder = folder
        if cluster is None:
            shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True, exist_ok=True)
        self.prefix = name
        self.schema = f"w_{name}"
        self.database = f"s_{name}"
        self.documents_name = f"d_{name}"
        self.slot = f"leat_{name}"
        self.workers = []
        self.tables = {}  # schema.table -> key columns
        self.collections = {}  # name -> columns
        self.n_fences = 0
        self._clear()
        with self.servers.postgres("postgres", autocommit=True) as admin:
            admin.execute(f'create database "{self.database}"')
        self.pg = self.servers.postgres(self.database, autocommit=True)
        self.client = servers.documents()
        self.docs = self.client[self.documents_name]

    # ---- the source ----

    def sql(self, statement, parameters=None):
        return self.pg.execute(statement, parameters)

    def reconnect(self):
        """After PostgreSQL was restarted."""
        self.pg.close()
        self.pg = self.servers.postgres(self.database, autocommit=True)

    def slot_position(self, which="confirmed_flush_lsn"):
        """As a number; None when there is no such slot."""
        row = self.sql(
            f"select {which} - '0/0'::pg_lsn from pg_replication_slots where slot_name = %s", (self.slot,)
        ).fetchone()
        return None if row is None else row[0]

    def end_walsender(self):
        """And wait until it has let the slot go."""
        self.sql("select pg_terminate_backend(active_pid) from pg_replication_slots where slot_name = %s", (self.slot,))
        query = "select 1 from pg_replication_slots where slot_name = %s and active"
        wait.until(lambda: not self.sql(query, (self.slot,)).fetchone(), 30, f"slot {self.slot} to be free")

    def table(self, name, columns, key=("id",)):
        """Creates a table that will be captured; `columns` is what stands between the parentheses."""
        self.sql(f"create table {name} ({columns})")
        self.tables[name] = key

    def collection(self, name, columns):
        self.collections[name] = columns
        return self.docs[name]

    # ---- configuration ----

    def configure(self, core=None, docs=None, sink=None, top=None, file="leat.yaml"):
        """Writes the configuration for the tables and collections declared so far. The arguments override keys: of a
        source, of the sink, and whole sections at the top. A source without tables is left out."""
        sources = []
        if self.tables:
            if "public.fence" not in self.tables:
                self.table("public.fence", "id bigint primary key")
            settings = {"batch_max_age": "100ms", "heartbeat_interval": "500ms"} | (core or {})
            section = {"database": self.database, "slot": self.slot} | settings.pop("postgresql", {})
            sources.append(
                leatconfig.postgresql_source(self.servers, "core", list(self.tables), postgresql=section, **settings)
            )
        if self.collections:
            self.collections.setdefault("doc_fence", FENCE_COLUMNS)
            settings = {"batch_max_age": "100ms", "heartbeat_interval": "500ms"} | (docs or {})
            sources.append(
                leatconfig.document_source(self.servers, "docs", self.documents_name, self.collections, **settings)
            )
        settings = {"batch_max_age": "300ms", "spill_dir": str(self.folder)} | (sink or {})
        names = [source["name"] for source in sources]
        sinks = [leatconfig.sink(self.servers, "warehouse", names, self.schema, self.prefix, **settings)]
        config = leatconfig.config(self.servers, self.prefix, sources, sinks)
        for section, keys in (top or {}).items():
            config[section] = config[section] | keys if isinstance(keys, dict) else keys
        return leatconfig.write(self.folder / file, config)

    # ---- workers ----

    def worker(self, name, *words, config=None):
        made = processes.Worker(name, config or self.folder / "leat.yaml", words, self.folder, self.binary)
        self.workers.append(made)
        return made.start()

    def capture(self, source="core", name=None, config=None):
        return self.worker(name or f"capture-{source}", "capture", source, config=config)

    def sink(self, *words, name="sink", config=None):
        return self.worker(name, "sink", *words, config=config)

    def run(self, *words, config=None, seconds=60, environment=None):
        """A command that ends by itself."""
        return processes.run(
            config or self.folder / "leat.yaml", *words, binary=self.binary, seconds=seconds, environment=environment
        )

    def start(self):
        """All captures and the sink, ready; what is committed from now on is streamed."""
        if not (self.folder / "leat.yaml").exists():
            self.configure()
        started = [self.capture(name) for name in (["core"] if self.tables else []) + (["docs"] if self.collections else [])]
        started.append(self.sink())
        for worker in started:
            worker.wait_ready()
        return started

    def fails(self, *words, config=None, seconds=60):
        """Runs a worker that must end by itself with an error; how it ended."""
        worker = self.worker("-".join(words) + "-fails", *words, config=config)
        exit_code = worker.wait_exit(seconds)
        failures = worker.log_events("worker_failed")
        if failures:
            assert len(failures) == 1, worker.tail()
            return Failure(exit_code, failures[0]["code"], failures[0]["error"], failures[0]["hint"])
        return Failure(exit_code, "", worker.log_text(), "")

    # ---- what arrived ----

    def fence(self):
        """Writes a row into each source after all that was written before."""
        self.n_fences += 1
        if self.tables:
            self.sql("insert into public.fence values (%s)", (self.n_fences,))
        if self.collections:
            self.docs["doc_fence"].insert_one({"_id": str(self.n_fences), "n": self.n_fences})

    def fence_is_visible(self):
        """A batch ends at a source commit: when the fence is visible, all that was committed before it is too."""
        found = []
        with self.servers.warehouse() as connection:
            for table, column, has in (("fence", "id", self.tables), ("doc_fence", "n", self.collections)):
                if has:
                    exists = connection.execute(
                        "select count(*) from pg_tables where schemaname = %s and tablename = %s", (self.schema, table)
                    ).fetchone()[0]
                    highest = None
                    if exists:
                        highest = connection.execute(f'select max({column}) from "{self.schema}".{table}').fetchone()[0]
                    found.append(highest == self.n_fences)
        return all(found)

    def settle(self, seconds=SETTLE_SECONDS):
        """Waits until everything written so far is in the warehouse."""
        self.fence()

        def settled():
            for worker in self.workers:
                failed = not worker.is_alive() and worker.process.returncode == FATAL
                assert not failed, f"{worker.name} ended with {FATAL}\n{worker.tail()}"
            return self.fence_is_visible()

        wait.until(settled, seconds, self.why_not_settled, poll_s=0.2)

    def why_not_settled(self):
        tails = "\n".join(worker.tail() for worker in self.workers)
        return f"fence {self.n_fences} in the warehouse of {self.name}\n{tails}"

    def compare(self, table):
        if table in self.tables:
            return compare.compare_table(self.servers, self.database, table, self.schema, self.tables[table])
        return compare.compare_collection(
            self.servers, self.documents_name, table, self.schema, self.collections[table]
        ).comparison

    def check(self, *tables):
        """Waits until all is in the warehouse, then asks that source and warehouse are equal, row by row."""
        self.settle()
        for table in tables or [*self.tables, *self.collections]:
            comparison = self.compare(table)
            assert comparison.is_equal(), str(comparison)

    def rows(self, table):
        """Of the warehouse, as {column: value}."""
        return compare.warehouse_rows(self.servers, self.schema, table)

    def topic(self, table):
        """Committed records of the topic of "schema.table" or of a collection."""
        name = f"{self.prefix}.{table}" if table in self.tables else f"{self.prefix}.{self.documents_name}.{table}"
        return compare.read_committed(self.servers, name)

    def rejects(self, collection):
        return compare.read_rejects(self.servers, self.prefix, f"{self.prefix}.{self.documents_name}.{collection}")

    def reject_records(self):
        return [json.loads(record.value()) for record in compare.read_committed(self.servers, f"{self.prefix}.leat.rejects")]

    # ---- nothing touched ----

    def traces(self):
        """What leat may have made anywhere: topics, slot, publication, schema, staged objects."""
        found = set(self.servers.topics(f"{self.prefix}."))
        with self.servers.postgres(self.database) as connection:
            for query, name in (
                ("select slot_name from pg_replication_slots where slot_name = %s", self.slot),
                ("select 'publication ' || pubname from pg_publication where pubname like %s", "leat%"),
            ):
                found |= {row[0] for row in connection.execute(query, (name,))}
        with self.servers.warehouse() as connection:
            query = "select schemaname || '.' || tablename from pg_tables where schemaname = %s"
            found |= {row[0] for row in connection.execute(query, (self.schema,))}
        listing = self.servers.s3().list_objects_v2(Bucket=self.servers.env["S3_BUCKET"], Prefix=f"{self.prefix}/")
        return found | {item["Key"] for item in listing.get("Contents", ())}

    # ---- the end ----

    def close(self):
        for worker in self.workers:
            worker.end()
        self.pg.close()
        self.client.close()
        self._clear()

    def _clear(self):
        """Also what an interrupted run of the same test left behind; its topics and subjects too."""
        if self.cluster is None:
            self._clear_source()
        with self.servers.documents() as client:
            client.drop_database(self.documents_name)
        with self.servers.warehouse() as connection:
            connection.execute(f'drop schema if exists "{self.schema}" cascade')
        topics = list(self.servers.topics(f"{self.prefix}."))
        if topics:
            admin = self.servers.kafka_admin()
            for future in admin.delete_topics(topics).values():
                future.result(30)

    def _clear_source(self):
        with self.servers.postgres("postgres", autocommit=True) as admin:
            query = "select pg_terminate_backend(active_pid) from pg_replication_slots where slot_name = %s and active"
            wait.until(lambda: not admin.execute(query, (self.slot,)).fetchall(), 30, f"slot {self.slot} to be free")
            admin.execute(
                "select pg_drop_replication_slot(slot_name) from pg_replication_slots where slot_name = %s", (self.slot,)
            )
            admin.execute(f'drop database if exists "{self.database}" with (force)')
