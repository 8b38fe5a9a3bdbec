"""One database that Debezium and leat read side by side, each with a slot and a publication of its own."""

from bank import connect, leatconfig, processes, wait
from comparison import Side, compare_topic

SETTLE_SECONDS = 60
FENCE = "leat_fence"
CONNECTOR = {
    "skipped.operations": "none",  # it skips truncates when nothing is said
    "publication.autocreate.mode": "disabled",
    "poll.interval.ms": "50",  # how soon, not what
}


class Twin:
    def __init__(self, servers, reader, binary, worker, ledger, name, folder):
        self.servers = servers
        self.reader = reader
        self.binary = binary
        self.connect = worker
        self.ledger = ledger
        self.name = name
        self.folder = folder
        self.folder.mkdir(parents=True, exist_ok=True)
        self.database = f"dbz_{name}"
        self.slots = {"debezium": f"dbz_{name}", "leat": f"leat_dbz_{name}"}
        self.prefixes = {"debezium": f"theirs_{name}", "leat": f"ours_{name}"}
        self.capture = None
        self.n_fences = 0
        self._clear()
        with servers.postgres("postgres", autocommit=True) as admin:
            admin.execute(f'create database "{self.database}"')
        self.pg = servers.postgres(self.database, autocommit=True)
        self.sql(f"create table {FENCE} (id int primary key)")

    def sql(self, statement, parameters=None):
        return self.pg.execute(statement, parameters)

    # ---- the two readers ----

    def start(self, publish="for all tables", connector=None, source=None, postgresql=None):
        """Both make their first copy, then stream. `connector` are settings of Debezium's connector, `source` and
        `postgresql` of leat's configuration."""
        for slot in self.slots.values():
            self.sql(f"create publication {slot} {publish}")
        self._start_leat(source or {}, postgresql or {})
        settings = connect.postgresql(
            self.servers, self.prefixes["debezium"], self.database, self.slots["debezium"], self.slots["debezium"]
        )
        self.connect.add(self.name, settings | connect.avro(self.servers) | CONNECTOR | (connector or {}))
        self.connect.wait_streaming(self.name, self.slots["debezium"], servers=self.servers)
        wait.until(lambda: self.capture.log_events("snapshot_done"), SETTLE_SECONDS, self.capture.tail)
        self.settle()

    def _start_leat(self, source, postgresql):
        slot = self.slots["leat"]
        section = {"database": self.database, "slot": slot, "publication": slot, "publication_create": False}
        section["snapshot_added_tables"] = False  # Debezium never does, and when leat does is a matter of time
        settings = {"batch_max_age": "100ms", "heartbeat_interval": "500ms"} | source
        made = leatconfig.postgresql_source(self.servers, "core", [], postgresql=section | postgresql, **settings)
        config = leatconfig.config(self.servers, self.prefixes["leat"], [made], [])
        path = leatconfig.write(self.folder / "leat.yaml", config)
        self.capture = processes.Worker("capture", path, ["capture", "core"], self.folder, self.binary).start()

    def settle(self, seconds=SETTLE_SECONDS):
        """Until both have published everything that was committed so far."""
        self.n_fences += 1
        self.sql(f"insert into {FENCE} values (%s)", (self.n_fences,))

        def arrived(side):
            topic = self.topic(side, f"public.{FENCE}")
            if side == "leat":
                assert self.capture.is_alive(), f"leat ended\n{self.capture.tail()}"
            else:
                state = self.connect.state(self.name)
                assert not state.startswith("FAILED"), state
            return len(self.reader.messages([topic])[topic]) >= self.n_fences

        for side in self.prefixes:
            wait.until(
                lambda side=side: arrived(side),
                seconds,
                lambda side=side: f"{side} at fence {self.n_fences}\n{self.capture.tail()}\n{self.connect.tail()}",
                poll_s=0.05,
            )

    # ---- what they wrote ----

    def topics(self, side):
        """Names without the prefix, leat's own topics left out."""
        prefix = self.prefixes[side] + "."
        names = {name.removeprefix(prefix) for name in self.servers.topics(prefix)}
        return {name for name in names if not name.startswith("leat.")}

    def topic(self, side, name):
        return f"{self.prefixes[side]}.{name}"

    def records(self, side, names):
        """{name: records}"""
        found = self.reader.records([self.topic(side, name) for name in names])
        return {name: found[self.topic(side, name)] for name in names}

    def check(self, minimum=1):
        """Every topic, record by record. How many records were compared."""
        self.settle()
        theirs, ours = (self.records(side, self.topics(side)) for side in ("debezium", "leat"))
        found = [f"topic {topic}: only Debezium has it" for topic in sorted(theirs.keys() - ours.keys())]
        for topic in sorted(ours.keys() - theirs.keys()):
            if ours[topic]:
                found.append(f"topic {topic}: only leat has it")
            else:
                self.ledger.count("topics of empty tables")
        n = 0
        for topic in sorted(theirs.keys() & ours.keys()):
            sides = Side(self.prefixes["debezium"], theirs[topic]), Side(self.prefixes["leat"], ours[topic])
            found += compare_topic(topic, *sides, self.ledger)
            n += len(theirs[topic])
        assert not found, f"{len(found)} differences\n" + "\n".join(found[:200])
        assert n >= minimum, f"only {n} records were compared"
        return n

    # ---- the end ----

    def close(self):
        if self.capture is not None:
            self.capture.end()
        self.connect.forget(self.name)
        self.pg.close()
        self._clear()

    def _clear(self):
        """Also what an interrupted run of the same test left behind."""
        with self.servers.postgres("postgres", autocommit=True) as admin:
            for slot in self.slots.values():
                admin.execute(
                    "select pg_terminate_backend(active_pid, 10000) from pg_replication_slots"
                    " where slot_name = %s and active",
                    (slot,),
                )
                self.connect.wait_idle(slot, servers=self.servers)
                admin.execute(
                    "select pg_drop_replication_slot(slot_name) from pg_replication_slots where slot_name = %s", (slot,)
                )
            admin.execute(f'drop database if exists "{self.database}" with (force)')
        topics = [name for prefix in self.prefixes.values() for name in self.servers.topics(f"{prefix}.")]
        if topics:
            admin = self.servers.kafka_admin()
            for future in admin.delete_topics(topics).values():
                future.result(30)
