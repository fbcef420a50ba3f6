import { type Command, optionText, printAuditReport, printLine } from '@keyhsm/command-line'
import { checkpointRoute } from '@keyhsm/protocol'
import { type AuditReport, findSeenHeads, verifyAudit } from '@keyhsm/service'
import { DomainError } from '@keyhsm/core'
import { pathsIn } from '../paths.js'
import { toAuditSigner } from '../service/audit-signer.js'
import { withPartition } from './with-partition.js'
import { isRunning, withService } from './with-service.js'

/** Checks the audit offline; exit status 1 when it finds a fault. */
export const auditVerifyCommand: Command = {
  name: 'audit verify',
  summary: 'verify the audit chain and its signed checkpoints',
  options: [
    {
      flag: 'public-key',
      value: 'F',
      describe:
        'public key of the checkpoints, PEM, kept outside the log (keyhsm audit public-key)',
      file: true,
      maxBytes: 64 * 1024,
    },
    {
      flag: 'seen-by',
      value: 'DIR',
      describe:
        'audit folder of a Trustee Server, or a copy: what it recorded of this audit must be in it',
    },
  ],
  async run(input): Promise<AuditReport> {
    const { home, files } = input
    const publicKey = files['public-key']?.toString('utf8')
    const { audit: directory } = pathsIn(home.keyhsm)
    const given = publicKey === undefined ? {} : { publicKey }
    const witness = optionText(input, 'seen-by')
    const expectAtLeast = witness === undefined ? [] : await findSeenHeads(directory, witness)
    return await verifyAudit({ directory, service: 'keyhsm', expectAtLeast, ...given })
  },
  print: printAuditReport,
  exitCode: (report: AuditReport) => (report.ok ? 0 : 1),
}

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
