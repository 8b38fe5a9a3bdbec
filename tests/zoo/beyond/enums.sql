-- A domain over an enum: Debezium does not start in a database that has one (NullPointerException in its TypeRegistry).
-- tables
create schema if not exists zoo;
create type zoo.beyond_colour as enum ('red', 'dark green');
create domain zoo.paint as zoo.beyond_colour;
create table zoo.beyond_enums (id int primary key, what text not null, c_paint zoo.paint);
-- rows
insert into zoo.beyond_enums values (1, 'null', null), (2, 'some', 'red');
-- changes
update zoo.beyond_enums set c_paint = 'dark green' where id = 2;
