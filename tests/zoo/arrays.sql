-- Arrays of one dimension.
-- tables
create schema if not exists zoo;
create type zoo.mood as enum ('sad', 'ok', 'very happy', 'quote"d', 'com,ma');
create domain zoo.short_text as varchar(10);
create domain zoo.int_list as int[];
create table zoo.arrays (
    id int primary key, what text not null,
    a_bool boolean[], a_int2 smallint[], a_int4 integer[], a_int8 bigint[], a_float4 real[], a_float8 double precision[],
    a_num numeric[], a_num_10_2 numeric(10, 2)[], a_text text[], a_varchar varchar(20)[], a_bpchar char(3)[], a_bytea bytea[],
    a_uuid uuid[], a_json json[], a_jsonb jsonb[], a_date date[], a_ts timestamp[], a_ts_3 timestamp(3)[],
    a_tstz timestamptz[], a_inet inet[], a_cidr cidr[], a_macaddr macaddr[], a_oid oid[], a_int4range int4range[],
    a_numrange numrange[], a_tstzrange tstzrange[], a_domain zoo.int_list);
create table zoo.enum_arrays (id int primary key, what text not null, a_mood zoo.mood[]);
create table zoo.time_arrays (id int primary key, what text not null, a_time time[], a_timetz timetz[]);
create table zoo.array_toast (id int primary key, what text not null, a_int4 int[], a_int8 bigint[], a_text text[], a_varchar varchar[],
    a_uuid uuid[], a_date date[], a_bytea bytea[], a_json json[], a_jsonb jsonb[]);
alter table zoo.array_toast alter a_int4 set storage external, alter a_int8 set storage external, alter a_text set storage external,
    alter a_varchar set storage external, alter a_uuid set storage external, alter a_date set storage external,
    alter a_bytea set storage external, alter a_json set storage external, alter a_jsonb set storage external;
create table zoo.required_arrays (id int primary key, what text not null, a_int4 int[] not null, a_text text[] not null, a_num numeric[] not null);
-- rows
insert into zoo.arrays (id, what) values (1, 'all null');
insert into zoo.arrays values
    (2, 'empty', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}'),
    (3, 'one null', '{null}', '{null}', '{null}', '{null}', '{null}', '{null}', '{null}', '{null}', '{null}', '{null}', '{null}', '{null}', '{null}', '{null}',
     '{null}', '{null}', '{null}', '{null}', '{null}', '{null}', '{null}', '{null}', '{null}', '{null}', '{null}', '{null}', '{null}'),
    (4, 'some', '{t,f}', '{1,-2}', '{1,-2}', '{1,-2}', '{1.5,-2}', '{1.5,-2}', '{1.5,-2,100}', '{1.50,-2.00}', '{a,b}', '{a,b}', '{a,bc}', array['\x00ff', '\x01']::bytea[],
     '{00000000-0000-0000-0000-000000000001,12345678-1234-5678-1234-567812345678}', array['{"a": 1}', '[1, 2]']::json[], array['{"a": 1}', '[1, 2]']::jsonb[],
     '{2024-02-29,1969-12-31}', '{2024-02-29 01:02:03.123456,1999-12-31 23:59:59}', '{2024-02-29 01:02:03.123,1999-12-31 23:59:59}',
     '{2024-02-29 01:02:03.123456+02,1999-12-31 23:59:59+00}', '{127.0.0.1,::1/64}', '{10.0.0.0/8}', '{08:00:2b:01:02:03}', '{1,4294967295}',
     array['[1,2)', 'empty']::int4range[], array['(,1.5]', '[2,3)']::numrange[], array['[2024-02-29 00:00:00+00,)', '(,)']::tstzrange[], '{1,2,3}'),
    (5, 'nulls between', '{t,null,f}', '{1,null}', '{null,2}', '{1,null,3}', '{null,1}', '{1,null}', '{1,null}', '{null,1.5}', '{a,null}', '{null,b}', '{null,a}', array[null, '\x']::bytea[],
     null, array[null, 'null']::json[], array[null, 'null']::jsonb[], '{null,2024-01-01}', null, null, null, null, null, null, null, null, null, null, '{1,null}'),
    (6, 'text that must be quoted', null, null, null, null, null, null, null, null,
     array['', ' ', 'null', 'NULL', 'a,b', '{a}', 'a"b', 'a\b', E'a\nb', 'é', '😀', '''', '\"'], array['', 'null', '"', '\'], array['', '"'], null, null,
     array['"a\"b"', '{"a,b": "}"}']::json[], array['"a\"b"', '{"a,b": "}"}']::jsonb[], null, null, null, null, null, null, null, null, null, null, null, null),
    (7, 'other lower bounds', '[0:1]={t,f}', '[5:6]={1,2}', '[-1:0]={1,2}', '[0:0]={7}', null, null, null, null, '[2:3]={a,b}', null, null, null, null, null, null, null, null, null,
     null, null, null, null, null, null, null, null, '[0:1]={4,5}'),
    (8, 'special numbers', null, null, null, null, '{NaN,Infinity,-Infinity,0.1}', '{NaN,Infinity,-Infinity,0.1}', '{0.00,1e30,0.000001}', null, null, null, null, null, null, null, null,
     null, null, null, null, null, null, null, null, null, null, null, null);
insert into zoo.enum_arrays values (1, 'null', null), (2, 'empty', '{}'), (3, 'some', array['sad', 'very happy', 'quote"d', 'com,ma']::zoo.mood[]);
insert into zoo.time_arrays values (1, 'null', null, null), (2, 'empty', '{}', '{}'), (3, 'whole seconds', '{00:00:00,12:34:56}', '{00:00:00+00,12:34:56+02}'), (4, 'a null', '{null}', '{null}');
insert into zoo.array_toast select n, 'wide', (select array_agg(i) from generate_series(1, 3000) i), (select array_agg(i::bigint) from generate_series(1, 3000) i),
    (select array_agg(i::text) from generate_series(1, 3000) i), (select array_agg(i::varchar) from generate_series(1, 3000) i),
    (select array_agg(md5(i::text)::uuid) from generate_series(1, 500) i), (select array_agg(date '2000-01-01' + i) from generate_series(1, 3000) i),
    (select array_agg(decode(md5(i::text), 'hex')) from generate_series(1, 500) i), (select array_agg(to_json(md5(i::text))) from generate_series(1, 500) i),
    (select array_agg(to_jsonb(md5(i::text))) from generate_series(1, 500) i) from generate_series(1, 2) n;
insert into zoo.required_arrays values (1, 'some', '{1}', '{a}', '{1.50}');
-- changes
update zoo.arrays set what = what || ', again';
update zoo.arrays set a_int4 = a_int4 || 9, a_text = a_text || 'more'::text where id < 6;
update zoo.enum_arrays set a_mood = a_mood || 'ok'::zoo.mood;
update zoo.time_arrays set what = 'again';
update zoo.array_toast set what = 'unchanged';
update zoo.required_arrays set a_text = '{}';
delete from zoo.arrays where id % 3 = 0;
delete from zoo.required_arrays;
