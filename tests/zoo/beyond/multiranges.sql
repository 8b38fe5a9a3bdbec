-- Multiranges, from PostgreSQL 14: Debezium leaves them out.
-- tables
create schema if not exists zoo;
create table zoo.multiranges (id int primary key, what text not null, c_int4 int4multirange, c_num nummultirange, c_ts tsmultirange);
-- rows
insert into zoo.multiranges values (1, 'null', null, null, null), (2, 'empty', '{}', '{}', '{}'), (3, 'some', '{[1,3),[5,7)}', '{(,1.5],[2,)}', '{[2024-02-29 00:00,2024-03-01 00:00)}');
-- changes
update zoo.multiranges set what = what || ', again';
