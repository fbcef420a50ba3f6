import type { Migration } from './migration.js'

/** Auth secrets that end, automatic enrolment, recovery recipients; clients that lost their keys. */
export const organisations: Migration = {
  version: 5,
  name: 'organisations',
  changes: 'auth secrets end, clients enrol again, organisations have recovery recipients',
  locks: [
    { table: 'organisations', stops: 'all', work: 'scan' },
    { table: 'clients', stops: 'all', work: 'scan' },
  ],
  sql: `
alter table organisations add column auth_expires_at timestamptz;
alter table organisations add column auth_uses_left integer check (auth_uses_left >= 0);
alter table organisations add column open boolean not null default false;
alter table organisations add column recovery text;

alter table clients add column reenrolment_hash text;
alter table clients add column reenrolment_until timestamptz;
alter table clients add check ((reenrolment_hash is null) = (reenrolment_until is null));

-- The server may not delete deposits or clients; what is left of an empty organisation goes by this door alone.
create function delete_organisation(which uuid) returns text
language plpgsql security definer set search_path = keytrustee, pg_temp as $$
begin
  perform from organisations where uuid = which for update;
  if not found then return 'absent'; end if;
  if exists (select from deposits where organisation = which and state <> 'purged')
    or exists (select from pending_puts where organisation = which) then return 'in use'; end if;
  delete from deposit_readers where deposit in (select uuid from deposits where organisation = which);
  delete from retrieval_counts where deposit in (select uuid from deposits where organisation = which);
  delete from retrieval_requests where organisation = which;
  delete from revisions where deposit in (select uuid from deposits where organisation = which);
  delete from deposits where organisation = which and state = 'purged';
  delete from groups where organisation = which;
  delete from usages where subject = which or subject in (select uuid from clients where organisation = which);
  delete from hsm_key_counts where subject = which or subject in (select uuid from clients where organisation = which);
  delete from requests where client in (select uuid from clients where organisation = which);
  delete from clients where organisation = which;
  delete from organisations where uuid = which;
  return 'deleted';
end
$$;
revoke execute on function delete_organisation from public;
`,
}
