-- hstore, citext, ltree, isn: contributed with every server.
-- tables
create schema if not exists zoo;
create extension if not exists hstore;
create extension if not exists citext;
create extension if not exists ltree;
create extension if not exists isn;
create table zoo.extensions (
    id int primary key, what text not null, c_hstore hstore, c_citext citext, c_ltree ltree, c_isbn isbn, a_citext citext[], a_ltree ltree[]);
create table zoo.required_extensions (id int primary key, what text not null, c_hstore hstore not null, c_citext citext not null, c_ltree ltree not null);
create table zoo.hstore_toast (id int primary key, what text not null, c_hstore hstore);
alter table zoo.hstore_toast alter c_hstore set storage external;
-- rows
insert into zoo.extensions values
    (1, 'null', null, null, null, null, null, null), (2, 'empty', '', '', '', null, '{}', '{}'),
    (3, 'some', 'a=>1', 'MiXed', 'Top.Science.Astronomy', '978-0-393-04002-9', '{One,two}', '{a.b,c}'),
    (4, 'null values', 'a=>null, "b"=>"null", c=>NULL', 'null', 'null', null, array['null', 'b'], '{null1}'),
    (5, 'quotes', '"a\"b"=>"c\\d", "a b"=>"=>", ","=>""', 'a"b', 'a_b', null, array['a"b', 'c\d', 'e,f'], null),
    (6, 'beyond ASCII', '"é"=>"😀"', 'É', 'a1', null, '{é}', null),
    (7, 'one key', 'zzzz=>last', 'x', 'x', null, null, null);
insert into zoo.required_extensions values (1, 'some', 'k=>v', 'c', 'l.t');
insert into zoo.hstore_toast select 1, 'wide', hstore('k', repeat('v', 9000));
-- changes
update zoo.extensions set what = what || ', again';
update zoo.extensions set c_hstore = 'new=>value', c_citext = 'New', c_ltree = 'new.path' where id = 3;
update zoo.required_extensions set c_citext = 'changed';
update zoo.hstore_toast set what = 'unchanged';
delete from zoo.extensions where id = 4;
delete from zoo.required_extensions;
