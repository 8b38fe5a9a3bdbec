"""Random tables, changes of rows and changes of tables, the same ones for the same seed."""

import itertools
import json
import random
import uuid

TEXTS = ("", "a", "plain text", "null", "é", "日本語", "😀", 'quo"te', "back\\slash", "tab\tnewline\n", " blanks ")


def some_text(rng):
    return rng.choice(TEXTS) + str(rng.randrange(1000))


# A type as DDL has it, and values for it.
TYPES = {
    "smallint": lambda rng: rng.randint(-(2**15), 2**15 - 1),
    "int": lambda rng: rng.randint(-(2**31), 2**31 - 1),
    "bigint": lambda rng: rng.randint(-(2**63), 2**63 - 1),
    "boolean": lambda rng: rng.random() < 0.5,
    "double precision": lambda rng: rng.choice([0.0, 1.5, -2.25e100, rng.random()]),
    "numeric(12,3)": lambda rng: f"{rng.randint(-10**9, 10**9)}.{rng.randrange(1000):03}",
    "text": some_text,
    "varchar(40)": some_text,
    "uuid": lambda rng: str(uuid.UUID(int=rng.getrandbits(128))),
    "bytea": lambda rng: rng.randbytes(rng.randrange(8)),
    "jsonb": lambda rng: json.dumps({some_text(rng): rng.randrange(10)}),
    "date": lambda rng: f"20{rng.randrange(100):02}-{rng.randint(1, 12):02}-{rng.randint(1, 28):02}",
    "timestamp(3)": lambda rng: f"2024-02-29 12:34:{rng.randrange(60):02}.{rng.randrange(1000):03}",
    "timestamptz": lambda rng: f"2024-02-29 12:34:56.{rng.randrange(10**6):06}+00",
}
WIDER = {"smallint": "int", "int": "bigint", "varchar(40)": "text", "numeric(12,3)": "text", "date": "timestamptz"}
WIDE_BYTES = 9000  # is stored outside of the row


def quoted(name):
    return '"' + name.replace('"', '""') + '"'


class Table:
    def __init__(self, schema, name, key, columns, identity="default", partitioned=False):
        self.schema = schema
        self.name = name
        self.key = key  # {column: type}; {}: rows are only added, and all go at a truncate
        self.columns = columns  # {column: (type, NULL is allowed)}, without the key's
        self.identity = identity
        self.partitioned = partitioned
        self.rows = []  # keys, as tuples

    def __str__(self):
        return f"{quoted(self.schema)}.{quoted(self.name)}"

    def ddl(self):
        parts = [f"{quoted(name)} {kind}" for name, kind in self.key.items()]
        parts += [f"{quoted(name)} {kind}{'' if null else ' not null'}" for name, (kind, null) in self.columns.items()]
        if self.key:
            parts.append(f"primary key ({', '.join(map(quoted, self.key))})")
        yield f"create table {self} ({', '.join(parts)})" + (" partition by hash (id)" if self.partitioned else "")
        for i in range(2 if self.partitioned else 0):
            partition = f"{quoted(self.schema)}.{quoted(f'{self.name}_{i}')}"
            yield f"create table {partition} partition of {self} for values with (modulus 2, remainder {i})"
            if self.identity != "default":
                yield f"alter table {partition} replica identity {self.identity}"
        if self.identity != "default":
            yield f"alter table {self} replica identity {self.identity}"


