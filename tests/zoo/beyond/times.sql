-- Infinite moments, and the ends of the calendar: Debezium has odd numbers for some of them and stops at others.
-- tables
create schema if not exists zoo;
create table zoo.beyond_times (id int primary key, what text not null, c_date date, c_ts timestamp, c_ts_3 timestamp(3), c_tstz timestamptz,
    a_date date[], a_ts timestamp[], a_tstz timestamptz[], a_time time[]);
create table zoo.beyond_timetz (id int primary key, what text not null, c_timetz timetz);
-- rows
insert into zoo.beyond_times values
    (1, 'infinity', 'infinity', 'infinity', 'infinity', 'infinity', '{infinity}', '{infinity}', '{infinity}', null),
    (2, 'minus infinity', '-infinity', '-infinity', '-infinity', '-infinity', '{-infinity}', '{-infinity}', '{-infinity}', null),
    (3, 'the first', '4714-11-24 BC', '4714-11-24 00:00:00 BC', '4714-11-24 00:00:00 BC', '4714-11-24 00:00:00+00 BC', null, null, null, null),
    (4, 'the last', '5874897-12-31', '294276-12-31 23:59:59.999999', '294276-12-31 23:59:59.999', '294276-12-31 23:59:59.999999+00', null, null, null, null),
    (5, 'old, in arrays', null, null, null, null, '{1500-02-28,"0044-03-15 BC"}', '{"1500-02-28 01:02:03","0044-03-15 12:00:00 BC"}', '{"1500-02-28 01:02:03+00"}', '{01:02:03.456789,24:00}');
insert into zoo.beyond_timetz values (1, 'end of the day', '24:00:00+00'), (2, 'end of the day elsewhere', '24:00:00+02'), (3, 'seconds in the offset', '01:02:03+01:02:03');
-- changes
update zoo.beyond_times set what = what || ', again';
update zoo.beyond_timetz set what = what || ', again';
