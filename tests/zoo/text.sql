-- Text, bytes, bits, json, xml, uuid, full text search, addresses.
-- tables
create schema if not exists zoo;
create table zoo.text (
    id int primary key, what text not null,
    c_text text, c_varchar varchar, c_varchar_10 varchar(10), c_bpchar_5 char(5), c_char "char", c_name name,
    c_bytea bytea, c_uuid uuid, c_json json, c_jsonb jsonb, c_xml xml, c_tsvector tsvector,
    c_inet inet, c_cidr cidr, c_macaddr macaddr, c_macaddr8 macaddr8);
create table zoo.bits (
    id int primary key, what text not null,
    c_bit bit, c_bit_1 bit(1), c_bit_2 bit(2), c_bit_8 bit(8), c_bit_9 bit(9), c_bit_64 bit(64),
    c_varbit varbit, c_varbit_1 varbit(1), c_varbit_5 varbit(5), c_varbit_33 varbit(33));
create table zoo.required_text (
    id uuid primary key, what text not null, c_varchar varchar(10) not null, c_bytea bytea not null, c_uuid uuid not null,
    c_json json not null, c_jsonb jsonb not null, c_xml xml not null, c_tsvector tsvector not null, c_inet inet not null,
    c_bit_1 bit(1) not null, c_bit_9 bit(9) not null, c_bpchar char(3) not null);
create table zoo.toast (
    id int primary key, what text not null, c_text text, c_varchar varchar, c_json json, c_jsonb jsonb, c_bytea bytea,
    c_xml xml);
alter table zoo.toast alter c_text set storage external, alter c_varchar set storage external, alter c_json set storage external,
    alter c_jsonb set storage external, alter c_bytea set storage external, alter c_xml set storage external;
create table zoo.toast_full (like zoo.toast including all);
alter table zoo.toast_full replica identity full;
-- rows
insert into zoo.text (id, what) values (1, 'all null');
insert into zoo.text values
    (2, 'empty', '', '', '', '', '', '', '', null, '{}', '{}', '', '', null, null, null, null),
    (3, 'plain', 'a', 'b', 'c', 'd', 'e', 'f', 'g', '00000000-0000-0000-0000-000000000000', '1', '1', '<a/>', 'cat',
     '127.0.0.1', '10.0.0.0/8', '08:00:2b:01:02:03', '08:00:2b:01:02:03:04:05'),
    (4, 'blanks at the end', 'a  ', 'b  ', 'c  ', 'd  ', ' ', 'f  ', '  ', 'FFFFFFFF-FFFF-FFFF-FFFF-FFFFFFFFFFFF', ' 1 ', ' 1 ',
     ' ', 'a:1A b:2', '::1', '::/0', '00:00:00:00:00:00', '00:00:00:ff:fe:00:00:00'),
    (5, 'beyond ASCII', 'žluťoučký', '日本語', '😀😀', 'é', 'x', 'naïve', '\xff00fe', '12345678-1234-5678-1234-567812345678',
     '{"é": "😀"}', '{"é": "😀"}', '<é>😀</é>', 'žluť', '192.168.1.1/24', '192.168.1.0/24', 'ff:ff:ff:ff:ff:ff',
     'ff:ff:ff:ff:ff:ff:ff:ff'),
    (6, 'quotes and backslashes', E'a"b''c\\d', E'\t\r\n', E'\\', '"', '"', 'a"b', '\x5c2722', null,
     E'{"a\\"b": "c\\\\d\\n"}', E'{"a\\"b": "c\\\\d\\n"}', '<a b="&quot;"/>', $$'a''b' 'c\\d'$$, '::ffff:1.2.3.4',
     '::ffff:1.2.3.0/120', null, null),
    (7, 'null as a word', 'null', 'NULL', '\N', 'NULL', 'N', 'null', 'null', null, 'null', 'null', 'null', 'null', null, null, null, null),
    (8, 'json is kept as it was written', null, null, null, null, null, null, null, null,
     E'{ "b":1,\n"a" : 2, "a": 3, "big": 1e400, "n": 1.50}', '{"b":1, "a": 2, "a": 3, "n": 1.50}', null, null, null, null, null, null),
    (9, 'json scalars and depth', null, null, null, null, null, null, null, null, '"text"', '[[[[[[[[[[]]]]]]]]]]', null, null, null, null, null, null),
    (10, 'control characters', E'\x01\x02\x1f\x7f', null, null, null, null, null, '\x00', null, '"\u0001"', '"\u001f"', null, null, null, null, null, null),
    (11, 'a placeholder as a value', '__debezium_unavailable_value', '__debezium_unavailable_value', null, null, null, null,
     '__debezium_unavailable_value', null, '"__debezium_unavailable_value"', '"__debezium_unavailable_value"', null, null, null, null, null, null);
insert into zoo.bits (id, what) values (1, 'all null');
insert into zoo.bits values
    (2, 'zeros', B'0', B'0', B'00', B'00000000', B'000000000', repeat('0', 64)::bit(64), B'0', B'0', B'00000', repeat('0', 33)::varbit),
    (3, 'ones', B'1', B'1', B'11', B'11111111', B'111111111', repeat('1', 64)::bit(64), B'1', B'1', B'11111', repeat('1', 33)::varbit),
    (4, 'the first only', B'1', B'1', B'10', B'10000000', B'100000000', ('1' || repeat('0', 63))::bit(64), B'1000000001', B'1', B'10000', ('1' || repeat('0', 32))::varbit),
    (5, 'the last only', B'1', B'1', B'01', B'00000001', B'000000001', (repeat('0', 63) || '1')::bit(64), B'0000000001', B'1', B'00001', (repeat('0', 32) || '1')::varbit),
    (6, 'empty', null, null, null, null, null, null, B'', null, B'', B''),
    (7, 'short', null, null, null, null, null, null, B'101', null, B'101', B'101');
insert into zoo.required_text values
    ('00000000-0000-0000-0000-000000000001', 'some', 'v', '\x01', '00000000-0000-0000-0000-000000000002', '{"a": 1}', '{"a": 1}', '<a/>', 'a', '1.2.3.4', B'1', B'100000001', 'ab');
insert into zoo.toast select n, 'wide', repeat('t', 9000), repeat('v', 9000), to_json(repeat('j', 9000)), to_jsonb(repeat('k', 9000)),
    convert_to(repeat('b', 9000), 'UTF8'), ('<x>' || repeat('x', 9000) || '</x>')::xml from generate_series(1, 3) n;
insert into zoo.toast_full select * from zoo.toast;
-- changes
update zoo.text set what = what || ', again';
update zoo.text set c_varchar_10 = 'ten', c_jsonb = '{"changed": [1, null, true]}', c_bytea = '\xdeadbeef' where id < 4;
update zoo.bits set what = what || ', again', c_bit_9 = ~c_bit_9;
update zoo.required_text set c_xml = '<b/>';
update zoo.required_text set id = '00000000-0000-0000-0000-000000000003';
update zoo.toast set what = 'unchanged';
update zoo.toast set c_text = 'short' where id = 2;
update zoo.toast_full set what = 'unchanged';
update zoo.toast_full set c_text = 'short' where id = 2;
delete from zoo.text where id % 3 = 0;
delete from zoo.bits where id % 3 = 0;
delete from zoo.required_text;
delete from zoo.toast where id = 3;
delete from zoo.toast_full where id = 3;
