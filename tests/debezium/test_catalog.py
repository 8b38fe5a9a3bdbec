"""What the server does not announce and only the catalog says: labels of enums, defaults. Nothing may be in flight when
it changes: both read the catalog as it is when a table is announced, not as it was."""


def test_labels_and_defaults_change(twin):
    twin.sql("create type mood as enum ('good', 'bad')")
    twin.sql("create table altered_enum (id int primary key, m mood, ms mood[])")
    twin.sql("create table altered_default (id int primary key, a int default 1, b text default 'x', c timestamptz not null default now())")
    twin.sql("insert into altered_enum values (1, 'good', '{good,bad}')")
    twin.sql("insert into altered_default (id) values (1)")
    twin.start()
    twin.sql("insert into altered_enum values (2, 'bad', null)")
    twin.sql("insert into altered_default (id) values (2)")
    twin.settle()
    twin.sql("alter table altered_default alter a set default 2, alter b drop default, alter c drop default")
    twin.sql("alter type mood add value 'new'")
    twin.sql("insert into altered_enum values (3, 'new', '{new,good}')")
    with twin.pg.transaction():
        twin.sql("alter type mood rename value 'bad' to 'awful'")
        twin.sql("insert into altered_enum values (4, 'awful', null)")
    twin.sql("update altered_enum set m = 'new'")
    twin.sql("insert into altered_default (id, c) values (3, now())")
    twin.sql("update altered_default set b = 'y' where id = 2")
    twin.settle()
    twin.sql("alter table altered_default alter a drop default, alter b set default lower('B')")
    twin.sql("alter table altered_enum add n int")
    twin.sql("update altered_enum set m = 'new', n = 1")
    twin.sql("delete from altered_enum")
    twin.sql("insert into altered_default (id, c) values (4, now())")
    twin.sql("analyze altered_default")  # the server announces the table again
    twin.sql("delete from altered_default")
    twin.check(minimum=30)
    records = twin.records("leat", ["public.altered_default"])["public.altered_default"]
    versions = {str(record.value_schema) for record in records if record.value is not None}
    assert len(versions) == 3, "one for each change"
