import type { Migration } from './migration.js'

/** Retrievals that trustees must approve. */
export const trustees: Migration = {
  version: 4,
  name: 'trustees',
  changes: 'makes retrieval requests and verdicts',
  locks: [
    { table: 'clients', stops: 'writes', work: 'catalogue' },
    { table: 'deposits', stops: 'writes', work: 'catalogue' },
  ],
  sql: `
create table retrieval_requests (
  uuid uuid primary key,
  deposit uuid not null references deposits,
  revision integer not null check (revision >= 1),
  organisation uuid not null,
  client uuid not null,
  client_key text not null,
  client_signature text,
  state text not null check (state in ('open', 'withdrawn', 'used')),
  created_at timestamptz not null,
  expires_at timestamptz not null,
  grant_mac text not null,
  foreign key (client, organisation) references clients (uuid, organisation)
);
create index retrieval_requests_by_deposit on retrieval_requests (deposit);
create index retrieval_requests_by_expiry on retrieval_requests (organisation, expires_at);

create table verdicts (
  request uuid not null references retrieval_requests on delete cascade,
  trustee uuid not null,
  verdict text not null check (verdict in ('approve', 'deny')),
  signature text,
  decided_at timestamptz not null,
  primary key (request, trustee),
  check ((verdict = 'approve') = (signature is not null))
);
`,
}
