/** `keytrustee-kms`: the service and its administration. */
import { homeIn, type Program } from '@keyhsm/command-line'
import { aclCommands } from './commands/acl.js'
import { auditCommands } from './commands/audit.js'
import { certCommands } from './commands/cert.js'
import { exportCommand } from './commands/export.js'
import { identityCommand } from './commands/identity.js'
import { importCommand } from './commands/import.js'
import { initCommand } from './commands/init.js'
import { keysCommands } from './commands/keys.js'
import { startAndStop } from './commands/service.js'
import { settings } from './commands/settings.js'
import { statusCommand } from './commands/status.js'
import { installedRoot } from './paths.js'
import { version } from './version.js'

export const program: Program = {
  name: 'keytrustee-kms',
  version,
  summary: 'Hadoop KMS whose zone keys are deposits of a Key Trustee Server, sealed under an HSM',
  user: 'keytrustee-kms',
  groups: {
    keys: 'zone keys',
    acl: 'who may do what',
    audit: 'this instance’s audit',
    cert: 'certificates',
  },
  defaultHome: () => ({
    ...homeIn(installedRoot),
    'keytrustee-kms': installedRoot,
  }),
  commands: [
    initCommand,
    identityCommand,
    ...startAndStop,
    statusCommand,
    ...keysCommands,
    importCommand,
    exportCommand,
    ...aclCommands,
    settings,
    ...auditCommands,
    ...certCommands,
  ],
}
