-- Arrays of more than one dimension, and NULL where Debezium's element may not be one.
-- tables
create schema if not exists zoo;
create type zoo.beyond_mood as enum ('sad', 'ok');
create domain zoo.beyond_text as text;
create table zoo.beyond_arrays (id int primary key, what text not null, a_int4 int[][], a_text text[][], a_mood zoo.beyond_mood[], a_domain zoo.beyond_text[]);
-- rows
insert into zoo.beyond_arrays values (1, 'two dimensions', '{{1,2},{3,4}}', '{{a,b},{"c,d",null}}', null, null),
    (2, 'three dimensions', '{{{1},{2}},{{3},{4}}}', null, null, null), (3, 'null enum', '{1}', '{a}', '{sad,null}', '{a,null}'), (4, 'bounds', '[0:1][2:3]={{1,2},{3,4}}', '{}', '{}', '{}');
-- changes
update zoo.beyond_arrays set what = what || ', again';
