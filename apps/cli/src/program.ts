/** `keytrustee`: the client's command. */
import { readFileSync } from 'node:fs'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { homeIn, type Program } from '@keyhsm/command-line'
import { backupCommands } from './commands/backup.js'
import { getCommand } from './commands/get.js'
import { listCommand } from './commands/list.js'
import { pinCommand } from './commands/pin.js'
import { pinsCommand, unpinCommand } from './commands/pins.js'
import { policyCommand } from './commands/policy.js'
import { purgeCommand } from './commands/purge.js'
import { putCommand } from './commands/put.js'
import { recoveryCommand } from './commands/recovery.js'
import { registerCommand } from './commands/register.js'
import { removeCommand } from './commands/remove.js'
import { requestCommands } from './commands/requests.js'
import { serversCommand } from './commands/servers.js'
import { shareCommand } from './commands/share.js'
import { statusCommand } from './commands/status.js'
import { undeleteCommand } from './commands/undelete.js'

const manifest = new URL('../package.json', import.meta.url)
const { version } = JSON.parse(readFileSync(manifest, 'utf8')) as { version: string }

export const program: Program = {
  name: 'keytrustee',
  version,
  summary: 'Deposit keys and other small secrets with a Key Trustee Server, and get them back.',
  commands: [
    registerCommand,
    serversCommand,
    putCommand,
    getCommand,
    listCommand,
    removeCommand,
    undeleteCommand,
    policyCommand,
    pinCommand,
    pinsCommand,
    unpinCommand,
    shareCommand,
    recoveryCommand,
    ...requestCommands,
    ...backupCommands,
    purgeCommand,
    statusCommand,
  ],
  defaultHome: (env) => homeIn(join(env['HOME'] || homedir(), '.keytrustee')),
}
