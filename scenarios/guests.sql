-- The table that scenarios/sql.yaml works on.
drop table if exists perfkit_visits;
create table perfkit_visits (guest int not null, at timestamptz not null default now());
create index on perfkit_visits (guest);
