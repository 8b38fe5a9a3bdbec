-- Multiranges: Debezium leaves them out.
-- since 14
-- tables
create schema if not exists zoo;
create type zoo.word_range as range (subtype = text, collation = "C", multirange_type_name = zoo.words);
create table zoo.multiranges (id int primary key, what text not null, c_int4 int4multirange, c_num nummultirange, c_ts tsmultirange, c_int8 int8multirange, c_date datemultirange,
    c_tstz tstzmultirange, c_words zoo.words, a_int4 int4multirange[], a_words zoo.words[], a_tstz tstzmultirange[], a_num nummultirange[], a_ts tsmultirange[], a_int8 int8multirange[], a_date datemultirange[]);
-- rows
insert into zoo.multiranges (id, what) values (1, 'null');
insert into zoo.multiranges values
    (2, 'empty', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}'),
    (3, 'some', '{[1,3),[5,7)}', '{(,1.5],[2,)}', '{[2024-02-29 00:00,2024-03-01 00:00)}', '{[-9223372036854775808,0),[1,)}', '{[2024-02-29,2024-03-01),[2025-01-01,infinity]}',
     '{[2024-02-29 00:00+02,2024-03-01 00:00:00.5+00)}', '{["a, b","c""d"),[x,)}', array['{[1,3)}', '{}', null]::int4multirange[], array['{["a, b","c""d")}']::zoo.words[],
     array['{(,2024-03-01 00:00+00]}']::tstzmultirange[], array['{[1.5,2]}']::nummultirange[], array['{[2024-02-29 00:00,)}']::tsmultirange[], array['{[1,2)}']::int8multirange[], array['{[2024-02-29,2024-03-01)}']::datemultirange[]),
    (4, 'all', '{(,)}', '{(,)}', '{(,)}', '{(,)}', '{(,)}', '{(,)}', '{(,)}', '{"{(,)}"}', null, null, null, null, null, null);
-- changes
update zoo.multiranges set what = what || ', again';
