-- Arrays of more than one dimension, and NULL where Debezium's element may not be one.
-- tables
create schema if not exists zoo;
create type zoo.beyond_mood as enum ('sad', 'ok');
create domain zoo.beyond_text as text;
create table zoo.beyond_arrays (id int primary key, what text not null, a_int4 int[][], a_text text[][], a_mood zoo.beyond_mood[], a_domain zoo.beyond_text[]);
create table zoo.beyond_grids (id int primary key, what text not null, a_bool boolean[], a_int2 smallint[], a_int8 bigint[], a_float4 real[], a_float8 double precision[],
    a_num_10_2 numeric(10, 2)[], a_num numeric[], a_varchar varchar(20)[], a_uuid uuid[], a_date date[], a_ts timestamp[], a_tstz timestamptz[], a_jsonb jsonb[], a_bytea bytea[],
    a_int4range int4range[]);
-- rows
insert into zoo.beyond_arrays values (1, 'two dimensions', '{{1,2},{3,4}}', '{{a,b},{"c,d",null}}', null, null),
    (2, 'three dimensions', '{{{1},{2}},{{3},{4}}}', '{{{"{a}"}},{{"b\"c"}}}', null, null), (3, 'null enum', '{1}', '{a}', '{sad,null}', '{a,null}'), (4, 'bounds', '[0:1][2:3]={{1,2},{3,4}}', '{}', '{}', '{}'),
    (5, 'one dimension', '{5}', '{a}', '{ok}', '{a}'), (6, 'six dimensions', '{{{{{{1,2}}}}}}', '{{{{{{a}}},{{{b}}}}}}', '{{sad},{ok}}', '{{a},{null}}');
insert into zoo.beyond_grids (id, what) values (1, 'null');
insert into zoo.beyond_grids values
    (2, 'one dimension', '{t}', '{1}', '{1}', '{1.5}', '{1.5}', '{1.50}', '{1.5}', '{a}', '{00000000-0000-0000-0000-000000000001}', '{2024-02-29}',
        '{2024-02-29 01:02:03.5}', '{2024-02-29 01:02:03.5+02}', array['{"a": [1]}']::jsonb[], array['\x00ff']::bytea[], array['[1,2)']::int4range[]),
    (3, 'two dimensions', '{{t,f},{null,t}}', '{{1,2},{3,null}}', '{{1},{-9223372036854775808}}', '{{1.5,-2}}', '{{1.5,-2}}', '{{1.50},{100}}', '{{1.5},{1e20}}', '{{a,"b,c"},{"{}",null}}',
        '{{00000000-0000-0000-0000-000000000001}}', '{{2024-02-29,1969-12-31}}', '{{2024-02-29 01:02:03.5},{1999-12-31 23:59:59}}', '{{2024-02-29 01:02:03.5+02}}',
        array[array['{"a": [1]}', '"{x}"'], array['null', null]]::jsonb[], array[array['\x00ff', '\x']]::bytea[], array[array['[1,2)', 'empty']]::int4range[]);
-- changes
update zoo.beyond_arrays set what = what || ', again';
update zoo.beyond_grids set a_int2 = '{{{4}}}' where id = 2;
