import type { Migration } from './migration.js'

/** The first schema. Never edited after a release: a change is a new migration. */
export const firstSchema: Migration = {
  version: 1,
  name: 'first-schema',
  changes: 'makes the schema',
  locks: [],
  sql: `
create domain fingerprint as text check (value ~ '^[0-9a-f]{64}$');
create domain handle as text collate "C" check (value ~ '^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$');
create domain short_name as text collate "C" check (value ~ '^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$');
create domain hsm_key_id as text check (value ~ '^[0-9a-f]{32}$');

create table organisations (
  uuid uuid primary key,
  name short_name not null unique,
  state text not null check (state in ('active', 'suspended')),
  auth_hash text,
  contacts text[] not null,
  created_at timestamptz not null,
  grant_mac text not null
);

create table clients (
  uuid uuid primary key,
  organisation uuid not null references organisations,
  name short_name not null,
  state text not null check (state in ('waiting', 'active', 'disabled')),
  key_fingerprint fingerprint not null unique,
  identity_key text not null,
  recipient text not null,
  created_at timestamptz not null,
  grant_mac text not null,
  unique (organisation, name),
  unique (uuid, organisation)
);

create table deposits (
  uuid uuid primary key,
  organisation uuid not null,
  owner uuid not null,
  handle handle not null,
  state text not null check (state in ('active', 'disabled')),
  revision integer not null check (revision >= 1),
  created_at timestamptz not null,
  updated_at timestamptz not null,
  undelete_until timestamptz,
  grant_mac text not null,
  unique (owner, handle),
  foreign key (owner, organisation) references clients (uuid, organisation)
) with (fillfactor = 90);
create index deposits_by_organisation on deposits (organisation, handle);
create index deposits_by_handle on deposits (handle);

create table revisions (
  uuid uuid primary key,
  deposit uuid not null references deposits,
  revision integer not null check (revision >= 1),
  sealing text not null check (sealing in ('hsm', 'pass-through')),
  content_bytes integer not null check (content_bytes >= 0),
  hsm_key_id hsm_key_id,
  hsm_key_label text,
  scope text check (scope in ('deposit', 'organisation', 'service')),
  kind text,
  created_at timestamptz not null,
  stored bytea not null,
  unique (deposit, revision),
  check ((sealing = 'hsm') = (hsm_key_id is not null))
);
-- Sealed bytes do not compress.
alter table revisions alter column stored set storage external;
create index revisions_by_hsm_key on revisions (hsm_key_id) where hsm_key_id is not null;

create table pending_puts (
  request_id uuid not null,
  client uuid not null,
  organisation uuid not null,
  deposit uuid not null,
  handle handle not null,
  revision integer not null check (revision >= 1),
  content_bytes integer not null check (content_bytes >= 0),
  started_at timestamptz not null,
  primary key (request_id, client, handle),
  foreign key (client, organisation) references clients (uuid, organisation)
);

create table requests (
  request_id uuid not null,
  client uuid not null,
  request_hash fingerprint not null,
  reply text not null,
  created_at timestamptz not null,
  primary key (request_id, client)
);
create index requests_by_creation on requests (created_at);

create table joins (
  singleton boolean primary key default true check (singleton),
  url text not null,
  realm text not null,
  canary fingerprint not null,
  domain text not null,
  joined_at timestamptz not null
);

-- A subject is a client or an organisation.
create table usages (
  subject uuid primary key,
  deposits bigint not null
) with (fillfactor = 50);

create table hsm_key_counts (
  subject uuid not null,
  minute_at timestamptz not null,
  count integer not null check (count >= 0),
  primary key (subject, minute_at)
) with (fillfactor = 50);
create index hsm_key_counts_by_minute on hsm_key_counts (minute_at);
`,
}
