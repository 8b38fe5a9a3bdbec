-- Defaults of columns: what the schema says of them, and NULL beside them.
-- tables
create schema if not exists zoo;
create type zoo."Mood" as enum ('sad', 'it''s', 'quo"te', 'a,b');
create domain zoo.five as int default 5;
create table zoo.default_numbers (
    id serial primary key, what text not null,
    c_true bool default true, c_false bool default false, c_null bool default null, c_bool_text bool default 't',
    c_int2 smallint default 7, c_int2_minus smallint default -7, c_int4 int default 5, c_int4_minus int default -5, c_int4_text int default '42',
    c_int4_sum int default 1 + 1, c_int4_rounded int default 5.6, c_int8 bigint default 5, c_int8_least bigint default -9223372036854775808,
    c_int8_cast bigint default (-1)::bigint, c_int4_cast int default ('5'::text)::int,
    c_float4 real default 1.5, c_float4_whole real default 3, c_float4_tenth real default 0.1, c_float8 double precision default -2.25,
    c_float8_text double precision default '1e30', c_float8_large double precision default 1e20, c_float8_cast double precision default 0.5::float8,
    c_num numeric default 12.5, c_num_null numeric default null, c_num_8_2 numeric(8, 2) default 12.5, c_num_8_2_whole numeric(8, 2) default 3,
    c_num_8_2_zeros numeric(8, 2) default 1.500, c_num_8_2_minus numeric(8, 2) default -0.01, c_num_8_2_rounded numeric(8, 2) default 1.005,
    c_num_8_2_null numeric(8, 2) default null, c_num_5 numeric(5) default 7, c_num_20_10 numeric(20, 10) default 123456789.0123456789,
    c_money money default 1.5, c_oid oid default 7, c_five zoo.five, c_five_eight zoo.five default 8);
create table zoo.default_texts (
    id int primary key default 1, what text not null,
    c_text text default 'plain', c_empty text default '', c_quotes text default 'it''s "x"', c_escapes text default E'a\\b\tc\nd', c_unicode text default 'é😀',
    c_like_call text default 'now()', c_like_cast text default 'a::b', c_number text default 5, c_null text default null,
    c_varchar varchar default 'v', c_varchar_10 varchar(10) default 'it''s', c_varchar_10_null varchar(10) default null, c_varchar_cast varchar(10) default ('abc'::text)::varchar(5),
    c_bpchar_5 char(5) default 'abcde', c_char "char" default 'x', c_json json default '{"a": "b"}', c_jsonb jsonb default '{"a":1}', c_xml xml default '<a/>',
    c_uuid uuid default '11111111-2222-3333-4444-555555555555', c_bytea bytea default '\x0102', c_inet inet default '127.0.0.1', c_tsvector tsvector default 'a',
    c_bit_1 bit(1) default B'1', c_bit bit default B'0', c_bit_9 bit(9) default B'100000001', c_varbit varbit default B'110', c_varbit_5 varbit(5) default B'11',
    c_mood zoo."Mood" default 'sad', c_mood_quoted zoo."Mood" default 'quo"te', c_mood_comma zoo."Mood" default 'a,b', c_mood_cast zoo."Mood" default ('sad'::text)::zoo."Mood",
    a_text text[] default '{}', a_int int[] default '{1,2}', c_range int4range default '[1,2)');
create table zoo.default_times (
    id int primary key, what text not null,
    c_date date default '2024-02-29', c_date_old date default '1582-10-15', c_date_far date default '12345-06-07', c_date_of_ts date default '2024-01-02 03:04:05'::timestamp,
    c_date_of_now date default ('now'::text)::date, c_time time default '12:34:56.789', c_time_3 time(3) default '12:34:56.789', c_time_0 time(0) default '12:34:56',
    c_timetz timetz default '12:34:56+02', c_ts timestamp default '2024-02-29 12:34:56.789', c_ts_0 timestamp(0) default '2024-02-29 12:34:56',
    c_ts_3 timestamp(3) default '2024-02-29 12:34:56.789', c_ts_6 timestamp(6) default '2024-02-29 12:34:56.789123', c_ts_of_date timestamp default '2024-01-02'::date,
    c_tstz timestamptz default '2024-02-29 12:34:56.789+02', c_tstz_3 timestamptz(3) default '2024-02-29 12:34:56.789+02', c_tstz_0 timestamptz(0) default '2024-02-29 12:34:56+02',
    c_interval interval default '1 year 2 months 3 days 04:05:06.789', c_interval_minus interval default '-1 day -00:00:01.5');
