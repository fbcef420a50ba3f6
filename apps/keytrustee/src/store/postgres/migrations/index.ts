import { firstSchema } from './0001-first-schema.js'
import { purges } from './0002-purges.js'
import { policies } from './0003-policies.js'
import { trustees } from './0004-trustees.js'
import { organisations } from './0005-organisations.js'
import { migrationTables } from './0006-migrations.js'
import { nodes } from './0007-nodes.js'
import type { Migration } from './migration.js'

export type { Migration } from './migration.js'

/** Every migration in order; the last one's version is the schema this code runs on. */
export const migrations: readonly Migration[] = [
  firstSchema,
  purges,
  policies,
  trustees,
  organisations,
  migrationTables,
  nodes,
]