def first_tables():
    mixed = {"note": ("text", True), "Amount": ("numeric(12,3)", True), "flag": ("boolean", False)}
    wide = {"what": ("text", False), "wide": ("text", True), "wide_json": ("jsonb", True), "wide_bytes": ("bytea", True)}
    return [
        Table("public", "plain", {"id": "int"}, {"a": ("text", True), "b": ("bigint", False), "c": ("timestamptz", True)}),
        Table("public", "MixedCase", {"Id": "bigint"}, mixed),
        Table("public", "tábla ☃", {"klíč 1": "uuid"}, {"hodnota": ("varchar(40)", True), "a b": ("date", True)}),
        Table("sales", "items", {"id": "int"}, {"v": ("text", False)}),
        Table("archive", "items", {"b": "text", "a": "int"}, {"v": ("text", False), "d": ("double precision", True)}),
        Table("public", "whole", {"id": "int"}, {"a": ("text", True), "b": ("bytea", False)}, "full"),
        Table("public", "wide", {"id": "int"}, wide),
        Table("public", "wide_whole", {"id": "int"}, wide, "full"),
        Table("public", "log", {}, {"at": ("timestamp(3)", True), "what": ("text", False)}),
        Table("public", "parts", {"id": "int"}, {"v": ("text", True), "n": ("int", False)}, partitioned=True),
    ]


