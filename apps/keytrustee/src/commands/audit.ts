/** `ktadmin audit`: the server’s audit, offline. */
import { auditCommands as makeCommands } from '@keyhsm/command-line'
import { archiveAudit, exportEntries, findSeenHeads, verifyAudit } from '@keyhsm/service'
import { pathsIn } from '../paths.js'

export const auditCommands = makeCommands({
  directory: ({ home }) => pathsIn(home.keytrustee).audit,
  ownPublicKey: ({ home }) => pathsIn(home.keytrustee).auditPublicKey,
  witness: 'Key HSM',
  findSeenHeads,
  verify: (o) => verifyAudit({ ...o, service: 'keytrustee' }),
  export: exportEntries,
  archive: archiveAudit,
})
