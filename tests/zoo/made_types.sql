-- Enums, domains, ranges, and shapes of the plane.
-- tables
create schema if not exists zoo;
create type zoo.colour as enum ('red', 'dark green', 'with "quotes"', 'with ''apostrophes''', 'žlutá');
create schema if not exists zoo_other;
create type zoo_other.colour as enum ('cyan', 'magenta');
create domain zoo.positive as int check (value > 0);
create domain zoo.amount as numeric(12, 3);
create domain zoo.small_amount as zoo.amount check (value < 1000);
create domain zoo.code as varchar(7) not null;
create domain zoo.moment as timestamp(3);
create table zoo.made (
    id int primary key, what text not null,
    c_enum zoo.colour, c_other_enum zoo_other.colour, c_positive zoo.positive, c_amount zoo.amount, c_small zoo.small_amount,
    c_code zoo.code, c_moment zoo.moment);
create table zoo.ranges (
    id int primary key, what text not null,
    c_int4range int4range, c_int8range int8range, c_numrange numrange, c_tsrange tsrange, c_tstzrange tstzrange, c_daterange daterange);
create table zoo.points (id int primary key, what text not null, c_point point);
create table zoo.required_made (id zoo.positive primary key, what text not null, c_enum zoo.colour not null, c_point point not null,
    c_int4range int4range not null, c_amount zoo.amount not null);
create table zoo.enum_key (k zoo.colour primary key, what text not null);
-- rows
insert into zoo.made values
    (1, 'null', null, null, null, null, null, '', null), (2, 'some', 'red', 'cyan', 1, 1.5, 1.5, 'a', '2024-02-29 01:02:03.004'),
    (3, 'odd labels', 'with "quotes"', 'magenta', 2147483647, 999999999.999, -1.001, 'seven77', '1969-12-31 23:59:59.999'),
    (4, 'odd labels too', 'with ''apostrophes''', null, null, 0, 0, 'é', null);
insert into zoo.ranges values
    (1, 'null', null, null, null, null, null, null), (2, 'empty', 'empty', 'empty', 'empty', 'empty', 'empty', 'empty'),
    (3, 'finite', '[1,10)', '[1,10]', '(1.5,2.5]', '[2024-02-29 00:00,2024-03-01 00:00)', '[2024-02-29 00:00+00,2024-03-01 00:00+02)', '[2024-02-29,2024-03-01)'),
    (4, 'open', '(,)', '[,5]', '[0,)', '(,2024-03-01 00:00]', '[2024-02-29 00:00:00.000001+00,)', '(,)'),
    (5, 'infinite', null, null, null, '[-infinity,infinity]', '[-infinity,infinity)', '[-infinity,infinity]');
insert into zoo.points values (1, 'null', null), (2, 'zero', '(0,0)'), (3, 'some', '(1.5,-2.25)'), (4, 'large', '(1e300,-1e-300)'), (5, 'shortest', '(0.1,0.2)');
insert into zoo.required_made values (1, 'some', 'red', '(1,2)', '[1,2)', 1.5);
insert into zoo.enum_key values ('red', 'a'), ('žlutá', 'b');
-- changes
update zoo.made set what = what || ', again';
update zoo.ranges set what = what || ', again';
update zoo.points set what = what || ', again';
update zoo.enum_key set k = 'dark green' where k = 'red';
update zoo.required_made set c_enum = 'dark green';
delete from zoo.made where id = 3;
delete from zoo.required_made;
delete from zoo.enum_key;
