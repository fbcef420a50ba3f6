import type { Migration } from './migration.js'

/** When and by whom deposits may be retrieved; groups of clients. */
export const policies: Migration = {
  version: 3,
  name: 'policies',
  changes: 'deposits have policies, clients signed recipients; makes groups, readers, counts',
  locks: [
    { table: 'organisations', stops: 'writes', work: 'catalogue' },
    { table: 'clients', stops: 'all', work: 'catalogue' },
    { table: 'deposits', stops: 'all', work: 'catalogue' },
  ],
  sql: `
alter table deposits add column policy text;
alter table clients add column recipient_signature text;

create table groups (
  uuid uuid primary key,
  organisation uuid not null references organisations,
  name short_name not null,
  members uuid[] not null,
  created_at timestamptz not null,
  grant_mac text not null,
  unique (organisation, name)
);
create index groups_by_member on groups using gin (members);

-- Finds deposits for readers; whether they may read says the deposit's policy.
create table deposit_readers (
  reader uuid not null,
  deposit uuid not null references deposits,
  primary key (reader, deposit)
);
create index deposit_readers_by_deposit on deposit_readers (deposit);

create table retrieval_counts (
  deposit uuid primary key references deposits,
  used integer not null check (used >= 0),
  grant_mac text not null
) with (fillfactor = 50);
`,
}