-- Calls: the schema has the type's zero in the place of what each row gets.
create table zoo.default_calls (
    id int primary key, what text not null,
    c_bool bool default pg_is_in_recovery(), c_bool_more bool default (random() > 0.5), c_int int default length('abc'), c_int8 bigint default extract(epoch from now()),
    c_float8 double precision default pi(), c_num_8_2 numeric(8, 2) default random(), c_text text default upper('x'), c_coalesce text default coalesce('p', 'q'),
    c_jsonb jsonb default jsonb_build_object('a', 1), c_uuid uuid default gen_random_uuid(), c_bit_3 bit(3) default lpad('1', 3, '0')::bit(3), c_bit_1 bit(1) default lower('1')::bit(1),
    c_mood zoo."Mood" default lower('SAD')::zoo."Mood", c_date date default now(), c_current_date date default current_date, c_time time default localtime,
    c_ts timestamp default now(), c_ts_utc timestamp default (now() at time zone 'utc'), c_ts_3 timestamp(3) default current_timestamp(3),
    c_tstz timestamptz default now(), c_tstz_0 timestamptz(0) default current_timestamp, c_tstz_more timestamptz default now() + interval '1 day',
    c_interval interval default make_interval(days => 3));
create table zoo.default_required (
    id int primary key, what text not null default 'unknown', c_int int not null default 5, c_bool bool not null default true, c_float8 double precision not null default 1.5,
    c_num numeric(8, 2) not null default 12.5, c_date date not null default '2024-02-29', c_tstz timestamptz not null default now(), c_mood zoo."Mood" not null default 'sad',
    c_bit_9 bit(9) not null default B'100000001', c_json json not null default '{"a": 1}', c_plain text not null);
create table zoo.default_key (what text not null, k text default 'none', n numeric(4, 1) default 1.5, at timestamptz default now(), primary key (n, k, at));
-- Of these Debezium's schemas have a wrong value, or one that Avro does not allow.
create table zoo.default_defects (
    id int primary key, what text not null,
    c_midnight time default '24:00', c_mood zoo."Mood" default 'it''s',
    e_bool bool default (1 = 2), e_text text default 'a' || 'b', e_case text default case when true then 'x' else 'y' end, e_user text default current_user,
    e_cast text default 5::text, e_interval interval default interval '1 day' * 2,
    i_float4 real default 'NaN', i_float8 double precision default '-Infinity', i_date date default 'infinity', i_ts timestamp default 'infinity', i_ts_minus timestamp default '-infinity');
-- rows
insert into zoo.default_numbers (id, what) values (1, 'defaults');
insert into zoo.default_numbers (id, what, c_true, c_int2, c_int4, c_int8, c_float4, c_float8, c_num_8_2, c_num)
    values (2, 'all null', null, null, null, null, null, null, null, null);
insert into zoo.default_texts (id, what) values (1, 'defaults');
insert into zoo.default_times (id, what, c_date_of_now) values (1, 'defaults', '2024-01-01');
insert into zoo.default_calls values
    (1, 'some', true, true, 1, 2, 1.5, 1.25, 't', 'p', '{}', '11111111-2222-3333-4444-555555555555', B'101', B'1', 'sad', '2024-02-29', '2024-02-29', '01:02:03',
     '2024-02-29 01:02:03', '2024-02-29 01:02:03', '2024-02-29 01:02:03', '2024-02-29 01:02:03+00', '2024-02-29 01:02:03+00', '2024-02-29 01:02:03+00', '1 day'),
    (2, 'all null', null, null, null, null, null, null, null, null, null, null, null, null, null, null, null, null, null, null, null, null, null, null, null);
insert into zoo.default_required (id, c_tstz, c_plain) values (1, '2024-02-29 01:02:03+00', 'x'), (2, '2024-02-29 01:02:03+00', 'y');
insert into zoo.default_key values ('some', 'k', 2.5, '2024-02-29 01:02:03+00'), ('others', 'none', 1.5, '2024-02-29 01:02:03+00');
insert into zoo.default_defects values (1, 'some', '01:02', 'sad', true, 't', 'c', 'u', '5', '1 day', 1, 2, '2024-02-29', '2024-02-29 01:02:03', '2024-02-29 01:02:03');
-- changes
update zoo.default_numbers set what = what || ', again';
update zoo.default_texts set what = what || ', again', c_text = null, c_mood = null, c_bit_9 = null, c_jsonb = null;
update zoo.default_times set what = what || ', again', c_date = null, c_ts_3 = null, c_tstz = null, c_interval = null;
update zoo.default_calls set what = what || ', again';
update zoo.default_required set id = 3 where id = 1;
update zoo.default_required set c_plain = 'z' where id = 2;
update zoo.default_key set k = 'other' where k = 'k';
update zoo.default_defects set what = 'again';
delete from zoo.default_numbers;
delete from zoo.default_texts;
delete from zoo.default_times;
delete from zoo.default_calls;
delete from zoo.default_required;
delete from zoo.default_key;
delete from zoo.default_defects;
