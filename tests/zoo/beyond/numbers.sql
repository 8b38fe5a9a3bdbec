-- Decimals that are no numbers: Debezium stops unless decimal.handling.mode is double or string.
-- tables
create schema if not exists zoo;
create table zoo.beyond_numbers (id int primary key, what text not null, c_num numeric, c_num_10_2 numeric(10, 2), a_num numeric[]);
-- rows
insert into zoo.beyond_numbers values (1, 'not a number', 'NaN', null, null), (2, 'not a number, bounded', null, 'NaN', null), (3, 'in an array', null, null, '{1,NaN}'), (4, 'a number', 1, 1, '{1}');
-- changes
update zoo.beyond_numbers set c_num = 2, c_num_10_2 = 2, a_num = '{2}' where id = 1;
update zoo.beyond_numbers set c_num = 'NaN' where id = 4;
