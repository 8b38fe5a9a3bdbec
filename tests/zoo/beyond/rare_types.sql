-- Every other type of pg_type whose values can be written, alone and in arrays; types that are made of types; what stands in the contributed extensions.
-- tables
create schema if not exists zoo;
create extension if not exists ltree;
create extension if not exists hstore;
create extension if not exists cube;
create extension if not exists seg;
create extension if not exists intarray;
create type zoo.grade as enum ('low', 'high, "very"');
create type zoo.inner_pair as (x int, y text);
create type zoo.outer_pair as (a zoo.inner_pair, b zoo.inner_pair[], c zoo.grade, d timestamptz, e hstore, f int[]);
create type zoo.text_range as range (subtype = text, collation = "C");
create domain zoo.some_pair as zoo.inner_pair check ((value).x > 0);
create domain zoo.some_range as int4range;
create domain zoo.text_list as text[];
create domain zoo.short_list as zoo.text_list check (cardinality(value) < 5);
create domain zoo.int_grid_list as int[][];
create function zoo.nothing(int) returns int language sql as 'select 1';
create table zoo.reg_types (
    id int primary key, what text not null, c_regclass regclass, c_regcollation regcollation, c_regconfig regconfig, c_regdictionary regdictionary, c_regnamespace regnamespace,
    c_regoper regoper, c_regoperator regoperator, c_regproc regproc, c_regprocedure regprocedure, c_regrole regrole, c_regtype regtype, a_regclass regclass[], a_regtype regtype[],
    a_regcollation regcollation[], a_regconfig regconfig[], a_regdictionary regdictionary[], a_regnamespace regnamespace[], a_regoper regoper[], a_regoperator regoperator[],
    a_regproc regproc[], a_regprocedure regprocedure[], a_regrole regrole[]);
create table zoo.system_types (
    id int primary key, what text not null, c_cid cid, c_tid tid, c_xid xid, c_xid8 xid8, c_pg_snapshot pg_snapshot, c_aclitem aclitem, c_refcursor refcursor, c_oidvector oidvector,
    c_pg_lsn pg_lsn, a_cid cid[], a_tid tid[], a_xid xid[], a_xid8 xid8[], a_pg_snapshot pg_snapshot[], a_txid_snapshot txid_snapshot[], a_aclitem aclitem[], a_refcursor refcursor[],
    a_pg_lsn pg_lsn[], a_char "char"[], a_macaddr8 macaddr8[]);
create table zoo.searched (
    id int primary key, what text not null, c_jsonpath jsonpath, c_tsquery tsquery, c_tsvector tsvector, c_lquery lquery, c_ltxtquery ltxtquery, c_query_int query_int, c_cube cube, c_seg seg,
    a_jsonpath jsonpath[], a_tsquery tsquery[], a_tsvector tsvector[], a_lquery lquery[], a_cube cube[]);
create table zoo.shape_arrays (
    id int primary key, what text not null, a_circle circle[], a_line line[], a_lseg lseg[], a_path path[], a_polygon polygon[]);
create table zoo.more_ranges (
    id int primary key, what text not null, c_text_range zoo.text_range, c_some_range zoo.some_range, a_int8range int8range[], a_daterange daterange[], a_tsrange tsrange[],
    a_text_range zoo.text_range[]);
create table zoo.composites (id int primary key, what text not null, c_outer zoo.outer_pair, c_some zoo.some_pair, a_composite zoo.some_pair[], c_grid zoo.int_grid_list, c_short zoo.short_list);
-- rows
insert into zoo.reg_types (id, what) values (1, 'null');
insert into zoo.reg_types values
    (2, 'of the system', 'pg_class', '"C"', 'english', 'english_stem', 'pg_catalog', '||/', '+(int4,int4)', 'now', 'abs(int4)', 'pg_monitor', 'int4', '{pg_class,pg_type}', '{int4,text[]}',
     array['"C"', 'default']::regcollation[], '{english,simple}', '{simple}', '{pg_catalog}', '{||/}', array['+(int4,int4)']::regoperator[], '{now}', array['abs(int4)']::regprocedure[], '{pg_monitor}'),
    (3, 'of this database', 'zoo.reg_types', null, null, null, 'zoo', null, null, 'zoo.nothing', 'zoo.nothing(int)', null, 'zoo.outer_pair', '{zoo.reg_types,NULL}', '{zoo.grade}',
     '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}'),
    (4, 'of nothing', '0', '0', '0', '0', '0', '0', '0', '0', '0', '0', '0', '{0}', '{0}', '{0}', '{0}', '{0}', '{0}', '{0}', '{0}', '{0}', '{0}', '{0}'),
    (5, 'gone', '999999', null, null, null, '999999', null, null, '999999', null, '999999', '999999', '{999999}', '{999999}', null, null, null, null, null, null, null, null, null);
