import { firstSchema } from './0001-first-schema.js'
import { purges } from './0002-purges.js'
import { policies } from './0003-policies.js'
import { trustees } from './0004-trustees.js'
import { organisations } from './0005-organisations.js'
import { migrationTables } from './0006-migrations.js'
import { nodes } from './0007-nodes.js'
import { programs } from './0008-programs.js'
import { clientAuthorities } from './0009-client-authorities.js'
import { directions } from './0010-directions.js'
import { keyHsmsOfNodes } from './0011-key-hsms-of-nodes.js'
import { cheapChecks } from './0012-cheap-checks.js'
import type { Migration } from './migration.js'

export type { Migration, TableLock } from './migration.js'

/** Every migration in order; the last one's version is the schema this code runs on. */
export const migrations: readonly Migration[] = [
  firstSchema,
  purges,
  policies,
  trustees,
  organisations,
  migrationTables,
  nodes,
  programs,
  clientAuthorities,
  directions,
  keyHsmsOfNodes,
  cheapChecks,
]

/**
 * The schema of the release before, which this code runs on too: until an owner of the schema has brought it up to date, and
 * on a standby that has not. Moves with each release that has migrations of its own.
 */
export const previousSchema = 7
