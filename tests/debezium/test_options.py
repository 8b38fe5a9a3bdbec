"""Debezium's options that leat has too, under its own names."""

import psycopg

from bank import wait


def changes(twin, table="t"):
    twin.sql(f"insert into {table} (id, v) values (1, 'a'), (2, 'b')")
    twin.sql(f"update {table} set v = 'c' where id = 1")
    twin.sql(f"update {table} set id = 3 where id = 2")
    twin.sql(f"delete from {table}")


def test_no_tombstones(twin):
    twin.sql("create table t (id int primary key, v text)")
    twin.start(connector={"tombstones.on.delete": "false"}, postgresql={"tombstones_on_delete": False})
    changes(twin)
    twin.check(minimum=8)
    assert all(record.value is not None for record in twin.records("leat", ["public.t"])["public.t"])


def test_origin(twin):
    """A transaction that was replicated into the source says where it was made."""
    twin.sql("create table t (id int primary key, v text)")
    twin.start()
    twin.sql("select pg_replication_origin_create('other side')")
    try:
        twin.sql("select pg_replication_origin_session_setup('other side')")
        with twin.pg.transaction():
            twin.sql("select pg_replication_origin_xact_setup('0/1234', now())")
            changes(twin)
        twin.sql("select pg_replication_origin_session_reset()")
        changes(twin)
        twin.check(minimum=12)
    finally:
        twin.sql("select pg_replication_origin_drop('other side')")
    origins = [record.value["source"]["origin"] for record in twin.records("leat", ["public.t"])["public.t"] if record.value]
    assert origins[0] == "other side" and origins[-1] is None


def test_heartbeats(twin):
    """A record with the wall clock in a topic of its own, also when nothing happens."""
    twin.sql("create table t (id int primary key, v text)")
    twin.start(connector={"heartbeat.interval.ms": "200"},
               source={"heartbeat_interval": "200ms"}, postgresql={"heartbeat_topic": True})  # fmt: skip

    def heartbeats(side):
        topic = f"__debezium-heartbeat.{twin.prefixes[side]}"
        return twin.reader.records([topic])[topic]

    for side in twin.prefixes:
        before = len(heartbeats(side))
        wait.until(lambda: len(heartbeats(side)) > before + 2, 20, f"heartbeats of {side}")
    changes(twin)
    twin.check(minimum=8)
    theirs, ours = (heartbeats(side)[-1] for side in ("debezium", "leat"))
    assert ours.key == {"serverName": twin.prefixes["leat"]} and theirs.key == {"serverName": twin.prefixes["debezium"]}
    assert abs(ours.value["ts_ms"] - theirs.value["ts_ms"]) < 60_000 and ours.value.keys() == theirs.value.keys()
    assert ours.key_schema == theirs.key_schema
    assert ours.value_schema == theirs.value_schema


def test_messages(twin):
    """Logical messages, inside of transactions and outside, and of one that is rolled back."""
    twin.sql("create table t (id int primary key, v text)")
    twin.start()
    with twin.pg.transaction():
        twin.sql("select pg_logical_emit_message(true, 'outbox', 'first')")
        twin.sql("insert into t values (1, 'a')")
        twin.sql("select pg_logical_emit_message(true, '', 'second é')")
    twin.sql("select pg_logical_emit_message(false, 'plain', decode('00ff01', 'hex'))")
    with twin.pg.transaction() as transaction:
        twin.sql("select pg_logical_emit_message(true, 'outbox', 'never')")
        raise psycopg.Rollback(transaction)
    twin.sql("select pg_logical_emit_message(true, 'outbox', '')")
    twin.check(minimum=5)
    assert len(twin.records("leat", ["message"])["message"]) == 4


def test_chosen_keys(twin):
    """Other columns than the primary key's, in another order; a change of them is a change of the key."""
    twin.sql("create table t (id int primary key, v text not null, w int not null, x text)")
    twin.sql("alter table t replica identity full")
    twin.sql("insert into t values (7, 'copied', 1, 'x')")
    twin.start(connector={"message.key.columns": "public.t:w,v"}, postgresql={"message_key_columns": ["public.t:w,v"]})
    twin.sql("insert into t values (1, 'a', 1, null), (2, 'a', 2, 'x')")
    twin.sql("update t set x = 'y' where id = 1")
    twin.sql("update t set w = 3 where id = 1")
    twin.sql("update t set id = 4 where id = 1")
    twin.sql("delete from t")
    twin.check(minimum=13)
    keys = [record.key for record in twin.records("leat", ["public.t"])["public.t"]]
    assert keys[0] == {"w": 1, "v": "copied"}
