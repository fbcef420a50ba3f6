import type { Migration } from './migration.js'

/** What the servers of one installation have agreed on for the authorities of clients, sealed, and who took it over. */
export const clientAuthorities: Migration = {
  version: 9,
  name: 'client-authorities',
  changes: 'makes the tables by which servers hand on a new client authority',
  locks: [],
  sql: `
create table client_authorities (
  one boolean primary key default true check (one),
  sequence integer not null check (sequence > 0),
  sealed bytea not null,
  changed_at timestamptz not null default now()
);

create table client_authorities_taken (
  node uuid primary key,
  sequence integer not null check (sequence > 0),
  taken_at timestamptz not null default now()
);
`,
}
