-- PostGIS, which Debian has for its own server.
-- tables
create schema if not exists zoo;
create extension if not exists postgis;
create table zoo.geometries (id int primary key, what text not null, c_geom geometry, c_point geometry(point, 4326), c_z geometry(pointz), c_geog geography,
    c_geog_point geography(point, 4326));
create table zoo.required_geometries (id int primary key, what text not null, c_geom geometry not null, c_geog geography not null);
create table zoo.geometry_toast (id int primary key, what text not null, c_geom geometry, c_geog geography, c_required geometry not null);
alter table zoo.geometry_toast alter c_geom set storage external, alter c_geog set storage external, alter c_required set storage external;
-- rows
insert into zoo.geometries (id, what) values (1, 'null');
insert into zoo.geometries values
    (2, 'points', 'POINT(1.5 -2)', 'SRID=4326;POINT(-99.1 19.4)', 'POINT Z (1 2 3)', 'POINT(-99.1 19.4)', 'POINT(0 0)'),
    (3, 'empty', 'POINT EMPTY', 'SRID=4326;POINT EMPTY', null, 'POINT EMPTY', 'POINT EMPTY'),
    (4, 'another srid', 'SRID=3857;POINT(1 2)', null, null, 'SRID=4267;POINT(1 2)', null),
    (5, 'lines', 'LINESTRING(0 0,1 1,2 1.25)', null, null, 'LINESTRING(0 0,1 1)', null),
    (6, 'a hole', 'POLYGON((0 0,10 0,10 10,0 10,0 0),(1 1,2 1,2 2,1 1))', null, null, 'POLYGON((0 0,10 0,10 10,0 0))', null),
    (7, 'many', 'SRID=4326;MULTIPOLYGON(((0 0,1 0,1 1,0 0)),((5 5,6 5,6 6,5 5)))', null, null, 'MULTIPOINT((0 0),(1 1))', null),
    (8, 'collection', 'GEOMETRYCOLLECTION(POINT(1 2),LINESTRING(0 0,1 1),GEOMETRYCOLLECTION EMPTY)', null, null, null, null),
    (9, 'measured', 'POINT M (1 2 3)', null, null, 'POINT ZM (1 2 3 4)', null),
    (10, 'curves', 'CIRCULARSTRING(0 0,1 1,2 0)', null, null, null, null),
    (11, 'surfaces', 'TIN(((0 0 0,0 0 1,0 1 0,0 0 0)))', null, null, null, null),
    (12, 'the ends', st_makepoint(1.7976931348623157e308, 5e-324), 'SRID=4326;POINT(180 90)', 'POINT Z (-0 0 -0)', 'POINT(-180 -90)', null);
insert into zoo.required_geometries values (1, 'some', 'SRID=4326;POINT(1 2)', 'POINT(1 2)');
insert into zoo.geometry_toast select 1, 'wide', g, g::geography, g from (select st_setsrid(st_makeline(array_agg(st_makepoint(i / 100.0, i / 200.0))), 4326) g from generate_series(1, 1000) i) wide;
-- changes
update zoo.geometries set what = what || ', again';
update zoo.geometries set c_geom = 'SRID=4326;POINT(3 4)', c_geog = 'POINT(3 4)' where id < 4;
update zoo.required_geometries set what = 'again';
update zoo.geometry_toast set what = 'unchanged';
delete from zoo.geometries where id % 3 = 0;
delete from zoo.required_geometries;