class Workload:
    def __init__(self, sql, seed):
        """sql: executes a statement with parameters, outside of a transaction unless told to begin one."""
        self.sql = sql
        self.rng = random.Random(seed)
        self.numbers = itertools.count(1)
        self.tables = first_tables()
        for schema in ("sales", "archive"):
            sql(f"create schema {schema}")
        for table in self.tables:
            self._create(table)

    def _create(self, table):
        for statement in table.ddl():
            self.sql(statement)
        if table.name.startswith("wide"):
            for column in ("wide", "wide_json", "wide_bytes"):
                self.sql(f"alter table {table} alter {column} set storage external")

    # ---- rows ----

    def _key(self, table):
        """A key that was never used."""
        number = next(self.numbers)
        made = {
            "int": lambda: number,
            "bigint": lambda: number + 2**40,
            "text": lambda: f"{self.rng.choice(TEXTS)}{number}",
            "uuid": lambda: str(uuid.UUID(int=number)),
        }
        return tuple(made[kind]() for kind in table.key.values())

    def _value(self, table, column):
        kind, null = table.columns[column]
        if null and self.rng.random() < 0.2:
            return None
        if column == "wide" and self.rng.random() < 0.7:
            return some_text(self.rng) * WIDE_BYTES
        if column == "wide_json" and self.rng.random() < 0.7:
            return json.dumps({"k": "".join(self.rng.choices("abcdefgh", k=WIDE_BYTES))})
        if column == "wide_bytes" and self.rng.random() < 0.7:
            return self.rng.randbytes(WIDE_BYTES)
        return TYPES[kind](self.rng)

    def insert(self, table):
        key = self._key(table)
        columns = [*table.key, *table.columns]
        values = [*key, *(self._value(table, column) for column in table.columns)]
        marks = ", ".join(["%s"] * len(values))
        self.sql(f"insert into {table} ({', '.join(map(quoted, columns))}) values ({marks})", values)
        if key:
            table.rows.append(key)

    def _where(self, table):
        return " and ".join(f"{quoted(column)} = %s" for column in table.key)

    def update(self, table):
        if not table.rows:
            return self.insert(table)
        key = self.rng.choice(table.rows)
        columns = self.rng.sample(list(table.columns), self.rng.randint(1, len(table.columns)))
        values = [self._value(table, column) for column in columns]
        assignments = ", ".join(f"{quoted(column)} = %s" for column in columns)
        self.sql(f"update {table} set {assignments} where {self._where(table)}", [*values, *key])

    def change_key(self, table):
        if not table.rows:
            return self.insert(table)
        old, new = self.rng.choice(table.rows), self._key(table)
        if self.rng.random() < 0.5:  # one column of a key only
            new = (*old[:-1], new[-1])
        assignments = ", ".join(f"{quoted(column)} = %s" for column in table.key)
        self.sql(f"update {table} set {assignments} where {self._where(table)}", [*new, *old])
        table.rows[table.rows.index(old)] = new

    def delete(self, table):
        if not table.rows:
            return self.insert(table)
        key = table.rows.pop(self.rng.randrange(len(table.rows)))
        self.sql(f"delete from {table} where {self._where(table)}", key)

    def change(self):
        table = self.rng.choice(self.tables)
        if not table.key:
            return self.insert(table)
        actions = [(self.insert, 40), (self.update, 40), (self.change_key, 8), (self.delete, 12)]
        action = self.rng.choices(*zip(*actions))[0]
        action(table)

    # ---- transactions ----

    def _kept(self):
        return [(table, list(table.rows)) for table in self.tables]

    @staticmethod
    def _restore(kept):
        for table, rows in kept:
            table.rows = rows

    def savepoint(self, depth=0):
        """A subtransaction, released or rolled back, perhaps with others inside."""
        name, kept = f"s{next(self.numbers)}", self._kept()
        self.sql(f"savepoint {name}")
        for _ in range(self.rng.randint(1, 3)):
            self.change()
        if depth < 2 and self.rng.random() < 0.4:
            self.savepoint(depth + 1)
        if self.rng.random() < 0.5:
            self.sql(f"rollback to savepoint {name}")
            self._restore(kept)
        else:
            self.sql(f"release savepoint {name}")

    def transaction(self):
        kind = self.rng.random()
        if kind < 0.3:
            return self.change()  # alone, without begin
        kept = self._kept()
        self.sql("begin")
        for _ in range(self.rng.randint(1, 6)):
            if self.rng.random() < 0.2:
                self.savepoint()
            else:
                self.change()
        if self.rng.random() < 0.05:
            self.truncate()
        if self.rng.random() < 0.15:
            self.sql("rollback")
            self._restore(kept)
        else:
            self.sql("commit")

    def truncate(self):
        tables = self.rng.sample(self.tables, self.rng.randint(1, 2))
        self.sql(f"truncate {', '.join(map(str, tables))}{self.rng.choice(['', ' restart identity cascade'])}")
        for table in tables:
            table.rows = []

    # ---- tables ----

    def alter(self):
        """One change of a table. Nothing of it may be in flight: Debezium reads the catalog as it is when it gets the
        next row, not as it was."""
        table = self.rng.choice([table for table in self.tables if not table.name.startswith("wide")])
        actions = [self.add_column, self.add_required_column, self.drop_column, self.rename_column, self.widen_column,
                   self.change_identity, self.create_table]  # fmt: skip
        return self.rng.choice(actions)(table)

    def add_column(self, table):
        kind = self.rng.choice(list(TYPES))
        name = self.rng.choice(["nový", "New Col", "added", "1st", "a-b"]) + str(next(self.numbers))
        self.sql(f"alter table {table} add {quoted(name)} {kind}")
        table.columns[name] = (kind, True)

    def add_required_column(self, table):
        """With a default, which the rows that are there get."""
        name = f"required{next(self.numbers)}"
        self.sql(f"alter table {table} add {quoted(name)} text not null default 'some'")
        table.columns[name] = ("text", False)

    def drop_column(self, table):
        if len(table.columns) < 2:
            return self.add_column(table)
        name = self.rng.choice(list(table.columns))
        self.sql(f"alter table {table} drop {quoted(name)}")
        del table.columns[name]

    def rename_column(self, table):
        old, new = self.rng.choice(list(table.columns)), f"renamed{next(self.numbers)}"
        self.sql(f"alter table {table} rename {quoted(old)} to {quoted(new)}")
        table.columns = {new if name == old else name: kind for name, kind in table.columns.items()}

    def widen_column(self, table):
        names = [name for name, (kind, _) in table.columns.items() if kind in WIDER]
        if not names:
            return self.add_column(table)
        name = self.rng.choice(names)
        kind, null = table.columns[name]
        self.sql(f"alter table {table} alter {quoted(name)} type {WIDER[kind]} using {quoted(name)}::{WIDER[kind]}")
        table.columns[name] = (WIDER[kind], null)

    def change_identity(self, table):
        if not table.key or table.partitioned:
            return self.add_column(table)
        table.identity = "full" if table.identity == "default" else "default"
        self.sql(f"alter table {table} replica identity {table.identity}")

    def create_table(self, _table):
        made = Table("public", f"made {next(self.numbers)}", {"id": "int"}, {"v": ("text", True)})
        self.tables.append(made)
        self._create(made)
