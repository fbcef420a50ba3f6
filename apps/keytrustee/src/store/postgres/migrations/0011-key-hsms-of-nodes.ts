import type { Migration } from './migration.js'

/** Each server says beside its beat how its Key HSM is, so that one view can show all of them. */
export const keyHsmsOfNodes: Migration = {
  version: 11,
  name: 'key-hsms-of-nodes',
  changes: 'notes beside each server how its Key HSM is',
  locks: [{ table: 'nodes', stops: 'all', work: 'catalogue' }],
  sql: `
alter table nodes add column key_hsm text;
alter table nodes add column key_hsm_healthy boolean;
`,
}
