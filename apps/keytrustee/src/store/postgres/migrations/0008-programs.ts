import type { Migration } from './migration.js'

/** Which release brought the schema to where it is: an older one that is refused can say which is needed. */
export const programs: Migration = {
  version: 8,
  name: 'programs',
  changes: 'notes which release of the program made each version of the schema',
  locks: [{ table: 'schema_migrations', stops: 'all', work: 'catalogue' }],
  sql: `
alter table schema_migrations add column program text;
`,
}
