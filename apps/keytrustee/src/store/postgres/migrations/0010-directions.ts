import type { Migration } from './migration.js'

/** Where new deposits go, for every server of the installation. */
export const directions: Migration = {
  version: 10,
  name: 'directions',
  changes: 'notes beside the join where new deposits go, so that every server follows a migration',
  locks: [{ table: 'joins', stops: 'all', work: 'catalogue' }],
  sql: `
alter table joins add column directed bigint;
alter table joins add column direction text;
alter table joins add column direction_mac text;
`,
}
