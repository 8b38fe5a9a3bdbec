"""Debezium's options that leat has too, under its own names."""


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
