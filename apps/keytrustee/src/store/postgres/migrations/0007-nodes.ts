import type { Migration } from './migration.js'

/** Several servers on one database: what each wrote last, and since when each timeline of the database is known. */
export const nodes: Migration = {
  version: 7,
  name: 'nodes',
  changes: 'makes the tables of servers and timelines',
  locks: [],
  sql: `
create table nodes (
  node uuid primary key,
  name text not null,
  url text not null,
  server_fingerprint fingerprint not null,
  version text not null,
  timeline integer not null,
  beat_at timestamptz not null
) with (fillfactor = 50);

create table timelines (
  timeline integer primary key,
  since timestamptz not null
);
`,
}
