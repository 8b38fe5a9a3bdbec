-- Integers, floats, numeric, money.
-- tables
create schema if not exists zoo;
create table zoo.numbers (
    id int primary key, what text not null,
    c_int2 smallint, c_int4 integer, c_int8 bigint, c_oid oid, c_float4 real, c_float8 double precision, c_bool boolean,
    c_num numeric, c_num_10_2 numeric(10, 2), c_num_5 numeric(5), c_num_38_10 numeric(38, 10),
    c_num_1000 numeric(1000, 500), c_money money);
create table zoo.required_numbers (
    id bigint primary key, what text not null,
    c_int2 smallint not null, c_int4 integer not null, c_float4 real not null, c_float8 double precision not null,
    c_bool boolean not null, c_num numeric not null, c_num_10_2 numeric(10, 2) not null, c_money money not null,
    c_oid oid not null);
create table zoo.numeric_key (k numeric primary key, what text not null);
-- rows
insert into zoo.numbers (id, what) values (1, 'all null');
insert into zoo.numbers values
    (2, 'zero', 0, 0, 0, 0, 0, 0, false, 0, 0, 0, 0, 0, '0'),
    (3, 'one', 1, 1, 1, 1, 1, 1, true, 1, 1, 1, 1, 1, '1'),
    (4, 'greatest', 32767, 2147483647, 9223372036854775807, 4294967295, 3.4028235e38, 1.7976931348623157e308, true,
     repeat('9', 1000)::numeric, 99999999.99, 99999, repeat('9', 28)::numeric + 0.9999999999, repeat('9', 500)::numeric,
     '92233720368547758.07'),
    (5, 'least', -32768, -2147483648, -9223372036854775808, 2147483648, -3.4028235e38, -1.7976931348623157e308, false,
     -repeat('9', 1000)::numeric, -99999999.99, -99999, -(repeat('9', 28)::numeric) - 0.9999999999,
     -(repeat('9', 500)::numeric), '-92233720368547758.08'),
    (6, 'smallest fractions', null, null, null, null, 1.17549435e-38, 2.2250738585072014e-308, null,
     ('0.' || repeat('0', 200) || '1')::numeric, 0.01, null, 0.0000000001, ('0.' || repeat('0', 499) || '1')::numeric, '0.01'),
    (7, 'denormal', null, null, null, null, 1e-45, 5e-324, null, null, -0.01, null, -0.0000000001, null, '-0.01'),
    (8, 'infinity', null, null, null, null, 'Infinity', 'Infinity', null, null, null, null, null, null, null),
    (9, 'minus infinity', null, null, null, null, '-Infinity', '-Infinity', null, null, null, null, null, null, null),
    (10, 'not a number', null, null, null, null, 'NaN', 'NaN', null, null, null, null, null, null, null),
    (11, 'minus zero', null, null, null, null, '-0', '-0', null, -0.0, -0.0, null, null, null, '-0'),
    (12, 'zeros at the end', null, null, null, null, 1.50, 1.50, null, 1.5000, 1.50, 100, 1.5, 1.5, '1.50'),
    (13, 'hundreds', 100, 100, 100, 100, 100, 100, true, 100, 100, 100, 100, 100, '100'),
    (14, 'shortest text', null, null, null, null, 0.1, 0.1, null, 123456789.123456789, 0.1, 1, 0.1, 0.1, '1,234.56'),
    (15, 'a huge exponent', null, null, null, null, 1e20, 1e300, null, 1e300, null, null, null, 1e100, null),
    (16, '64 bits are not enough', null, null, null, null, null, null, null, 9223372036854775808, null, null,
     9223372036854775808, 18446744073709551616, null),
    (17, 'minus 128 takes one byte', -128, -128, -128, 128, -128, -128, null, -128, -1.28, -128, -128, -128, '-1.28'),
    (18, 'minus 129 takes two', -129, -129, -129, 129, -129, -129, null, -129, -1.29, -129, -129, -129, '-1.29');
insert into zoo.required_numbers values
    (1, 'some', 1, 2, 3.5, 4.5, true, 5.55, 6.66, '7.77', 8), (2, 'others', -1, -2, -3.5, -4.5, false, -5.55, -6.66, '-7.77', 9);
insert into zoo.numeric_key values (1.00, 'zeros at the end'), (100, 'none'), (-0.001, 'negative'), (12345678901234567890.5, 'long');
-- changes
update zoo.numbers set what = what || ', again';
update zoo.numbers set c_int4 = coalesce(c_int4, 0) / 2, c_num = c_num / 3, c_money = c_money / 2 where id < 20;
update zoo.required_numbers set c_money = '0.05', id = id + 100 where id = 1;
update zoo.numeric_key set what = 'written differently', k = 1.0000 where k = 1;
delete from zoo.numbers where id % 3 = 0;
delete from zoo.required_numbers;
delete from zoo.numeric_key;
