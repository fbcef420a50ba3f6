import type { Migration } from './migration.js'

/** Moving deposits between partitions, scopes, kinds, and into or out of HSMs. */
export const migrationTables: Migration = {
  version: 6,
  name: 'migrations',
  changes: 'revisions know their partition and time of sealing; makes the tables of migrations',
  locks: [
    { table: 'deposits', stops: 'writes', work: 'catalogue' },
    { table: 'revisions', stops: 'all', work: 'rewrite' },
  ],
  sql: `
alter table revisions add column canary fingerprint;
alter table revisions add column sealed_at timestamptz;
update revisions set sealed_at = created_at,
  canary = case when sealing = 'hsm' then (select canary from joins) end;
alter table revisions alter column sealed_at set default now();
alter table revisions alter column sealed_at set not null;

create table migrations (
  uuid uuid primary key,
  state text not null check (state in
    ('running', 'paused', 'moved', 'finishing', 'rolling-back', 'finished', 'rolled-back')),
  source text not null,
  target text not null,
  started_by text not null,
  started_at timestamptz not null,
  updated_at timestamptz not null,
  ended_at timestamptz,
  total bigint not null check (total >= 0),
  moved bigint not null check (moved >= 0),
  overtaken bigint not null check (overtaken >= 0),
  cursor_deposit uuid,
  cursor_revision integer,
  note text
) with (fillfactor = 50);
create index migrations_by_start on migrations (started_at);

create table migration_faults (
  migration uuid not null references migrations,
  revision_uuid uuid not null references revisions,
  deposit uuid not null,
  handle handle not null,
  revision integer not null,
  code text not null,
  primary key (migration, revision_uuid)
);

-- What a revision was before it was moved, until that is finished or rolled back.
create table former_revisions (
  uuid uuid primary key references revisions,
  deposit uuid not null references deposits,
  revision integer not null,
  sealing text not null check (sealing in ('hsm', 'pass-through')),
  hsm_key_id hsm_key_id,
  hsm_key_label text,
  scope text,
  kind text,
  canary fingerprint,
  sealed_at timestamptz not null,
  stored bytea not null,
  -- Over revision, key, scope and canary: of this form, and of the one it was exchanged against.
  grant_mac text not null,
  other_grant_mac text not null,
  swapped_back boolean not null default false
);
alter table former_revisions alter column stored set storage external;
create index former_revisions_by_deposit on former_revisions (deposit);
create index former_revisions_by_hsm_key on former_revisions (hsm_key_id)
  where hsm_key_id is not null;
`,
}
