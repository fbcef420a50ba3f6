/** `keytrustee-kms audit`: this instance’s audit, or that of import and export, offline. */
import { auditCommands as makeCommands, type Input, optionGiven } from '@keyhsm/command-line'
import { archiveAudit, exportEntries, findSeenHeads, verifyAudit } from '@keyhsm/service'
import { movesService } from '../service/with-moves.js'
import { pathsOf } from './folder.js'

export const auditCommands = makeCommands({
  options: [{ flag: 'moves', describe: 'the audit of import and export instead of the service’s' }],
  directory: (input) => (isOfMoves(input) ? pathsOf(input).movesAudit : pathsOf(input).audit),
  ownPublicKey: (input) => pathsOf(input).auditPublicKey,
  findSeenHeads,
  witness: 'a Trustee Server',
  verify: (o, input) =>
    verifyAudit({ ...o, service: isOfMoves(input) ? movesService : 'keytrustee-kms' }),
  export: exportEntries,
  archive: archiveAudit,
})

function isOfMoves(input: Input): boolean {
  return optionGiven(input, 'moves')
}
