"""The key of a table without a primary one, and of one whose identity is another index."""

EQUAL = {  # table: (DDL, key of its rows); a row has a, b, and v
    "one": ("create table one (a int not null, b text not null, v text, unique (b, a)); alter table one replica identity full", ["b", "a"]),
    "first_by_name": ("create table first_by_name (a int not null, b text not null, v text); create unique index z on first_by_name (b);"
                      " create unique index y on first_by_name (a); alter table first_by_name replica identity full", ["a"]),
    "clustered": ("create table clustered (a int not null, b text not null, v text); create unique index c_z on clustered (b);"
                  " create unique index c_y on clustered (a); alter table clustered cluster on c_z, replica identity full", ["b"]),
    "expression": ("create table expression (a int not null, b text not null, v text); create unique index e_a on expression (lower(b));"
                   " create unique index e_b on expression ((a + 1)); create unique index e_c on expression (b);"
                   " alter table expression replica identity full", ["b"]),
    "quoted": ('create table quoted (a int not null, b text not null, v text, "Key 1" int not null unique default 7);'
               " alter table quoted replica identity full", ["Key_1"]),
    "identity": ("create table identity (a int not null, b text not null, v text); create unique index i_b on identity (b);"
                 " alter table identity replica identity using index i_b", ["b"]),
    "within": ("create table within (a int primary key, b text not null, v text); create unique index w_ba on within (b, a);"
               " alter table within replica identity using index w_ba", ["a"]),
}  # fmt: skip
INSERTED = {  # the server refuses updates and deletes of these
    "inserts": ("create table inserts (a int not null, b text not null, v text); create unique index on inserts (a, b)", ["a", "b"]),
    "nothing": ("create table nothing (a int not null unique, b text not null, v text); alter table nothing replica identity nothing", ["a"]),
}  # fmt: skip
OTHER = {  # what Debezium takes is no key; leat takes another index
    "beside": ("create table beside (id int primary key, a int not null, b text not null, v text); create unique index o_b on beside (b);"
               " alter table beside replica identity using index o_b", ["b"]),
    "beside_first": ("create table beside_first (a int not null, b text not null, v text); create unique index f_a on beside_first (a);"
                     " create unique index f_b on beside_first (b); alter table beside_first replica identity using index f_b", ["b"]),
    "partial": ("create table partial (a int not null, b text not null, v text); create unique index p_a on partial (a) where v <> '';"
                " create unique index p_b on partial (b); alter table partial replica identity full", ["b"]),
    "nullable": ("create table nullable (a int, b text not null, v text); create unique index n_a on nullable (a);"
                 " create unique index n_b on nullable (b); alter table nullable replica identity full", ["b"]),
    "included": ("create table included (a int not null, b text not null, v text); create unique index i_a on included (a) include (v);"
                 " alter table included replica identity full", ["a"]),
    "late": ("create table late (a int not null constraint l_a unique deferrable, b text not null constraint l_b unique, v text);"
             " alter table late replica identity full", ["b"]),
}  # fmt: skip


def create(twin, schema, tables):
    twin.sql(f"create schema {schema}")
    twin.sql(f"set search_path = {schema}, public")
    for ddl, _ in tables.values():
        twin.sql(ddl)


def change_uniques(twin):
    for table in EQUAL:
        values = "(3, 'inserted', null, 8)" if table == "quoted" else "(3, 'inserted', null)"
        twin.sql(f"insert into uniques.{table} values {values}")
        twin.sql(f"update uniques.{table} set v = 'y'")
        twin.sql(f"update uniques.{table} set a = 4, b = 'other' where a = 3")
        twin.sql(f"delete from uniques.{table}")
    for table in INSERTED:
        twin.sql(f"insert into uniques.{table} values (3, 'inserted', null)")
    twin.sql("insert into uniques.later values (3, 'inserted', null)")
    twin.settle()
    twin.sql("create unique index on uniques.later (b)")
    twin.sql("update uniques.later set v = 'y'")
    twin.sql("delete from uniques.later")


def change_others(twin):
    """Nothing by which Debezium's key would change, or be null."""
    for table in OTHER:
        columns = "id, a, b, v" if table == "beside" else "a, b, v"
        rows = ("5, 1, 'one', 'x'", "6, 3, 'two', 'y'") if table == "beside" else ("1, 'one', 'x'", "3, 'two', 'y'")
        for row in rows:
            twin.sql(f"insert into no_keys.{table} ({columns}) values ({row})")
        if table != "included":
            twin.sql(f"update no_keys.{table} set v = 'z' where v = 'y'")
        twin.sql(f"delete from no_keys.{table}")


def keys(twin, schema, table):
    records = twin.records("leat", [f"{schema}.{table}"])[f"{schema}.{table}"]
    return [None if record.key is None else list(record.key) for record in records]


def test_keys_of_tables_without_a_primary_one(twin):
    create(twin, "no_keys", OTHER)
    create(twin, "uniques", EQUAL | INSERTED)
    twin.sql("create table later (a int not null, b text not null, v text)")
    twin.sql("alter table later replica identity full")
    for table in EQUAL | INSERTED | {"later": None}:
        twin.sql(f"insert into {table} (a, b, v) values (1, 'copied', 'x')")
    twin.start()
    change_uniques(twin)
    change_others(twin)
    twin.check(minimum=100)
    for schema, tables in (("uniques", EQUAL | INSERTED), ("no_keys", OTHER)):
        for table, (_, key) in tables.items():
            assert all(found == key for found in keys(twin, schema, table)), table
    assert keys(twin, "uniques", "later") == [None, None] + 6 * [["b"]]
