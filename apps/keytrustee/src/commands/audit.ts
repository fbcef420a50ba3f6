/** `ktadmin audit`: the server’s audit, offline. */
import { readFile } from 'node:fs/promises'
import { auditCommands as makeCommands } from '@keyhsm/command-line'
import { archiveAudit, exportEntries, findSeenHeads, verifyAudit } from '@keyhsm/service'
import { pathsIn } from '../paths.js'

export const auditCommands = makeCommands({
  directory: ({ home }) => pathsIn(home.keytrustee).audit,
  ownPublicKey: ({ home }) => readFile(pathsIn(home.keytrustee).auditPublicKey, 'utf8'),
  witness: 'Key HSM',
  findSeenHeads,
  verify: (o) => verifyAudit({ ...o, service: 'keytrustee' }),
  export: exportEntries,
  archive: archiveAudit,
})
