/** The `keyhsm` program: its table of commands. */
import { completionCommand, type Program } from '@keyhsm/command-line'
import { auditCommands, auditPublicKeyCommand } from './commands/audit.js'
import {
  backendDefaultCommand,
  backendListCommand,
  backendRemoveCommand,
} from './commands/backend.js'
import { certListCommand, certRenewCommand, certReplaceCommand } from './commands/cert.js'
import { keysListCommand, keysShowCommand } from './commands/keys.js'
import { logLevelCommand } from './commands/log-level.js'
import { loginResetCommand } from './commands/login-reset.js'
import { naeProbeCommand } from './commands/nae-probe.js'
import { settingsCommand } from './commands/settings.js'
import { keysRevokeCommand } from './commands/revoke-keys.js'
import { setupCommand } from './commands/setup.js'
import {
  debugCommand,
  reloadCommand,
  restartCommand,
  startCommand,
  stopCommand,
} from './commands/start.js'
import { statusCommand } from './commands/status.js'
import { trustCommand } from './commands/trust.js'
import { usageCommand } from './commands/usage.js'
import { validateCommand } from './commands/validate.js'
import { installed } from './paths.js'
import { version } from './version.js'

export const program: Program = {
  name: 'keyhsm',
  version,
  summary: 'Key HSM: seals deposits under keys that only a hardware security module can release',
  user: 'keyhsm',
  groups: {
    cert: 'the TLS certificate of this Key HSM',
    keys: 'HSM keys of the partition',
    backend: 'the HSMs of this Key HSM',
    audit: 'the audit of this Key HSM',
  },
  defaultHome: () => installed,
  commands: [
    usageCommand(() => program),
    setupCommand,
    trustCommand,
    validateCommand,
    settingsCommand,
    startCommand,
    statusCommand,
    stopCommand,
    reloadCommand,
    restartCommand,
    debugCommand,
    logLevelCommand,
    certListCommand,
    certRenewCommand,
    certReplaceCommand,
    keysListCommand,
    keysShowCommand,
    keysRevokeCommand,
    backendListCommand,
    backendDefaultCommand,
    backendRemoveCommand,
    ...auditCommands,
    auditPublicKeyCommand,
    loginResetCommand,
    naeProbeCommand,
    completionCommand(() => program),
  ],
}
