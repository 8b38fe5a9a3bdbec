"""Labels that an enum gains while it is captured."""


def test_labels_that_come_later(twin):
    twin.sql("create type mood as enum ('good', 'bad')")
    twin.sql("create table altered_enum (id int primary key, m mood, ms mood[])")
    twin.sql("insert into altered_enum values (1, 'good', '{good,bad}')")
    twin.start()
    twin.sql("insert into altered_enum values (2, 'bad', null)")
    twin.settle()
    twin.sql("alter type mood add value 'new'")
    twin.sql("insert into altered_enum values (3, 'new', '{new,good}')")
    with twin.pg.transaction():
        twin.sql("alter type mood rename value 'bad' to 'awful'")
        twin.sql("insert into altered_enum values (4, 'awful', null)")
    twin.sql("update altered_enum set m = 'new'")
    twin.settle()
    twin.sql("alter table altered_enum add n int")
    twin.sql("update altered_enum set m = 'new', n = 1")
    twin.sql("delete from altered_enum")
    twin.check(minimum=16)