insert into zoo.system_types (id, what) values (1, 'null');
insert into zoo.system_types values
    (2, 'some', '7', '(4294967295,65535)', '4294967295', '18446744073709551615', '10:20:10,14,15', (current_user || '=arw/' || current_user)::aclitem, 'a "cursor"', '1 2 4294967295', 'FFFFFFFF/FFFFFFFF',
     '{7,NULL}', array['(0,1)', null]::tid[], '{3,4294967295}', '{3,18446744073709551615}', array['10:20:10,14,15', '1:1:']::pg_snapshot[], array['10:20:10,14,15']::txid_snapshot[],
     array[('=r/' || current_user)]::aclitem[], array['a "cursor"', '']::refcursor[], '{0/0,16/B374D848}', array['a', '"', E'\\', ',', '{', null]::"char"[], '{08:00:2b:01:02:03:04:05,NULL}'),
    (3, 'zero', '0', '(0,0)', '0', '0', '1:1:', null, '', '', '0/0', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}');
insert into zoo.searched (id, what) values (1, 'null');
insert into zoo.searched values
    (2, 'some', '$.a[*] ? (@.b > 1 && @.c like_regex "^x\"")', '(''super'' | ''sta r'':*AB) & !''x'' <-> ''y'' <3> ''z''', '''a'':1A ''b c'':2,3B ''it''''s''', 'Top.*{1,2}.!a|b@*', 'a & !b@ | c*', '1&(2|!3)',
     '(1,2.5),(-3,4e10)', '1.5 .. <2.50', array['$', 'strict $."a b"']::jsonpath[], array['a & b', '']::tsquery[], array['a:1', 'b c', '']::tsvector[], '{a.b,*.c,NULL}', array['(1,2)', '(1),(2)']::cube[]),
    (3, 'plain', 'lax $', '', '', '*', 'a', '1', '1', '~5', '{}', '{}', '{}', '{}', '{}'),
    (4, 'beyond ASCII', '$."é😀"', '''žluť'':*', '''žluť'':1', 'é', 'é', null, null, '1 .. ', null, null, null, null, null);
insert into zoo.shape_arrays values
    (1, 'null', null, null, null, null, null), (2, 'empty', '{}', '{}', '{}', '{}', '{}'),
    (3, 'some', array['<(1,2),3>', null]::circle[], array['{1,2,3}']::line[], array['[(1,2),(3,4)]']::lseg[], array['((1,2),(3,4))', '[(1,2),(1e300,-0.1)]']::path[], array['((1,2),(3,4),(5,6))']::polygon[]);
insert into zoo.more_ranges values
    (1, 'null', null, null, null, null, null, null), (2, 'empty', 'empty', 'empty', '{}', '{}', '{}', '{}'),
    (3, 'some', '["a, b","c""d")', '[1,5]', array['[1,2]', '(,)', null]::int8range[], array['[2024-02-29,2024-03-01]', '[0044-03-15 BC,infinity]']::daterange[],
     array['[2024-02-29 00:00,2024-03-01 00:00:00.5)', '[-infinity,0001-01-01 00:00:00 BC)']::tsrange[], array['["a, b","c""d")', '(,\\]']::zoo.text_range[]),
    (4, 'odd bounds', '("","\\\\")', '(,5)', array['empty']::int8range[], null, null, null);
insert into zoo.composites values
    (1, 'null', null, null, null, null, null),
    (2, 'nested', row(row(1, 'a "quoted", (text)')::zoo.inner_pair, array[row(2, 'b'), null, row(null, '')]::zoo.inner_pair[], 'high, "very"', '2024-02-29 01:02:03+02', 'k=>NULL, "a b"=>"c\"d"', '{{1,2},{3,4}}')::zoo.outer_pair,
     row(1, 'x'), array[row(1, 'x'), row(2, E'back\\slash')]::zoo.some_pair[], '{{1,2},{3,NULL}}', '{a,NULL,"c,d"}'),
    (3, 'of nulls', row(null, null, null, null, null, null), null, '{}', '{}', '{}'),
    (4, 'one dimension', row(row(null, null), '{}', 'low', 'infinity', '', '{}'), row(2147483647, null), '{null}', '{1}', array[array['a'], array['b']]);
-- changes
update zoo.reg_types set what = what || ', again';
update zoo.system_types set what = what || ', again';
update zoo.searched set what = what || ', again';
update zoo.shape_arrays set what = what || ', again';
update zoo.more_ranges set what = what || ', again';
update zoo.composites set what = what || ', again';
