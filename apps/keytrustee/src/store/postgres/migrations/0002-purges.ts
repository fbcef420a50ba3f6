import type { Migration } from './migration.js'

/** Deposits that are purged, and the record of it. */
export const purges: Migration = {
  version: 2,
  name: 'purges',
  changes: 'deposits can be purged; their revocations are recorded',
  locks: [{ table: 'deposits', stops: 'all', work: 'scan' }],
  sql: `
alter table deposits drop constraint deposits_state_check;
alter table deposits add constraint deposits_state_check
  check (state in ('active', 'disabled', 'purging', 'purged'));
-- A purged deposit gives its handle back.
alter table deposits drop constraint deposits_owner_handle_key;
create unique index deposits_owner_handle on deposits (owner, handle) where state <> 'purged';
create index deposits_purging on deposits (uuid) where state = 'purging';

create table revocations (
  deposit uuid primary key,
  organisation uuid not null,
  handle handle not null,
  hsm_key_ids text[] not null,
  shared_revisions integer not null check (shared_revisions >= 0),
  ordered_by text not null,
  ordered_at timestamptz not null,
  done_at timestamptz
);
create index revocations_by_order on revocations (ordered_at);
`,
}
