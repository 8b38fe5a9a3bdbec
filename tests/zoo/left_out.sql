-- Types that Debezium leaves out of its events unless include.unknown.datatypes is set.
-- tables
create schema if not exists zoo;
create type zoo.pair as (x int, y text);
create table zoo.left_out (
    id int primary key, what text not null, c_box box, c_circle circle, c_line line, c_lseg lseg, c_path path, c_polygon polygon,
    c_tsquery tsquery, c_pg_lsn pg_lsn, c_txid_snapshot txid_snapshot, c_composite zoo.pair, c_regclass regclass, c_tid tid, c_xid xid,
    c_int2vector int2vector, a_money money[], a_interval interval[], a_xml xml[], a_point point[], a_box box[], a_name name[],
    a_varbit varbit[], a_bit bit(3)[], a_composite zoo.pair[], a_hstore_like text[]);
-- rows
insert into zoo.left_out (id, what) values (1, 'null');
insert into zoo.left_out values
    (2, 'some', '(2,2),(1,1)', '<(1,2),3>', '{1,2,3}', '[(1,2),(3,4)]', '((1,2),(3,4))', '((1,2),(3,4),(5,6))', 'a & !b', '16/B374D848',
     '10:20:10,14,15', row(1, 'a "quoted", text'), 'pg_class', '(0,1)', '42', '1 2 3', array['1.50', '-2']::money[], array['1 day', '-00:00:01']::interval[],
     array['<a/>', '<b c="d"/>']::xml[], array['(1,2)', '(3.5,4)']::point[], array['(2,2),(1,1)', '(4,4),(3,3)']::box[], '{a,b}', array[B'101', B'']::varbit[],
     array[B'101', B'000']::bit(3)[], array[row(1, 'a'), row(2, 'b"c')]::zoo.pair[], '{}'),
    (3, 'empty', null, null, null, null, null, null, '', null, null, row(null, null), null, null, null, '', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}');
-- changes
update zoo.left_out set what = what || ', again';
delete from zoo.left_out where id = 3;
