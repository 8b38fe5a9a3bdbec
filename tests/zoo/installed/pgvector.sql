-- pgvector, which stands beside the server that versions.env names.
-- tables
create schema if not exists zoo;
create extension if not exists vector;
create table zoo.vectors (id int primary key, what text not null, c_vector vector, c_vector_3 vector(3), c_half halfvec, c_half_2 halfvec(2), c_sparse sparsevec, c_sparse_5 sparsevec(5));
create table zoo.required_vectors (id int primary key, what text not null, c_vector vector not null, c_half halfvec not null);
create table zoo.required_sparse (id int primary key, what text not null, c_sparse sparsevec not null);
create table zoo.vector_toast (id int primary key, what text not null, c_vector vector, c_half halfvec);
alter table zoo.vector_toast alter c_vector set storage external, alter c_half set storage external;
-- rows
insert into zoo.vectors (id, what) values (1, 'null');
insert into zoo.vectors values
    (2, 'some', '[1]', '[1,-2,3.5]', '[1.5]', '[0.1,-2]', '{1:1.5,3:-2}/5', '{5:1}/5'),
    (3, 'zeros', '[0,0]', '[0,-0,0]', '[0]', '[0,-0]', '{}/1', '{}/5'),
    (4, 'shortest texts', '[0.1,0.2,1e-10,123456.79]', '[0.3,1e10,1e-38]', '[0.1,0.3333]', '[65504,6e-8]', '{2:0.1}/3', '{1:0.1,2:1e-10}/5'),
    (5, 'the ends', '[3.4028235e38,-3.4028235e38,1e-45]', null, '[65504,-65504]', null, '{32767:1}/32767', null);
insert into zoo.vectors (id, what, c_vector, c_half) select 6, 'long', array_agg(i / 7.0)::vector, array_agg(i / 7.0)::halfvec from generate_series(1, 1536) i;
insert into zoo.required_vectors values (1, 'some', '[1,2]', '[1,2]');
insert into zoo.required_sparse values (1, 'some', '{1:1}/2');
insert into zoo.vector_toast select 1, 'wide', array_agg(i / 7.0)::vector, array_agg(i / 7.0)::halfvec from generate_series(1, 2500) i;
-- changes
update zoo.vectors set what = what || ', again';
update zoo.vectors set c_vector = '[9]', c_half = '[9]', c_sparse = '{1:9}/9' where id < 4;
update zoo.required_sparse set c_sparse = '{2:2}/3';
update zoo.required_vectors set c_vector = '[3]';
update zoo.vector_toast set what = 'unchanged';
delete from zoo.vectors where id % 3 = 0;
delete from zoo.required_vectors;
