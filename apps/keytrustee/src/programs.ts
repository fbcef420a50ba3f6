/** The three programs of the Trustee Server as tables of their commands. */
import { join } from 'node:path'
import type { Home, Program } from '@keyhsm/command-line'
import { adminCommands } from './commands/admin.js'
import { auditCommands } from './commands/audit.js'
import { backupCommands } from './commands/backup.js'
import { certCommands } from './commands/cert.js'
import { clientCommands } from './commands/client.js'
import { dbCommands } from './commands/db.js'
import { depositCommands } from './commands/deposit.js'
import { doctorCommand } from './commands/doctor.js'
import { drillCommands } from './commands/drill.js'
import { groupCommands } from './commands/group.js'
import { hsmKeyCommands } from './commands/hsm-keys.js'
import { initCommand } from './commands/init.js'
import { keyHsmCommand } from './commands/keyhsm.js'
import { logLevelCommand } from './commands/log-level.js'
import { migrateCommands } from './commands/migrate.js'
import { nodeCommands } from './commands/node.js'
import { orgCommands } from './commands/org.js'
import { orgtoolCommands } from './commands/orgtool.js'
import { policyCommands } from './commands/policy.js'
import { serverCommands } from './commands/server.js'
import { restoreCommands } from './commands/restore.js'
import { settings } from './commands/settings.js'
import { statusCommand } from './commands/status.js'
import { installedRoot } from './paths.js'
import { version } from './version.js'

/** Where the old product was installed; used when neither `--home` nor KEYHSM_HOME says otherwise. */
function defaultHome(env: Readonly<Record<string, string | undefined>>): Home {
  return {
    root: '/var/lib/keytrustee',
    keyhsm: '/usr/share/keytrustee-server-keyhsm',
    keytrustee: installedRoot,
    client: join(env['HOME'] ?? '/', '.keytrustee'),
    'keytrustee-kms': '/var/lib/keytrustee-kms',
  }
}

const common = { version, defaultHome, user: 'keytrustee' } as const

export const ktadmin: Program = {
  ...common,
  name: 'ktadmin',
  summary: 'administers a Key Trustee Server',
  groups: {
    admin: 'administrators of this server',
    org: 'organisations',
    client: 'enrolled clients',
    group: 'groups of clients',
    deposit: 'what is stored',
    policy: 'when and by whom deposits may be retrieved',
    'hsm-keys': 'this realm’s keys in the HSM',
    audit: 'the server’s audit',
    cert: 'certificates of the server and of its clients’ authority',
  },
  commands: [
    initCommand,
    ...dbCommands,
    ...orgCommands,
    ...clientCommands,
    ...groupCommands,
    keyHsmCommand,
    ...nodeCommands,
    ...migrateCommands,
    ...depositCommands,
    ...policyCommands,
    ...hsmKeyCommands,
    ...backupCommands,
    ...drillCommands,
    ...restoreCommands,
    statusCommand(),
    doctorCommand,
    logLevelCommand,
    settings,
    ...adminCommands,
    ...auditCommands,
    ...certCommands,
  ],
}

export const keytrusteeServer: Program = {
  ...common,
  name: 'keytrustee-server',
  summary: 'the Key Trustee Server: keeps deposits that only an HSM can open',
  commands: serverCommands,
}

export const keytrusteeOrgtool: Program = {
  ...common,
  name: 'keytrustee-orgtool',
  summary:
    'organisations and clients, as the old product had it (ktadmin org and client can do more)',
  commands: orgtoolCommands,
}
