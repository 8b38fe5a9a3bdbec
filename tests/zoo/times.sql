-- Dates, times, timestamps, intervals.
-- tables
create schema if not exists zoo;
create table zoo.times (
    id int primary key, what text not null,
    c_date date, c_time time, c_time_0 time(0), c_time_3 time(3), c_time_6 time(6), c_timetz timetz, c_timetz_2 timetz(2),
    c_ts timestamp, c_ts_0 timestamp(0), c_ts_3 timestamp(3), c_ts_4 timestamp(4), c_ts_6 timestamp(6),
    c_tstz timestamptz, c_tstz_0 timestamptz(0), c_tstz_3 timestamptz(3), c_tstz_6 timestamptz(6));
create table zoo.intervals (id int primary key, what text not null, c_interval interval, c_interval_2 interval(2), c_day interval day to second);
create table zoo.required_times (
    id date primary key, what text not null, c_time time not null, c_time_3 time(3) not null, c_timetz timetz not null,
    c_ts timestamp not null, c_ts_3 timestamp(3) not null, c_tstz timestamptz not null, c_interval interval not null);
create table zoo.time_keys (k1 timestamptz, k2 time(2), k3 timestamp(2), k4 interval, what text not null, primary key (k1, k2, k3, k4));
-- rows
insert into zoo.times (id, what) values (1, 'all null');
insert into zoo.times values
    (2, 'the epoch', '1970-01-01', '00:00', '00:00', '00:00', '00:00', '00:00+00', '00:00+00',
     '1970-01-01 00:00', '1970-01-01 00:00', '1970-01-01 00:00', '1970-01-01 00:00', '1970-01-01 00:00',
     '1970-01-01 00:00+00', '1970-01-01 00:00+00', '1970-01-01 00:00+00', '1970-01-01 00:00+00'),
    (3, 'a microsecond later', '1970-01-02', '00:00:00.000001', '00:00:01', '00:00:00.001', '00:00:00.000001', '00:00:00.000001+00', '00:00:00.01+00',
     '1970-01-01 00:00:00.000001', '1970-01-01 00:00:01', '1970-01-01 00:00:00.001', '1970-01-01 00:00:00.0001', '1970-01-01 00:00:00.000001',
     '1970-01-01 00:00:00.000001+00', '1970-01-01 00:00:01+00', '1970-01-01 00:00:00.001+00', '1970-01-01 00:00:00.000001+00'),
    (4, 'a microsecond earlier', '1969-12-31', '23:59:59.999999', '23:59:59', '23:59:59.999', '23:59:59.999999', '23:59:59.999999+00', '23:59:59.99+00',
     '1969-12-31 23:59:59.999999', '1969-12-31 23:59:59', '1969-12-31 23:59:59.999', '1969-12-31 23:59:59.9999', '1969-12-31 23:59:59.999999',
     '1969-12-31 23:59:59.999999+00', '1969-12-31 23:59:59+00', '1969-12-31 23:59:59.999+00', '1969-12-31 23:59:59.999999+00'),
    (5, 'zeros at the end of a fraction', '2024-02-29', '12:34:56.120000', '12:34:56', '12:34:56.120', '12:34:56.12', '12:34:56.12+02', '12:34:56.1-05:30',
     '2024-02-29 12:34:56.12', '2024-02-29 12:34:56', '2024-02-29 12:34:56.12', '2024-02-29 12:34:56.12', '2024-02-29 12:34:56.12',
     '2024-02-29 12:34:56.12+02', '2024-02-29 12:34:56-11', '2024-02-29 12:34:56.12+05:45', '2024-02-29 12:34:56.12+14'),
    (6, 'before the Gregorian calendar', '1582-10-14', '01:02:03', '01:02:03', '01:02:03', '01:02:03', '01:02:03+15:59', '01:02:03-15:59',
     '1582-10-14 01:02:03', '1582-10-04 01:02:03', '1500-02-28 01:02:03.004', '1000-01-01 00:00:00', '0001-01-01 00:00:00',
     '1582-10-14 01:02:03+00', '1582-10-04 01:02:03+00', '1500-02-28 01:02:03.004+00', '0001-01-01 00:00:00+00'),
    (7, 'before our era', '0044-03-15 BC', null, null, null, null, null, null,
     '0044-03-15 12:00:00 BC', '0001-12-31 23:59:59 BC', '0044-03-15 12:00:00.001 BC', '0044-03-15 12:00:00 BC', '0044-03-15 12:00:00 BC',
     '0044-03-15 12:00:00+00 BC', '0001-12-31 23:59:59+00 BC', '0044-03-15 12:00:00.5+00 BC', '4713-01-01 00:00:00+00 BC'),
    (8, 'five digits of a year', '10000-01-01', null, null, null, null, null, null,
     '10000-01-01 00:00:00', '12345-06-07 08:09:10', '99999-12-31 23:59:59.999', '10000-01-01 00:00:00', '200000-01-01 00:00:00',
     '10000-01-01 00:00:00+00', '12345-06-07 08:09:10+00', '99999-12-31 23:59:59.999+00', '200000-01-01 00:00:00+00'),
    (9, 'zone with minutes and summer', '2262-04-12', '24:00', '24:00', '24:00', '24:00', '00:00:00+14', '23:59:59-12',
     '2262-04-11 23:47:16.854775', '2262-04-12 00:00', '2262-04-12 00:00', '2262-04-12 00:00', '2262-04-12 00:00',
     '2262-04-12 00:00+05:30', '2024-07-01 00:00+02', '2024-03-31 02:30:00.5+01', '2262-04-12 00:00+00');
insert into zoo.intervals values
    (1, 'null', null, null, null), (2, 'zero', '0', '0', '0'), (3, 'all parts', '1 year 2 months 3 days 4 hours 5 minutes 6.789 seconds', '1 year 0.12 second', '3 days 04:05:06'),
    (4, 'all negative', '-1 year -2 months -3 days -4 hours -5 minutes -6.789 seconds', '-0.12 second', '-3 days -04:05:06'),
    (5, 'mixed', '1 year -2 months 3 days -04:05:06.5', '-1 day +00:00:01', '-1 day +00:00:01'), (6, 'a microsecond', '00:00:00.000001', '00:00:00.01', '-00:00:00.000001'),
    (7, 'months only', '14 months', '-14 months', '1 day'), (8, 'many hours', '2562047 hours', '100 hours', '100000 days'), (9, 'a week', '1 week', '1 decade', '36 hours');
insert into zoo.required_times values ('2024-02-29', 'some', '01:02:03.000004', '01:02:03.004', '01:02:03+00', '2024-02-29 01:02:03.000004', '2024-02-29 01:02:03.004', '2024-02-29 01:02:03+00', '1 day');
insert into zoo.time_keys values ('2024-02-29 00:00:00.5+00', '01:02:03.04', '2024-02-29 01:02:03.04', '1 day', 'keys');
-- changes
update zoo.times set what = what || ', again';
update zoo.times set c_date = c_date + 1, c_ts = c_ts + interval '1 day', c_tstz_3 = c_tstz_3 + interval '1 millisecond' where id < 6;
update zoo.intervals set c_interval = c_interval * 2;
update zoo.required_times set id = '2024-03-01';
update zoo.time_keys set k4 = '24 hours', what = 'the same key, written differently';
update zoo.time_keys set k4 = '25 hours', what = 'another key';
delete from zoo.times where id % 3 = 0;
delete from zoo.intervals where id % 3 = 0;
delete from zoo.required_times;
delete from zoo.time_keys;
