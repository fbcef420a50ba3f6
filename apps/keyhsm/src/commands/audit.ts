/** `keyhsm audit`: this Key HSM’s audit, offline, and the key that verifies it. */
import { auditCommands as makeCommands, type Command, printLine } from '@keyhsm/command-line'
import { DomainError } from '@keyhsm/core'
import { checkpointRoute } from '@keyhsm/protocol'
import { archiveAudit, exportEntries, findSeenHeads, verifyAudit } from '@keyhsm/service'
import { pathsIn } from '../paths.js'
import { toAuditSigner } from '../service/audit-signer.js'
import { withPartition } from './with-partition.js'
import { isRunning, withService } from './with-service.js'

export const auditCommands = makeCommands({
  directory: ({ home }) => pathsIn(home.keyhsm).audit,
  witness: 'a Trustee Server',
  findSeenHeads,
  verify: (o) => verifyAudit({ ...o, service: 'keyhsm' }),
  export: exportEntries,
  archive: archiveAudit,
})

/** Prints the key that an auditor keeps elsewhere. */
export const auditPublicKeyCommand: Command = {
  name: 'audit public-key',
  summary: 'print the public key that verifies the audit’s checkpoints',
  async run({ home }): Promise<{ publicKey: string }> {
    const paths = pathsIn(home.keyhsm)
    const publicKey = isRunning(paths)
      ? (await withService(paths, (service) => service.call(checkpointRoute, {}))).publicKey
      : await withPartition(paths, async (partition) => toAuditSigner(partition)?.publicKey)
    if (publicKey !== undefined) return { publicKey }
    throw new DomainError('ERR_HSM_NOT_SUPPORTED', 'the HSM has no key that signs checkpoints')
  },
  print: ({ publicKey }: { publicKey: string }, io) => printLine(publicKey.trimEnd(), io),
}
