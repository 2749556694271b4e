-- A first session of somebody who knows PostgreSQL. smoke.out is what psql
-- shows for it; testdata/psql/run.sh compares.
create table smoke (id bigserial primary key, name text not null unique, price numeric(10,2), made timestamptz default now(), ok boolean);
insert into smoke (name, price, ok) values ('it''s', 1.50, true), (E'back\\slash', -2.25, false), ($$dollar$$, null, null) returning id, name, price;
select id, name, price, ok from smoke order by id;
select count(*), max(name) from smoke where ok is not false;
update smoke set price = price * 2 where id = 1 returning price;
delete from smoke where id = 2;
insert into smoke (id, name) values (1, 'again') on conflict (id) do update set name = excluded.name returning name;
select made > timestamptz '2020-01-01 00:00:00Z' as recent from smoke where id = 1;
select 7 / 2 as quotient, 'a' || 'b' as joined, cast('12' as integer) + 1 as sum, '2026-01-02'::date as day;

-- Mistakes are errors as PostgreSQL's, and the session goes on.
insert into smoke (name) values ('dollar');
select nosuch from smoke;
selec 1;
select id from nosuch;

-- Statements sent together are one transaction.
create table pairs (a int);
insert into pairs values (1)\; insert into pairs values (2);
insert into pairs values (3)\; insert into pairs values (1 / 0);
select count(*) from pairs;

-- Settings.
show transaction_read_only;
set quorate.read_consistency = 'stale';
show quorate.read_consistency;
